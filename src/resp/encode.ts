/**
 * Writes replies as RESP2 or RESP3, straight into a connection's output (RESP3 spec). Which value
 * takes which form is the table in reply.ts. Doubles look as Redis 7.0 prints them (`%.17g`).
 */

import { unreachable } from "../base/mod.ts";
import {
  NullArray,
  OK,
  type Reply,
  RespBoolean,
  RespDouble,
  RespError,
  RespMap,
  RespPairs,
  RespPinned,
  RespPush,
  RespSet,
  RespVerbatim,
  type RespVersion,
  SimpleString,
} from "./reply.ts";

/** Where replies go: `ByteWriter` of base and a connection's `OutputBuffer` both are one. */
export interface ReplyOutput {
  buffer: Uint8Array;
  length: number;
  /** Makes room for `bytes` more and returns where they start; read `buffer` after this call. */
  reserve(bytes: number): number;
  bytes(source: Uint8Array, start?: number, end?: number): void;
}

const CR = 13;
const LF = 10;
const PLUS = 43;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const PERCENT = 37;
const TILDE = 126;
const GREATER = 62;

/** Above this a string is handed to the encoder of the runtime, which is faster for long ASCII. */
const SHORT_TEXT_BYTES = 128;
const textEncoder = new TextEncoder();

/** Appends `reply`. Texts of errors and statuses lose their CR and LF, as in Redis. */
export function encodeReply(output: ReplyOutput, reply: Reply, version: RespVersion): void {
  if (reply === OK) return putOk(output);
  if (typeof reply === "string") return putBulkText(output, reply);
  if (typeof reply === "number") return putNumberLine(output, COLON, reply);
  if (reply === null) return version === 3 ? putText(output, "_\r\n") : putText(output, "$-1\r\n");
  if (reply instanceof Uint8Array) return putBulkBytes(output, reply);
  if (Array.isArray(reply)) return putItems(output, STAR, reply, version);
  if (typeof reply === "bigint") return putText(output, `:${reply}\r\n`);
  encodeRareReply(output, reply as RareReply, version);
}

type RareReply =
  | NullArray
  | SimpleString
  | RespError
  | RespMap
  | RespSet
  | RespPairs
  | RespDouble
  | RespBoolean
  | RespVerbatim
  | RespPush
  | RespPinned;

function encodeRareReply(output: ReplyOutput, reply: RareReply, version: RespVersion): void {
  if (reply instanceof SimpleString) return putText(output, `+${withoutLines(reply.text)}\r\n`);
  if (reply instanceof RespError) return putText(output, `-${withoutLines(reply.text)}\r\n`);
  if (reply instanceof RespMap) {
    if (version === 2) return putItems(output, STAR, reply.flat, version);
    putNumberLine(output, PERCENT, reply.flat.length / 2);
    for (const item of reply.flat) encodeReply(output, item, version);
    return;
  }
  if (reply instanceof RespSet) {
    return putItems(output, version === 3 ? TILDE : STAR, reply.members, version);
  }
  if (reply instanceof RespPairs) return putPairs(output, reply.flat, version);
  if (reply instanceof RespDouble) {
    const text = formatDouble(reply.value);
    return version === 3 ? putText(output, `,${text}\r\n`) : putBulkText(output, text);
  }
  if (reply instanceof RespBoolean) {
    if (version === 3) return putText(output, reply.value ? "#t\r\n" : "#f\r\n");
    return putText(output, reply.value ? ":1\r\n" : ":0\r\n");
  }
  if (reply instanceof RespVerbatim) {
    if (version === 2) return putBulkText(output, reply.text);
    putText(output, `=${reply.text.length + 4}\r\n${reply.format}:`);
    putText(output, reply.text);
    return putText(output, "\r\n");
  }
  if (reply instanceof RespPush) {
    return putItems(output, version === 3 ? GREATER : STAR, reply.items, version);
  }
  if (reply instanceof RespPinned) return encodeReply(output, reply.reply, reply.version);
  if (reply instanceof NullArray) return putText(output, version === 3 ? "_\r\n" : "*-1\r\n");
  unreachable(reply);
}

/** A double as Redis 7.0 prints it: `%.17g` of C, and `inf`, `-inf`, `nan`. */
export function formatDouble(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Number.isNaN(value)) return "nan";
  if (Object.is(value, -0)) return "-0";
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return String(value);
  const [mantissa, exponentText] = roundedExponential(value).split("e");
  const exponent = Number(exponentText);
  const negative = mantissa.startsWith("-");
  const digits = mantissa.replace(/[-.]/g, "").replace(/0+$/, "") || "0";
  return (negative ? "-" : "") + layOut(digits, exponent);
}

