/** LZF (liblzf 3.6 by Marc Lehmann), the compression of long strings in RDB files: reading only. */

import { damaged } from "./format.ts";

/** A back reference of three bytes repeats at most this many: no honest input expands by more. */
const EXPANSION_MAX = 264;

/** Decompresses `bytes[start, end)`, which must give exactly `length` bytes. */
export function lzfDecompress(
  bytes: Uint8Array,
  start: number,
  end: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (length > (end - start) * EXPANSION_MAX) {
    throw damaged(`${end - start} compressed bytes cannot hold ${length}`);
  }
  const output = new Uint8Array(length);
  let from = start;
  let to = 0;
  while (from < end) {
    const control = bytes[from++];
    if (control < 32) {
      const run = control + 1;
      if (from + run > end || to + run > length) throw damaged("a compressed string ends early");
      for (let i = 0; i < run; i++) output[to++] = bytes[from++];
      continue;
    }
    let run = (control >>> 5) + 2;
    if (run === 9) run += bytes[from++];
    let source = to - ((control & 0x1f) << 8) - 1 - bytes[from++];
    if (from > end || source < 0 || to + run > length) {
      throw damaged("a compressed string refers to what is not there");
    }
    for (let i = 0; i < run; i++) output[to++] = output[source++];
  }
  if (to !== length) throw damaged(`a compressed string has ${to} bytes, expected ${length}`);
  return output;
}
