/** Reading the arguments of a request as Redis reads them. */

import {
  byteString,
  type Int64,
  parseInt64,
  parseShortInteger,
  type StringValue,
  stringValue,
} from "../keyspace/mod.ts";
import { type Request, RespError } from "../resp/mod.ts";
import { NOT_AN_INTEGER } from "./errors.ts";

/** Largest string value, and largest reply of one element (Redis `proto-max-bulk-len`). */
export const STRING_BYTES_MAX = 512 * 1024 * 1024;

/** Argument `i` as a byte string to keep: a key or a field. */
export function keyAt(request: Request, i: number): string {
  return byteString(request.buffer, request.ranges[2 * i], request.ranges[2 * i + 1]);
}

/** Argument `i` as a value to store; copied. */
export function valueAt(request: Request, i: number): StringValue {
  return stringValue(request.buffer, request.ranges[2 * i], request.ranges[2 * i + 1]);
}

/** Argument `i` as a C string: up to the first NUL, as Redis compares options. */
export function cStringAt(request: Request, i: number): string {
  const text = request.text(i);
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}

/** Argument `i` as the name of an option: a C string in lower case; empty when it is too long. */
export function optionAt(request: Request, i: number): string {
  const { buffer, ranges } = request;
  let name = "";
  for (let at = ranges[2 * i]; at < ranges[2 * i + 1] && buffer[at] !== 0; at++) {
    if (name.length === OPTION_BYTES_MAX) return "";
    const byte = buffer[at];
    name += String.fromCharCode(byte >= 65 && byte <= 90 ? byte + 32 : byte);
  }
  return name;
}

/** No option of any command is longer. */
const OPTION_BYTES_MAX = 24;

/** Lower case of ASCII letters alone. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
}

/** Argument `i` as a 64-bit integer; undefined when it is none. */
export function int64At(request: Request, i: number): Int64 | undefined {
  const start = request.ranges[2 * i];
  const end = request.ranges[2 * i + 1];
  if (end - start <= 15) return parseShortInteger(request.buffer, start, end);
  return end - start > 20 ? undefined : parseInt64(request.text(i));
}

/** Argument `i` as a 32-bit integer, or the error that Redis's `getIntFromObject` answers. */
export function int32At(request: Request, i: number): number | RespError {
  const value = int64At(request, i);
  if (value === undefined) return NOT_AN_INTEGER;
  if (value > 0x7fff_ffff || value < -0x8000_0000) return INT32_OUT_OF_RANGE;
  return Number(value);
}

const INT32_OUT_OF_RANGE = new RespError(
  "ERR value is out of range, value must between -2147483648 and 2147483647",
);
