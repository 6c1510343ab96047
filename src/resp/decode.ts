/**
 * Reads complete frames, as they stand in the log: RESP arrays of bulk strings and nothing else.
 * Clients' bytes go through `RequestDecoder`, which also takes what is incomplete or odd.
 */

import { DecodeError } from "../base/mod.ts";
import type { Request } from "./request.ts";

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;

/**
 * Refills `request` with the frame at `offset` (a view, nothing is copied) and returns where the
 * next one starts. Throws `DecodeError` when the frame is cut short or not canonical.
 */
export function decodeRequest(buffer: Uint8Array, offset: number, request: Request): number {
  const end = buffer.length;
  if (buffer[offset] !== STAR) throw damaged(offset);
  let at = offset + 1;
  let count = 0;
  let byte = buffer[at++];
  for (; byte >= 48 && byte <= 57; byte = buffer[at++]) count = count * 10 + byte - 48;
  if (byte !== CR || buffer[at++] !== LF || count === 0 || count > end - at) {
    throw damaged(offset);
  }
  const ranges = request.ranges;
  for (let i = 0; i < count; i++) {
    if (buffer[at++] !== DOLLAR) throw damaged(offset);
    const digitsAt = at;
    let length = 0;
    byte = buffer[at++];
    for (; byte >= 48 && byte <= 57; byte = buffer[at++]) length = length * 10 + byte - 48;
    if (byte !== CR || buffer[at++] !== LF || at - digitsAt < 3) throw damaged(offset);
    const valueEnd = at + length;
    if (valueEnd + 2 > end || buffer[valueEnd] !== CR || buffer[valueEnd + 1] !== LF) {
      throw damaged(offset);
    }
    ranges[2 * i] = at;
    ranges[2 * i + 1] = valueEnd;
    at = valueEnd + 2;
  }
  request.buffer = buffer;
  request.start = offset;
  request.end = at;
  request.length = count;
  request.canonical = true;
  return at;
}

function damaged(offset: number): DecodeError {
  return new DecodeError(
    `Cannot decode the command at byte ${offset}: it is not a whole array of bulk strings`,
  );
}