/** Seventeen significant digits; a tie goes to the even digit, as in C (JavaScript rounds it up). */
function roundedExponential(value: number): string {
  const rounded = value.toExponential(16);
  const exact = value.toExponential(100);
  const point = exact.indexOf("e");
  const digits = exact.slice(0, point).replace(/[-.]/g, "");
  const tie = digits[17] === "5" && /^0*$/.test(digits.slice(18));
  if (!tie || Number(digits[16]) % 2 === 1) return rounded;
  return `${exact.slice(0, value < 0 ? 19 : 18)}${exact.slice(point)}`;
}

function layOut(digits: string, exponent: number): string {
  if (exponent < -4 || exponent >= 17) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${digits[0]}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return digits.padEnd(exponent + 1, "0");
  return `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

function putPairs(output: ReplyOutput, flat: readonly Reply[], version: RespVersion): void {
  if (version === 2) return putItems(output, STAR, flat, version);
  putNumberLine(output, STAR, flat.length / 2);
  for (let i = 0; i < flat.length; i += 2) {
    putNumberLine(output, STAR, 2);
    encodeReply(output, flat[i], version);
    encodeReply(output, flat[i + 1], version);
  }
}

function putItems(
  output: ReplyOutput,
  mark: number,
  items: readonly Reply[],
  version: RespVersion,
): void {
  putNumberLine(output, mark, items.length);
  for (let i = 0; i < items.length; i++) encodeReply(output, items[i], version);
}

function putOk(output: ReplyOutput): void {
  const at = output.reserve(5);
  const buffer = output.buffer;
  buffer[at] = PLUS;
  buffer[at + 1] = 79;
  buffer[at + 2] = 75;
  buffer[at + 3] = CR;
  buffer[at + 4] = LF;
}

/** A mark, an integer, CR LF. */
function putNumberLine(output: ReplyOutput, mark: number, value: number): void {
  if (value >= 0 && value < 10) {
    const at = output.reserve(4);
    const buffer = output.buffer;
    buffer[at] = mark;
    buffer[at + 1] = 48 + value;
    buffer[at + 2] = CR;
    buffer[at + 3] = LF;
    return;
  }
  if (value < 0 || value > 0x3fff_ffff) {
    return putText(output, `${String.fromCharCode(mark)}${value}\r\n`);
  }
  const digits = digitCount(value);
  const at = output.reserve(digits + 3);
  const buffer = output.buffer;
  buffer[at] = mark;
  putDigits(buffer, at + digits, value);
  buffer[at + digits + 1] = CR;
  buffer[at + digits + 2] = LF;
}

function putBulkText(output: ReplyOutput, text: string): void {
  const length = text.length;
  const at = putBulkFrame(output, length);
  if (length > SHORT_TEXT_BYTES) return putLongText(output.buffer, at, text);
  const buffer = output.buffer;
  for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i);
}

function putBulkBytes(output: ReplyOutput, bytes: Uint8Array): void {
  const at = putBulkFrame(output, bytes.length);
  output.buffer.set(bytes, at);
}

/** Writes all of a bulk string but its bytes; returns where they go. */
function putBulkFrame(output: ReplyOutput, length: number): number {
  const digits = length < 10 ? 1 : digitCount(length);
  const at = output.reserve(length + digits + 5);
  const buffer = output.buffer;
  buffer[at] = DOLLAR;
  putDigits(buffer, at + digits, length);
  buffer[at + digits + 1] = CR;
  buffer[at + digits + 2] = LF;
  const valueAt = at + digits + 3;
  buffer[valueAt + length] = CR;
  buffer[valueAt + length + 1] = LF;
  return valueAt;
}

function putText(output: ReplyOutput, text: string): void {
  const at = output.reserve(text.length);
  if (text.length > SHORT_TEXT_BYTES) return putLongText(output.buffer, at, text);
  const buffer = output.buffer;
  for (let i = 0; i < text.length; i++) buffer[at + i] = text.charCodeAt(i);
}

/** Tries the runtime's encoder, which is right only when every character is ASCII. */
function putLongText(buffer: Uint8Array, at: number, text: string): void {
  const length = text.length;
  const { read } = textEncoder.encodeInto(text, buffer.subarray(at, at + length));
  if (read === length) return;
  for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i);
}

function putDigits(buffer: Uint8Array, last: number, value: number): void {
  let rest = value;
  let at = last;
  do {
    const next = (rest / 10) | 0;
    buffer[at--] = 48 + rest - next * 10;
    rest = next;
  } while (rest > 0);
}

function digitCount(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function withoutLines(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
}
