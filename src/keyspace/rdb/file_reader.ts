/**
 * Reads an RDB file of any Redis up to 7.0 (RDB version 10) from bytes in any slices, and tells a
 * visitor what is in it. Types that Logboat does not have are passed over and named. Nothing counts
 * before `finish` has returned: the checksum is at the end of the file.
 */

import type { DeadlineMs } from "../deadline_heap.ts";
import type { Value } from "../value.ts";
import { type Program, readHash, skipBody, skipModuleValues, type Unit } from "./body_reader.ts";
import { Crc64, CRC64_BYTES } from "./crc64.ts";
import {
  damaged,
  nameOfType,
  OPCODE,
  RDB_VERSION,
  RDB_VERSION_WITH_CHECKSUM,
  TYPE,
} from "./format.ts";
import { RdbError } from "./rdb_error.ts";
import { NEED_MORE, RdbInput } from "./rdb_input.ts";

/** Told what a file holds, in its order. */
export interface RdbVisitor {
  aux(name: string, value: string): void;
  /** How many keys a database is said to have, and how many of them with a deadline. */
  sizes?(db: number, keys: number, expires: number): void;
  /** A string or a hash. */
  entry(db: number, key: string, value: Value, deadlineMs: DeadlineMs | undefined): void;
  /** A key of a type that Logboat does not have. */
  skippedKey(db: number, key: string, typeName: string): void;
  /** Something that is no key: `function` (a library) or `module data`. */
  skippedOther(what: string): void;
}

/** What comes before a body; one is used again and again. */
interface Head {
  kind: number;
  key: string;
  text: string;
  number: number;
  expires: number;
  value: Value;
  deadlineMs: DeadlineMs | undefined;
}

const HEADER_BYTES = 9;

/** Reads one file; throws `RdbError` at the first thing that is wrong. */
export class RdbFileReader {
  readonly #visitor: RdbVisitor;
  readonly #exact: boolean;
  readonly #input = new RdbInput();
  readonly #crc = new Crc64();
  readonly #program: Program<void> = this.#file();
  #unit: Unit | undefined;
  /** Where `#input.buffer` starts in the file. */
  #base = 0;
  #held: Uint8Array = new Uint8Array(0);
  #heldBytes = 0;
  #version = 0;

  /** `exact`: a snapshot of Logboat, whose values are restored in their very forms. */
  constructor(visitor: RdbVisitor, exact = false) {
    this.#visitor = visitor;
    this.#exact = exact;
    this.#unit = this.#program.next().value as Unit;
  }

  /** The file's RDB version; 0 before it has been read. */
  get version(): number {
    return this.#version;
  }

  /** Takes the next bytes of the file. Throws `RdbError` on anything that is wrong with them. */
  push(bytes: Uint8Array): void {
    const input = this.#input;
    if (this.#heldBytes === 0) {
      input.buffer = bytes;
      input.end = bytes.length;
    } else {
      this.#hold(bytes);
      input.buffer = this.#held;
      input.end = this.#heldBytes;
    }
    input.at = 0;
    if (input.end >= input.wanted) this.#run();
    this.#crc.update(input.buffer, 0, input.at);
    this.#base += input.at;
    input.wanted = Math.max(0, input.wanted - input.at);
    this.#keepRest();
  }

