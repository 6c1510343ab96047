/**
 * Writes strings and hashes as Redis 7.0 does, without compression. `Exact` forms are for Logboat's own
 * snapshots: Redis reads them alike, and a restored machine holds the very forms of the original.
 */

import type { ByteWriter } from "../../base/mod.ts";
import type { HashValue } from "../hash_value.ts";
import { parseInt64 } from "../int64.ts";
import { stringText, type StringValue } from "../string_value.ts";
import { ENCODED, LENGTH_32, LENGTH_64 } from "./format.ts";
import { ListpackWriter } from "./listpack.ts";

/** Longest decimal form of a 32-bit integer. */
const INT32_TEXT_MAX = 11;

/** A length in its shortest form. */
export function putLength(writer: ByteWriter, length: number): void {
  if (length < 0x40) {
    writer.u8(length);
  } else if (length < 0x4000) {
    putLength14(writer, length);
  } else if (length <= 0xffff_ffff) {
    putLength32(writer, length);
  } else {
    writer.u8(LENGTH_64);
    putBigEndian32(writer, Math.floor(length / 0x1_0000_0000));
    putBigEndian32(writer, length >>> 0);
  }
}

function putLength14(writer: ByteWriter, length: number): void {
  writer.u8(0x40 | (length >>> 8));
  writer.u8(length);
}

function putLength32(writer: ByteWriter, length: number): void {
  writer.u8(LENGTH_32);
  putBigEndian32(writer, length);
}

function putBigEndian32(writer: ByteWriter, value: number): void {
  writer.u8(value >>> 24);
  writer.u8(value >>> 16);
  writer.u8(value >>> 8);
  writer.u8(value);
}

/** A string as Redis writes it: what reads as a 32-bit integer becomes one. */
export function putString(writer: ByteWriter, value: StringValue): void {
  if (typeof value === "number") return putNumber(writer, value);
  if (value.length <= INT32_TEXT_MAX && value.length > 0) {
    const integer = parseInt64(stringText(value));
    if (typeof integer === "number" && putInt32(writer, integer)) return;
  }
  putLength(writer, value.length);
  if (typeof value === "string") writer.latin1(value);
  else writer.bytes(value);
}

/** A string in a way that tells its form; see `RdbInput.exactValue`. */
export function putExactString(writer: ByteWriter, value: StringValue): void {
  if (typeof value === "number") return putNumber(writer, value);
  putExactLength(writer, value);
  if (typeof value === "string") writer.latin1(value);
  else writer.bytes(value);
}

/** The length before the bytes of a text or an array that `putExactString` writes. */
export function putExactLength(writer: ByteWriter, value: string | Uint8Array): void {
  if (typeof value === "object") {
    if (value.length < 0x4000) return putLength32(writer, value.length);
  } else if (typeof parseInt64(value) === "number") {
    return putLength14(writer, value.length);
  }
  putLength(writer, value.length);
}

function putNumber(writer: ByteWriter, value: number): void {
  if (putInt32(writer, value)) return;
  const text = String(value);
  putLength(writer, text.length);
  writer.latin1(text);
}

/** False when the integer needs more than 32 bits. */
function putInt32(writer: ByteWriter, value: number): boolean {
  if (value >= -0x80 && value <= 0x7f) {
    writer.u8(ENCODED.int8);
    writer.u8(value);
  } else if (value >= -0x8000 && value <= 0x7fff) {
    writer.u8(ENCODED.int16);
    writer.u16(value);
  } else if (value === (value | 0)) {
    writer.u8(ENCODED.int32);
    writer.u32(value >>> 0);
  } else {
    return false;
  }
  return true;
}

/** A hash of the form `listpack`, as a string that holds one. */
export function putListpackHash(writer: ByteWriter, hash: HashValue, scratch: ByteWriter): void {
  scratch.clear();
  const listpack = new ListpackWriter(scratch);
  hash.forEach((value, field) => {
    listpack.add(field);
    listpack.add(value);
  });
  listpack.finish();
  putLength(writer, scratch.length);
  writer.bytes(scratch.buffer, 0, scratch.length);
}

/**
 * The number of fields of a table. A length longer than it need be marks one of few fields, which
 * would be read as `ordered`.
 */
export function putCountOfTable(writer: ByteWriter, count: number): void {
  if (count < 0x4000) putLength32(writer, count);
  else putLength(writer, count);
}
