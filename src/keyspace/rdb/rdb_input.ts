/**
 * The unread part of a stream of RDB bytes, and how its numbers and strings are read. A read that
 * needs more bytes than have arrived throws `NEED_MORE`; the caller goes back to where it began and
 * tries again when there are more. Memory follows the bytes received, never a length announced.
 */

import { byteString } from "../byte_string.ts";
import type { DeadlineMs } from "../deadline_heap.ts";
import { int64 } from "../int64.ts";
import { type StringValue, stringValue } from "../string_value.ts";
import { damaged, ENCODED, LENGTH_32, LENGTH_64, RDB_STRING_BYTES_MAX } from "./format.ts";
import { lzfDecompress } from "./lzf.ts";

/** Thrown, without a stack, when the bytes end inside of what is being read. */
export const NEED_MORE: unique symbol = Symbol("more bytes needed");

/** How a length was written; Redis always takes the shortest form, Logboat may say more by another. */
export type LengthBytes = 1 | 2 | 5 | 9;

export class RdbInput {
  buffer: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  /** Where the read that threw `NEED_MORE` would have ended. */
  wanted = 0;
  /** How the last `length` was written. */
  lengthBytes: LengthBytes = 1;
  #beginning = 0;

  /** What is read next is tried again from here when there are more bytes. */
  begin(): void {
    this.#beginning = this.at;
  }

  /** Where what is being read begins. */
  get beginning(): number {
    return this.#beginning;
  }

  /** After `NEED_MORE`. */
  goBack(): void {
    this.at = this.#beginning;
  }

  /** Moves on by `bytes` and returns where they start. */
  advance(bytes: number): number {
    const at = this.at;
    if (bytes > this.end - at) {
      this.wanted = at + bytes;
      throw NEED_MORE;
    }
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.advance(1)];
  }

  i32(): number {
    const at = this.advance(4);
    const { buffer } = this;
    return buffer[at] | (buffer[at + 1] << 8) | (buffer[at + 2] << 16) | (buffer[at + 3] << 24);
  }

  /** A deadline of eight bytes, little-endian. */
  i64(): DeadlineMs {
    const low = this.i32() >>> 0;
    const high = this.i32();
    const value = high * 0x1_0000_0000 + low;
    return Number.isSafeInteger(value) ? value : int64((BigInt(high) << 32n) | BigInt(low));
  }

  /** A length, a count or a database; throws when it is past 2^53 - 1 or the mark of an encoding. */
  length(): number {
    const first = this.u8();
    if (first < 0xc0) return this.#lengthFrom(first);
    throw damaged(`a length begins with ${first}`);
  }

  /** A number of 64 bits whose value does not matter. */
  skipLength(): void {
    const first = this.u8();
    if (first === LENGTH_64) this.advance(8);
    else this.#lengthFrom(first);
  }

  #lengthFrom(first: number): number {
    if (first < 0x40) {
      this.lengthBytes = 1;
      return first;
    }
    if (first < 0x80) {
      this.lengthBytes = 2;
      return ((first & 0x3f) << 8) | this.u8();
    }
    const { buffer } = this;
    if (first === LENGTH_32) {
      const at = this.advance(4);
      this.lengthBytes = 5;
      return bigEndian32(buffer, at);
    }
    if (first !== LENGTH_64) throw damaged(`a length begins with ${first}`);
    const at = this.advance(8);
    this.lengthBytes = 9;
    const value = bigEndian32(buffer, at) * 0x1_0000_0000 + bigEndian32(buffer, at + 4);
    if (!Number.isSafeInteger(value)) throw damaged("a length is past 2^53 - 1");
    return value;
  }

  /** A string to keep as a key or a field. */
  text(): string {
    const first = this.u8();
    if (first >= 0xc0) return textOf(this.#encoded(first));
    const length = this.#checked(this.#lengthFrom(first));
    const at = this.advance(length);
    return byteString(this.buffer, at, at + length);
  }

  /** A string to keep as a value, in its cheapest form. */
  value(): StringValue {
    return this.#valueFrom(this.u8());
  }

  #valueFrom(first: number): StringValue {
    if (first >= 0xc0) return cheapest(this.#encoded(first));
    const length = this.#checked(this.#lengthFrom(first));
    const at = this.advance(length);
    return stringValue(this.buffer, at, at + length);
  }

  /**
   * A value in the very form that `putExactString` wrote: a length longer than it need be marks a text
   * that reads as an integer (two bytes), or a short array (five).
   */
  exactValue(): StringValue {
    const first = this.u8();
    if (first < 0x40 || first >= 0xc0) return this.#valueFrom(first);
    const length = this.#checked(this.#lengthFrom(first));
    const at = this.advance(length);
    const { buffer, lengthBytes } = this;
    if (lengthBytes === 2 && length < 0x40) return byteString(buffer, at, at + length);
    if (lengthBytes === 5 && length < 0x4000) return buffer.slice(at, at + length);
    return stringValue(buffer, at, at + length);
  }

  /** The bytes of a string; a view that holds until more bytes arrive. */
  blob(): Uint8Array {
    const first = this.u8();
    if (first >= 0xc0) {
      const found = this.#encoded(first);
      if (typeof found === "object") return found;
      throw damaged("a packed collection is an integer");
    }
    const length = this.#checked(this.#lengthFrom(first));
    const at = this.advance(length);
    return this.buffer.subarray(at, at + length);
  }

  /** Passes over a string without making one; true, so that a caller sees that it is done. */
  skipString(): void {
    const first = this.u8();
    if (first < 0xc0) {
      this.advance(this.#checked(this.#lengthFrom(first)));
    } else if (first === ENCODED.lzf) {
      const compressed = this.#checked(this.length());
      this.length();
      this.advance(compressed);
    } else {
      this.#encoded(first);
    }
  }

  #encoded(first: number): number | Uint8Array {
    switch (first) {
      case ENCODED.int8:
        return this.u8() << 24 >> 24;
      case ENCODED.int16: {
        const at = this.advance(2);
        return (this.buffer[at] | (this.buffer[at + 1] << 8)) << 16 >> 16;
      }
      case ENCODED.int32:
        return this.i32();
      case ENCODED.lzf: {
        const compressed = this.#checked(this.length());
        const length = this.#checked(this.length());
        const at = this.advance(compressed);
        return lzfDecompress(this.buffer, at, at + compressed, length);
      }
      default:
        throw damaged(`${first} is no encoding of a string`);
    }
  }

  #checked(length: number): number {
    if (length <= RDB_STRING_BYTES_MAX) return length;
    throw damaged(`a string has ${length} bytes, more than ${RDB_STRING_BYTES_MAX}`);
  }
}

function textOf(found: number | Uint8Array): string {
  return typeof found === "number" ? String(found) : byteString(found);
}

function cheapest(found: number | Uint8Array): StringValue {
  return typeof found === "number" ? found : stringValue(found);
}

function bigEndian32(buffer: Uint8Array, at: number): number {
  return ((buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]) >>>
    0;
}
