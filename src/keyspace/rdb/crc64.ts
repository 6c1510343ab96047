/**
 * CRC-64 as Redis computes it (the Jones polynomial 0xAD93D23594C935A9, reflected, no inversion), the
 * checksum of RDB files and of DUMP payloads. The state is two 32-bit halves, because a bigint a byte
 * would be a hundred times slower. Eight bytes a step ("slicing-by-8").
 */

import { getU32, putU32 } from "../../base/mod.ts";

export const CRC64_BYTES = 8;

/** Reflected polynomial, low and high half. */
const POLYNOMIAL_LOW = 0xac4bc9b5;
const POLYNOMIAL_HIGH = 0x95ac9329;

/** Row `slice`, column `byte`: the halves of a byte's checksum with `slice` zero bytes after it. */
const LOW = new Int32Array(8 * 256);
const HIGH = new Int32Array(8 * 256);
fillTables();

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (odd === 0) continue;
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
    LOW[byte] = low;
    HIGH[byte] = high;
  }
  for (let at = 256; at < LOW.length; at++) {
    const low = LOW[at - 256];
    const high = HIGH[at - 256];
    LOW[at] = ((low >>> 8) | (high << 24)) ^ LOW[low & 0xff];
    HIGH[at] = (high >>> 8) ^ HIGH[low & 0xff];
  }
}

/** A running checksum; 0 before the first byte. */
export class Crc64 {
  #low = 0;
  #high = 0;

  /** Adds `bytes[start, end)`. */
  update(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let low = this.#low;
    let high = this.#high;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = start;
    for (; at + 8 <= end; at += 8) {
      low ^= view.getInt32(at, true);
      high ^= view.getInt32(at + 4, true);
      const a = 1792 + (low & 0xff);
      const b = 1536 + ((low >>> 8) & 0xff);
      const c = 1280 + ((low >>> 16) & 0xff);
      const d = 1024 + (low >>> 24);
      const e = 768 + (high & 0xff);
      const f = 512 + ((high >>> 8) & 0xff);
      const g = 256 + ((high >>> 16) & 0xff);
      const h = high >>> 24;
      low = LOW[a] ^ LOW[b] ^ LOW[c] ^ LOW[d] ^ LOW[e] ^ LOW[f] ^ LOW[g] ^ LOW[h];
      high = HIGH[a] ^ HIGH[b] ^ HIGH[c] ^ HIGH[d] ^ HIGH[e] ^ HIGH[f] ^ HIGH[g] ^ HIGH[h];
    }
    for (; at < end; at++) {
      const row = (low ^ bytes[at]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ LOW[row];
      high = (high >>> 8) ^ HIGH[row];
    }
    this.#low = low;
    this.#high = high;
  }

  /** Writes the eight bytes, little-endian, at `at`. */
  putTo(buffer: Uint8Array, at: number): void {
    putU32(buffer, at, this.#low);
    putU32(buffer, at + 4, this.#high);
  }

  /** Whether the eight bytes at `at` are this checksum. */
  equals(buffer: Uint8Array, at: number): boolean {
    return getU32(buffer, at) === this.#low >>> 0 && getU32(buffer, at + 4) === this.#high >>> 0;
  }
}
