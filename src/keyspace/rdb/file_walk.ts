/**
 * An RDB file of version 10, made slice by slice from a walk of the keyspace while writes go on. The
 * longest step is the copy of one string, or the set-aside of one changed hash of up to 512 fields; a
 * larger hash is written field by field.
 */

import { ByteWriter } from "../../base/mod.ts";
import type { WalkedKey } from "../database_walk.ts";
import { FieldWalk, HashValue } from "../hash_value.ts";
import type { KeyspaceWalk } from "../keyspace_walk.ts";
import type { StringValue } from "../string_value.ts";
import { isStringValue } from "../string_value.ts";
import type { Value } from "../value.ts";
import { Crc64, CRC64_BYTES } from "./crc64.ts";
import { OPCODE, RDB_VERSION, TYPE } from "./format.ts";
import {
  putCountOfTable,
  putExactLength,
  putExactString,
  putLength,
  putListpackHash,
  putString,
} from "./value_writer.ts";

/** A longer string is copied and then written in pieces of this size. */
const PIECE_BYTES = 64 * 1024;
/** What a step adds to a piece fits. */
const BUFFER_BYTES_KEPT = 4 * PIECE_BYTES;

/** Makes one file. It ends the walk when it has written the last byte, or is abandoned. */
export class RdbFileWalk {
  readonly #walk: KeyspaceWalk;
  readonly #steps: Generator<void, void>;
  readonly #crc = new Crc64();
  readonly #scratch = new ByteWriter();
  #writer = new ByteWriter();
  /** The steps stop when the writer has so many bytes. */
  #wanted = 0;
  /** Up to here the writer's bytes are in the checksum. */
  #summed = 0;
  #fields: FieldWalk | undefined;
  #ended = false;
  /** The writer's bytes up to here were handed out. */
  #at = 0;

  constructor(walk: KeyspaceWalk, aux: readonly (readonly [string, string])[]) {
    this.#walk = walk;
    this.#steps = this.#file(aux);
  }

