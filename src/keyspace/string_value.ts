/**
 * String values, in three forms, told apart by their JavaScript type:
 *
 * - `number`: the value is the canonical decimal form of a safe integer (Redis's `int`);
 * - `string`: a byte string (Redis's `embstr`, or `raw` past 44 bytes);
 * - `Uint8Array`: large values, and whatever APPEND or SETRANGE has touched (Redis's `raw`). The
 *   array is a view; the memory behind it may be longer, so that appending is cheap.
 *
 * Bytes handed out are copies: a reply may be encoded after a later command has changed the value.
 */

import { bytesFromLatin1, latin1FromBytes, putLatin1 } from "../base/mod.ts";
import { byteString } from "./byte_string.ts";
import { type Int64, INT64_TEXT_MAX, parseInt64, parseShortInteger } from "./int64.ts";

export type StringValue = number | string | Uint8Array;

/** Values up to this size are byte strings, larger ones arrays: a small array costs > 100 bytes. */
const TEXT_BYTES_MAX = 1024;
const EMBSTR_BYTES_MAX = 44;

export function isStringValue(value: unknown): value is StringValue {
  return typeof value !== "object" || value instanceof Uint8Array;
}

/** The bytes `[start, end)` in their cheapest form; copied. */
export function stringValue(bytes: Uint8Array, start = 0, end = bytes.length): StringValue {
  const length = end - start;
  if (length <= INT64_TEXT_MAX) {
    const short = parseShortInteger(bytes, start, end);
    if (short !== undefined) return short;
    const text = byteString(bytes, start, end);
    if (length >= 16) {
      const integer = parseInt64(text);
      if (typeof integer === "number") return integer;
    }
    return text;
  }
  if (length <= TEXT_BYTES_MAX) return byteString(bytes, start, end);
  return bytes.slice(start, end);
}

/** The value of a computed text, which stays a text even when it reads as a number. */
export function stringValueOfText(text: string): StringValue {
  return text.length <= TEXT_BYTES_MAX ? text : bytesFromLatin1(text);
}

/** The value of a computed integer. */
export function stringValueOfInt64(value: Int64): StringValue {
  return typeof value === "number" ? value : value.toString();
}

export function stringLength(value: StringValue): number {
  return typeof value === "number" ? String(value).length : value.length;
}

/** A reply with the value: never a number (which would be an integer reply), never a shared array. */
export function stringReply(value: StringValue): string | Uint8Array {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : value.slice();
}

/** The value as a byte string. */
export function stringText(value: StringValue): string {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : latin1FromBytes(value);
}

/** The bytes `[start, end)` of the value, which the caller has clamped; a copy. */
export function stringSlice(value: StringValue, start: number, end: number): string | Uint8Array {
  if (typeof value === "object") return value.slice(start, end);
  return stringText(value).slice(start, end);
}

/** The value as a 64-bit integer, or undefined when it is none. */
export function stringInt64(value: StringValue): Int64 | undefined {
  if (typeof value === "number") return value;
  if (value.length > INT64_TEXT_MAX) return undefined;
  return parseInt64(stringText(value));
}

/** What OBJECT ENCODING says (Redis `tryObjectEncoding`). */
export function stringEncoding(value: StringValue): "int" | "embstr" | "raw" {
  if (typeof value === "number") return "int";
  if (typeof value === "object" || value.length > EMBSTR_BYTES_MAX) return "raw";
  return value.length >= 16 && typeof parseInt64(value) === "bigint" ? "int" : "embstr";
}

/** The value with bytes behind it. The memory doubles up to 1 MiB and then grows by 1 MiB (as SDS). */
export function appended(value: StringValue, extra: Uint8Array): Uint8Array {
  const length = stringLength(value);
  const grown = room(value, length + extra.length);
  grown.set(extra, length);
  return grown;
}

/** The value with `patch` at `offset`, zero bytes in between if it was shorter. */
export function patched(value: StringValue, offset: number, patch: Uint8Array): Uint8Array {
  const length = stringLength(value);
  const grown = room(value, Math.max(length, offset + patch.length));
  grown.set(patch, offset);
  return grown;
}

export function copyOfString(value: StringValue): StringValue {
  return typeof value === "object" ? value.slice() : value;
}

/** A view of `length` bytes that starts with the value's; the rest is zero unless overwritten. */
function room(value: StringValue, length: number): Uint8Array {
  if (typeof value === "object") {
    if (length === value.length) return value;
    if (value.byteOffset + length <= value.buffer.byteLength) {
      return new Uint8Array(value.buffer, value.byteOffset, length);
    }
  }
  const before = stringLength(value);
  const spare = before === 0 ? 0 : Math.min(length, SPARE_BYTES_MAX);
  const grown = new Uint8Array(new ArrayBuffer(length + spare), 0, length);
  if (typeof value === "object") grown.set(value);
  else putLatin1(grown, 0, stringText(value));
  return grown;
}

const SPARE_BYTES_MAX = 1024 * 1024;
