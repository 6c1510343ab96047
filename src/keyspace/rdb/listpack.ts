/** Listpacks as Redis 7.0 writes them (antirez/listpack): small hashes in RDB files. */

import type { ByteWriter } from "../../base/mod.ts";
import { putU32 } from "../../base/mod.ts";
import { type Int64, INT64_TEXT_MAX, parseInt64 } from "../int64.ts";
import { stringText, type StringValue } from "../string_value.ts";

const HEADER_BYTES = 6;
const COUNT_MAX = 0xffff;

/** Writes a listpack; what reads as a 64-bit integer is written as one. */
export class ListpackWriter {
  readonly #writer: ByteWriter;
  readonly #start: number;
  #count = 0;

  constructor(writer: ByteWriter) {
    this.#writer = writer;
    this.#start = writer.reserve(HEADER_BYTES);
  }

  add(value: StringValue): void {
    const start = this.#writer.length;
    const integer = integerOf(value);
    if (integer !== undefined) putInteger(this.#writer, integer);
    else putText(this.#writer, stringText(value));
    putBackLength(this.#writer, this.#writer.length - start);
    this.#count++;
  }

  /** Ends the listpack, which is the writer's bytes from its start on. */
  finish(): void {
    const writer = this.#writer;
    writer.u8(0xff);
    putU32(writer.buffer, this.#start, writer.length - this.#start);
    const count = Math.min(this.#count, COUNT_MAX);
    writer.buffer[this.#start + 4] = count;
    writer.buffer[this.#start + 5] = count >>> 8;
  }
}

/** Bytes of the length that follows an element, so that Redis can walk backwards. */
export function backLengthBytes(length: number): number {
  if (length <= 127) return 1;
  if (length < 16383) return 2;
  if (length < 2097151) return 3;
  return length < 268435455 ? 4 : 5;
}

function putBackLength(writer: ByteWriter, length: number): void {
  const bytes = backLengthBytes(length);
  for (let i = bytes - 1; i >= 0; i--) {
    const group = Math.floor(length / 2 ** (7 * i)) & 0x7f;
    writer.u8(i === bytes - 1 ? group : group | 0x80);
  }
}

function integerOf(value: StringValue): Int64 | undefined {
  if (typeof value === "number") return value;
  return value.length > INT64_TEXT_MAX ? undefined : parseInt64(stringText(value));
}

function putInteger(writer: ByteWriter, value: Int64): void {
  if (value >= 0 && value <= 127) return writer.u8(Number(value));
  if (value >= -4096 && value <= 4095) {
    const bits = Number(value) & 0x1fff;
    writer.u8(0xc0 | (bits >>> 8));
    return writer.u8(bits);
  }
  if (value >= -0x8000 && value <= 0x7fff) return putLittleEndian(writer, 0xf1, value, 2);
  if (value >= -0x80_0000 && value <= 0x7f_ffff) return putLittleEndian(writer, 0xf2, value, 3);
  if (value >= -0x8000_0000 && value <= 0x7fff_ffff) {
    return putLittleEndian(writer, 0xf3, value, 4);
  }
  writer.u8(0xf4);
  const wide = BigInt(value);
  writer.u32(Number(wide & 0xffff_ffffn));
  writer.u32(Number((wide >> 32n) & 0xffff_ffffn));
}

function putLittleEndian(writer: ByteWriter, first: number, value: Int64, bytes: number): void {
  writer.u8(first);
  for (let i = 0; i < bytes; i++) writer.u8(Number(value) >> (8 * i));
}

function putText(writer: ByteWriter, text: string): void {
  if (text.length < 64) {
    writer.u8(0x80 | text.length);
  } else if (text.length < 4096) {
    writer.u8(0xe0 | (text.length >>> 8));
    writer.u8(text.length);
  } else {
    writer.u8(0xf0);
    writer.u32(text.length);
  }
  writer.latin1(text);
}