  /** The file is over. Throws `RdbError` unless all of it was there. */
  finish(): void {
    if (this.#unit === undefined) return;
    const bytes = this.#base + this.#heldBytes;
    throw damaged(`the file ends after ${bytes} bytes, before its end mark`);
  }

  #hold(bytes: Uint8Array): void {
    const need = this.#heldBytes + bytes.length;
    if (need > this.#held.length) {
      const grown = new Uint8Array(Math.max(need, this.#held.length * 2));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = need;
  }

  #keepRest(): void {
    const { buffer, at, end } = this.#input;
    if (buffer === this.#held) {
      if (at > 0) this.#held.copyWithin(0, at, end);
      this.#heldBytes = end - at;
    } else {
      this.#heldBytes = 0;
      if (at < end) this.#hold(buffer.subarray(at, end));
    }
  }

  #run(): void {
    const input = this.#input;
    input.wanted = 0;
    while (this.#unit !== undefined) {
      input.begin();
      try {
        const step = this.#program.next(this.#unit(input));
        this.#unit = step.done ? undefined : step.value;
      } catch (error) {
        if (error === NEED_MORE) {
          input.goBack();
          return;
        }
        if (error instanceof RdbError) {
          const at = this.#base + input.beginning;
          throw new RdbError(error.problem, `${error.message} (near byte ${at})`);
        }
        throw error;
      }
    }
    if (input.at < input.end) throw damaged("there are bytes after its end");
  }

  *#file(): Program<void> {
    this.#version = (yield versionOf) as number;
    if (this.#version > RDB_VERSION) {
      throw new RdbError(
        "newerVersion",
        `Cannot read an RDB file of version ${this.#version}: want at most ${RDB_VERSION}, ` +
          "the version of Redis 7.0; save it with that one",
      );
    }
    const head: Head = {
      kind: 0,
      key: "",
      text: "",
      number: 0,
      expires: 0,
      value: 0,
      deadlineMs: undefined,
    };
    let db = 0;
    // Most keys are strings: they are passed on here, without a step of the program for each.
    const unit: Unit = (input) => {
      for (;;) {
        readHead(input, head, this.#exact);
        if (head.kind !== TYPE.string) return;
        this.#visitor.entry(db, head.key, head.value, head.deadlineMs);
        input.begin();
      }
    };
    for (;;) {
      yield unit;
      switch (head.kind) {
        case OPCODE.aux:
          this.#visitor.aux(head.key, head.text);
          break;
        case OPCODE.selectDb:
          db = head.number;
          break;
        case OPCODE.resizeDb:
          this.#visitor.sizes?.(db, head.number, head.expires);
          break;
        case OPCODE.end:
          return yield* this.#footer();
        default:
          yield* this.#rare(db, head);
      }
    }
  }

  *#rare(db: number, head: Head): Program<void> {
    const { kind, key, deadlineMs } = head;
    switch (kind) {
      case OPCODE.function2:
        return this.#visitor.skippedOther("function");
      case OPCODE.moduleAux:
        yield* skipModuleValues();
        return this.#visitor.skippedOther("module data");
      case TYPE.hash:
      case TYPE.hashZipmap:
      case TYPE.hashZiplist:
      case TYPE.hashListpack:
        return this.#visitor.entry(db, key, yield* readHash(kind, this.#exact), deadlineMs);
      default:
        yield* skipBody(kind, `key ${JSON.stringify(key)}`);
        this.#visitor.skippedKey(db, key, nameOfType(kind) as string);
    }
  }

  *#footer(): Program<void> {
    if (this.#version < RDB_VERSION_WITH_CHECKSUM) return;
    yield (input) => {
      const at = input.advance(CRC64_BYTES);
      this.#crc.update(input.buffer, 0, at);
      const footer = input.buffer.subarray(at, at + CRC64_BYTES);
      // Redis writes zeros when it is told not to compute checksums.
      if (this.#crc.equals(footer, 0) || (!this.#exact && footer.every((byte) => byte === 0))) {
        return;
      }
      throw new RdbError("badChecksum", "Cannot read the RDB file: its checksum is wrong");
    };
  }
}

const versionOf: Unit = (input) => {
  const at = input.advance(HEADER_BYTES);
  const text = String.fromCharCode(...input.buffer.subarray(at, at + HEADER_BYTES));
  if (/^REDIS\d{4}$/.test(text)) return Number(text.slice(5));
  throw damaged(`it begins with ${JSON.stringify(text)}, expected REDIS and a version`);
};

/** Everything up to a body, and the body of a string. */
function readHead(input: RdbInput, head: Head, exact: boolean): void {
  head.deadlineMs = undefined;
  for (;;) {
    const kind = head.kind = input.u8();
    switch (kind) {
      case TYPE.string:
        head.key = input.text();
        head.value = exact ? input.exactValue() : input.value();
        return;
      case OPCODE.deadlineMs:
        head.deadlineMs = input.i64();
        break;
      case OPCODE.deadlineSeconds:
        head.deadlineMs = input.i32() * 1000;
        break;
      case OPCODE.idle:
        input.skipLength();
        break;
      case OPCODE.frequency:
        input.u8();
        break;
      default:
        return readRareHead(input, head);
    }
  }
}

function readRareHead(input: RdbInput, head: Head): void {
  switch (head.kind) {
    case OPCODE.end:
      return;
    case OPCODE.aux:
      head.key = input.text();
      head.text = input.text();
      return;
    case OPCODE.selectDb:
      head.number = input.length();
      return;
    case OPCODE.resizeDb:
      head.number = input.length();
      head.expires = input.length();
      return;
    case OPCODE.function2:
      return input.skipString();
    case OPCODE.moduleAux:
      // Its id, and when it is to be read, with the kind of that number before it.
      input.skipLength();
      input.skipLength();
      return input.skipLength();
    default:
      head.key = input.text();
      if (nameOfType(head.kind) !== undefined) return;
      throw new RdbError(
        "unsupportedType",
        `Cannot read key ${JSON.stringify(head.key)}: its type ${head.kind} is not known`,
      );
  }
}
