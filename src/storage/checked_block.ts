/**
 * The frame that all small fixed-size files and headers share, so that any release can tell "not
 * mine", "damaged" and "from a later release" apart. Pure.
 *
 * ```
 * offset size
 *      0    4  CRC-32 of everything after it
 *      4    4  magic, four letters
 *      8    2  format version of this kind of block
 *     10    2  zero
 *     12    …  fields
 * ```
 */

import { ByteReader, crc32, getU32, putU32 } from "../base/mod.ts";

export const BLOCK_FRAME_BYTES = 12;

export type BlockResult<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "newer"; readonly version: number; readonly reason: string }
  | { readonly kind: "bad"; readonly reason: string };

/** Four letters as the number in which they read in order. */
export function magicOf(letters: string): number {
  let magic = 0;
  for (let at = 3; at >= 0; at--) magic = (magic << 8) | letters.charCodeAt(at);
  return magic >>> 0;
}

/** Fills in the frame of `block`, whose fields are complete. */
export function sealBlock(block: Uint8Array, magic: number, version: number): void {
  putU32(block, 4, magic);
  block[8] = version;
  block[9] = version >>> 8;
  block[10] = 0;
  block[11] = 0;
  putU32(block, 0, crc32(block, 4));
}

/**
 * Verifies the frame and hands the fields to `read`. A block of a later version is reported as
 * such only when its checksum holds: its length may differ, its frame never will.
 */
export function openBlock<T>(
  block: Uint8Array,
  expected: { readonly magic: number; readonly version: number; readonly bytes: number },
  read: (fields: ByteReader) => T,
): BlockResult<T> {
  if (block.length < BLOCK_FRAME_BYTES) {
    return { kind: "bad", reason: `found ${block.length} bytes, expected ${expected.bytes}` };
  }
  if (getU32(block, 0) !== crc32(block, 4)) {
    return { kind: "bad", reason: "the checksum does not match" };
  }
  if (getU32(block, 4) !== expected.magic) {
    return { kind: "bad", reason: "it is another kind of file" };
  }
  const version = block[8] | (block[9] << 8);
  if (version > expected.version) {
    const reason = `its format version is ${version}, expected at most ${expected.version}`;
    return { kind: "newer", version, reason };
  }
  if (block.length !== expected.bytes) {
    return { kind: "bad", reason: `found ${block.length} bytes, expected ${expected.bytes}` };
  }
  return { kind: "ok", value: read(new ByteReader(block, BLOCK_FRAME_BYTES)) };
}
