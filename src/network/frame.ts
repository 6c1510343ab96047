/**
 * The unit of a peer link.
 *
 * ```
 * offset size
 *      0    4  checksum: CRC-32 of the bytes from 4 to the end of the fields
 *      4    4  length of the whole frame in bytes
 *      8    1  type
 *      9    2  length of the fields in bytes
 *     11    …  fields
 *      …    …  body: log records, which carry checksums of their own, or a batch whose checksum is
 *              one of the fields
 * ```
 * Little-endian. The checksum does not cover the body, so no byte is summed twice, and the length
 * can be trusted before the body is here. A connection starts with `PREAMBLE` in each direction.
 */

import { assert, type ByteReader, crc32, putU32 } from "../base/mod.ts";
import type { OutputBuffer } from "../platform/mod.ts";

/** "LOGBOAT" and a line feed: what speaks another protocol is known by its first bytes. */
export const PREAMBLE: Uint8Array = new Uint8Array([76, 79, 71, 66, 79, 65, 84, 10]);
export const FRAME_HEAD_BYTES = 11;
export const FIELDS_BYTES_MAX = 1024;
/** Largest frame without a body: the limit until the peer has proven who it is. */
export const BODILESS_FRAME_BYTES_MAX = FRAME_HEAD_BYTES + FIELDS_BYTES_MAX;

/** Types of frames that are not messages; those are in `message_codec.ts`. */
export const FRAME_PING = 64;
export const FRAME_PONG = 65;
/** "I close this connection, but my process lives." */
export const FRAME_CLOSING = 66;
export const FRAME_HELLO = 80;
export const FRAME_CHALLENGE = 81;
export const FRAME_PROOF = 82;
export const FRAME_WELCOME = 83;
export const FRAME_REFUSED = 84;
export const FRAME_JOIN = 85;
export const FRAME_JOIN_ANSWER = 86;

/** A received frame whose head is verified. Only valid until the next one is asked for. */
export interface Frame {
  readonly type: number;
  /** Over the fields alone. Their memory is borrowed. */
  readonly fields: ByteReader;
  /** Not verified; empty when there is none. Its memory belongs to the frame. */
  readonly body: Uint8Array;
}

/**
 * Makes room for a frame and fills in its head but for the checksum. Returns where the frame
 * starts: the caller fills in fields, calls `sealFrame`, and writes the body behind the fields.
 */
export function openFrame(
  output: OutputBuffer,
  type: number,
  fieldsBytes: number,
  bodyBytes: number,
): number {
  assert(
    fieldsBytes <= FIELDS_BYTES_MAX,
    `Cannot write frame of type ${type}: it has ${fieldsBytes} bytes of fields, ` +
      `expected at most ${FIELDS_BYTES_MAX}`,
  );
  const bytes = FRAME_HEAD_BYTES + fieldsBytes + bodyBytes;
  const start = output.reserve(bytes);
  const buffer = output.buffer;
  putU32(buffer, start + 4, bytes);
  buffer[start + 8] = type;
  buffer[start + 9] = fieldsBytes;
  buffer[start + 10] = fieldsBytes >>> 8;
  return start;
}

/** Sums up head and fields, which must be complete. */
export function sealFrame(buffer: Uint8Array, start: number, fieldsBytes: number): void {
  putU32(buffer, start, crc32(buffer, start + 4, start + FRAME_HEAD_BYTES + fieldsBytes));
}

/** No fields, as in pings, or no body. */
export const NO_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Writes a frame; returns its length in bytes. */
export function writeFrame(
  output: OutputBuffer,
  type: number,
  fields: Uint8Array,
  body: Uint8Array = NO_BYTES,
): number {
  const start = openFrame(output, type, fields.length, body.length);
  const fieldsAt = start + FRAME_HEAD_BYTES;
  output.buffer.set(fields, fieldsAt);
  output.buffer.set(body, fieldsAt + fields.length);
  sealFrame(output.buffer, start, fields.length);
  return FRAME_HEAD_BYTES + fields.length + body.length;
}
