/**
 * CRC-32 as in IEEE 802.3 (reflected polynomial 0xEDB88320), the checksum of log records, peer
 * frames, snapshot chunks and the files beside the log. Computed by the runtime's zlib: some 7 GB/s,
 * and faster than a table in JavaScript (0.7 GB/s) from 32 bytes on.
 */

import { crc32 as zlibCrc32 } from "node:zlib";

/**
 * Checksum of `bytes[start, end)`. Pass an earlier result as `seed` to continue over the next part:
 * `crc32(b, 0, n, crc32(a, 0, m))` is the checksum of `a` followed by `b`.
 */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  const isWhole = start === 0 && end === bytes.length;
  return zlibCrc32(isWhole ? bytes : bytes.subarray(start, end), seed);
}