  /**
   * The next bytes, at most `bytesMax`, valid until the next call; undefined when all were handed out.
   */
  next(bytesMax: number): Uint8Array | undefined {
    if (this.#at === this.#writer.length) this.#refill(Math.min(bytesMax, PIECE_BYTES));
    if (this.#at === this.#writer.length) return undefined;
    const start = this.#at;
    this.#at = Math.min(start + bytesMax, this.#writer.length);
    return this.#writer.buffer.subarray(start, this.#at);
  }

  /** Makes about `bytes` in the place of those that were handed out, at the end fewer. */
  #refill(bytes: number): void {
    // A large value, or many small ones that changed at once, need not be kept room for.
    if (this.#writer.buffer.length > BUFFER_BYTES_KEPT) this.#writer = new ByteWriter();
    this.#writer.clear();
    this.#summed = 0;
    this.#at = 0;
    this.#wanted = bytes;
    while (!this.#ended && this.#writer.length < bytes) {
      if (this.#steps.next().done) this.#end();
    }
    this.#sum();
  }

  /** Ends the walk before its end; nothing may be asked of it any more. */
  abandon(): void {
    if (!this.#ended) this.#end();
    this.#writer.clear();
    this.#at = 0;
  }

  #end(): void {
    this.#ended = true;
    this.#fields?.end();
    this.#walk.end();
  }

  #sum(): void {
    this.#crc.update(this.#writer.buffer, this.#summed, this.#writer.length);
    this.#summed = this.#writer.length;
  }

  *#file(aux: readonly (readonly [string, string])[]): Generator<void, void> {
    this.#writer.latin1(`REDIS${String(RDB_VERSION).padStart(4, "0")}`);
    for (const [name, value] of aux) {
      this.#writer.u8(OPCODE.aux);
      putString(this.#writer, name);
      putString(this.#writer, value);
      yield;
    }
    let selected = this.#putSizes();
    for (let walked = this.#walk.next(); walked !== undefined; walked = this.#walk.next()) {
      const { db, value } = walked;
      if (db !== selected) this.#select(selected = db);
      this.#putHead(walked);
      // Most keys are short strings: no generator for each.
      if (isStringValue(value) && !isLong(value)) putExactString(this.#writer, value);
      else yield* this.#body(value);
      if (this.#writer.length >= this.#wanted) yield;
    }
    const writer = this.#writer;
    writer.u8(OPCODE.end);
    this.#sum();
    const at = writer.reserve(CRC64_BYTES);
    this.#crc.putTo(writer.buffer, at);
    this.#summed = writer.length;
  }

  /** How many keys there are, so that a loader makes room; the database that is selected then. */
  #putSizes(): number {
    let selected = -1;
    for (const { db, size, expires } of this.#walk.databases) {
      if (size === 0) continue;
      this.#select(selected = db);
      this.#writer.u8(OPCODE.resizeDb);
      putLength(this.#writer, size);
      putLength(this.#writer, expires);
    }
    return selected;
  }

  #select(db: number): void {
    this.#writer.u8(OPCODE.selectDb);
    putLength(this.#writer, db);
  }

  /** All of an entry but its value. */
  #putHead({ key, value, deadlineMs }: WalkedKey): void {
    if (deadlineMs !== undefined) {
      this.#writer.u8(OPCODE.deadlineMs);
      const at = this.#writer.reserve(8);
      const { buffer } = this.#writer;
      new DataView(buffer.buffer, buffer.byteOffset).setBigInt64(at, BigInt(deadlineMs), true);
    }
    this.#writer.u8(typeOf(value));
    putString(this.#writer, key);
  }

  /** A value that takes several steps, or is no string. */
  *#body(value: Value | FieldWalk): Generator<void, void> {
    if (value instanceof FieldWalk) return yield* this.#table(value);
    if (isLong(value)) {
      putExactLength(this.#writer, value);
      return yield* this.#pieces(value.slice());
    }
    const hash = value as HashValue;
    if (hash.form === "listpack") {
      return putListpackHash(this.#writer, hash, this.#scratch);
    }
    putLength(this.#writer, hash.size);
    const fields: [string, StringValue][] = [];
    hash.forEach((fieldValue, field) => fields.push([field, fieldValue]));
    for (const [field, fieldValue] of fields) yield* this.#field(field, fieldValue);
  }

  *#table(walk: FieldWalk): Generator<void, void> {
    this.#fields = walk;
    putCountOfTable(this.#writer, walk.count);
    for (let pair = walk.next(); pair !== undefined; pair = walk.next()) {
      yield* this.#field(pair[0], pair[1]);
    }
    walk.end();
    this.#fields = undefined;
  }

  /** Values of fields are replaced, never changed in place: no copy is needed. */
  *#field(field: string, value: StringValue): Generator<void, void> {
    putString(this.#writer, field);
    if (isLong(value)) {
      putLength(this.#writer, value.length);
      yield* this.#pieces(value);
    } else {
      putString(this.#writer, value);
      yield;
    }
  }

  *#pieces(bytes: Uint8Array): Generator<void, void> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#writer.bytes(bytes, at, Math.min(at + PIECE_BYTES, bytes.length));
      yield;
    }
  }
}

function isLong(value: Value | FieldWalk): value is Uint8Array {
  return value instanceof Uint8Array && value.length > PIECE_BYTES;
}

function typeOf(value: Value | FieldWalk): number {
  if (value instanceof FieldWalk) return TYPE.hash;
  if (isStringValue(value)) return TYPE.string;
  if (value instanceof HashValue) {
    return value.form === "listpack" ? TYPE.hashListpack : TYPE.hash;
  }
  throw new TypeError(`Cannot write a ${value.typeName}: RDB files hold strings and hashes alone`);
}
