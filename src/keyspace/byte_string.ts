/**
 * Byte strings made from received bytes. `base/latin1` builds short texts by concatenation, which
 * V8 keeps as a tree of pieces (a "cons string") of several times the size until somebody flattens
 * it. Keys and values are kept for long, so they are made flat here from the start.
 */

const CHUNK = 256;

/** One argument list a length, refilled for every text: `apply` on a plain array is the fast path. */
const argumentLists: number[][] = Array.from({ length: CHUNK + 1 }, (_, n) => new Array(n).fill(0));

/** The bytes `[start, end)` as a flat byte string that owns its memory. */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (end - start <= CHUNK) return chunk(bytes, start, end);
  const pieces: string[] = [];
  for (let at = start; at < end; at += CHUNK) {
    pieces.push(chunk(bytes, at, Math.min(at + CHUNK, end)));
  }
  return pieces.join("");
}

function chunk(bytes: Uint8Array, start: number, end: number): string {
  const codes = argumentLists[end - start];
  for (let at = start, i = 0; at < end; at++, i++) codes[i] = bytes[at];
  return String.fromCharCode.apply(null, codes);
}
