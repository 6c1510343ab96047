/**
 * The bodies of values in an RDB file, as programs: generators that yield what to read next and get
 * it when it has arrived. So a body of any size is read from bytes in any slices, and what was read is
 * never read again.
 */

import { HashValue } from "../hash_value.ts";
import { stringText, type StringValue } from "../string_value.ts";
import { damaged, nameOfType, TYPE } from "./format.ts";
import { readListpack, readZiplist, readZipmap } from "./packed_reader.ts";
import { RdbError } from "./rdb_error.ts";
import type { RdbInput } from "./rdb_input.ts";

/** Reads one small thing, or throws `NEED_MORE` and is called again from where it began. */
export type Unit = (input: RdbInput) => unknown;

/** Yields units; `next` takes what the unit gave. */
export type Program<T> = Generator<Unit, T, unknown>;

const LENGTH: Unit = (input) => input.length();
const LENGTH_OF_SAME_FORM: Unit = (input) => ({
  count: input.length(),
  lengthBytes: input.lengthBytes,
});
const BLOB: Unit = (input) => input.blob();
const SKIP_STRING: Unit = (input) => input.skipString();
const SKIP_LENGTH: Unit = (input) => input.skipLength();

function skipBytes(bytes: number): Unit {
  return (input) => input.advance(bytes);
}

/** A hash of any type number. `exact`: a snapshot of Logboat, whose forms are to be kept. */
export function* readHash(type: number, exact: boolean): Program<HashValue> {
  if (type === TYPE.hash) return yield* readPlainHash(exact);
  const blob = (yield BLOB) as Uint8Array;
  return hashOf(
    type === TYPE.hashListpack
      ? readListpack(blob)
      : type === TYPE.hashZiplist
      ? readZiplist(blob)
      : readZipmap(blob),
  );
}

function* readPlainHash(exact: boolean): Program<HashValue> {
  const { count, lengthBytes } = (yield LENGTH_OF_SAME_FORM) as {
    count: number;
    lengthBytes: number;
  };
  if (count === 0) throw damaged("a hash has no field");
  const isTable = count > ORDERED_FIELDS_MAX || lengthBytes === 5;
  const hash = new HashValue(!exact ? "listpack" : isTable ? "table" : "ordered");
  const pair: Unit = (input) => addField(hash, input.text(), input.value());
  for (let i = 0; i < count; i++) yield pair;
  return hash;
}

/** A hash of more fields is always a table. */
const ORDERED_FIELDS_MAX = 512;

function hashOf(items: readonly StringValue[]): HashValue {
  if (items.length === 0) throw damaged("a hash has no field");
  if (items.length % 2 === 1) throw damaged("a hash has a field without a value");
  const hash = new HashValue();
  for (let i = 0; i < items.length; i += 2) addField(hash, stringText(items[i]), items[i + 1]);
  return hash;
}

function addField(hash: HashValue, field: string, value: StringValue): void {
  if (!hash.set(field, value)) throw damaged("a hash has a field twice");
}

/** Passes over the body of a value that Logboat has no type for. `what` names it in errors. */
export function* skipBody(type: number, what: string): Program<void> {
  switch (type) {
    case TYPE.setIntset:
    case TYPE.listZiplist:
    case TYPE.zsetZiplist:
    case TYPE.zsetListpack:
    case TYPE.setListpack:
      yield SKIP_STRING;
      return;
    case TYPE.list:
    case TYPE.set:
    case TYPE.listQuicklist:
      return yield* skipMany((yield LENGTH) as number, [SKIP_STRING]);
    case TYPE.listQuicklist2:
      return yield* skipMany((yield LENGTH) as number, [SKIP_LENGTH, SKIP_STRING]);
    case TYPE.zset:
      return yield* skipMany((yield LENGTH) as number, [SKIP_STRING, SKIP_DOUBLE_TEXT]);
    case TYPE.zset2:
      return yield* skipMany((yield LENGTH) as number, [SKIP_STRING, skipBytes(8)]);
    case TYPE.stream:
    case TYPE.stream2:
    case TYPE.stream3:
      return yield* skipStream(type);
    case TYPE.module2:
      yield LENGTH_64;
      return yield* skipModuleValues();
    default:
      throw new RdbError(
        "unsupportedType",
        `Cannot read ${what}: its type is ${
          nameOfType(type) ?? type
        }, whose end cannot be found; remove it at its source`,
      );
  }
}

function* skipMany(count: number, units: readonly Unit[]): Program<void> {
  for (let i = 0; i < count; i++) yield* units;
}

/** A score of an old sorted set: a length and a text; 253 to 255 are not-a-number and infinities. */
const SKIP_DOUBLE_TEXT: Unit = (input) => {
  const length = input.u8();
  if (length < 253) input.advance(length);
};

/** Module ids use all 64 bits. */
const LENGTH_64 = SKIP_LENGTH;

function* skipStream(type: number): Program<void> {
  yield* skipMany((yield LENGTH) as number, [SKIP_STRING, SKIP_STRING]);
  // Entries, and the last id; since 7.0 also the first, the largest that was deleted, and a count.
  const numbers = type === TYPE.stream ? 3 : 8;
  for (let i = 0; i < numbers; i++) yield SKIP_LENGTH;
  const groups = (yield LENGTH) as number;
  for (let group = 0; group < groups; group++) {
    yield SKIP_STRING;
    for (let i = 0; i < (type === TYPE.stream ? 2 : 3); i++) yield SKIP_LENGTH;
    yield* skipMany((yield LENGTH) as number, [skipBytes(16 + 8), SKIP_LENGTH]);
    const consumers = (yield LENGTH) as number;
    for (let consumer = 0; consumer < consumers; consumer++) {
      yield SKIP_STRING;
      yield skipBytes(type === TYPE.stream3 ? 16 : 8);
      yield* skipMany((yield LENGTH) as number, [skipBytes(16)]);
    }
  }
}

/** What a module wrote: numbers and strings, each with its kind before it, up to an end mark. */
export function* skipModuleValues(): Program<void> {
  for (;;) {
    switch ((yield LENGTH) as number) {
      case MODULE.end:
        return;
      case MODULE.signed:
      case MODULE.unsigned:
        yield SKIP_LENGTH;
        break;
      case MODULE.float:
        yield skipBytes(4);
        break;
      case MODULE.double:
        yield skipBytes(8);
        break;
      case MODULE.string:
        yield SKIP_STRING;
        break;
      default:
        throw damaged("a module's value has a part of no known kind");
    }
  }
}

const MODULE = { end: 0, signed: 1, unsigned: 2, float: 3, double: 4, string: 5 } as const;
