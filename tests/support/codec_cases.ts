/**
 * The ways in which a stream of bytes may arrive or be damaged. Every byte codec of the project is
 * tested with all of them (design/style.md, 22).
 */

/** A way of cutting a stream into reads, with a name for the failure message. */
export interface Arrival {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

/** Whole, byte by byte, and in two reads split at every boundary. */
export function* arrivals(stream: Uint8Array): Generator<Arrival> {
  yield { name: "whole", chunks: [stream.slice()] };
  yield { name: "byte by byte", chunks: Array.from(stream, (byte) => new Uint8Array([byte])) };
  for (let cut = 1; cut < stream.length; cut++) {
    yield { name: `split at ${cut}`, chunks: [stream.slice(0, cut), stream.slice(cut)] };
  }
}

/** The stream cut short at every length below its own, the empty one included. */
export function* truncations(stream: Uint8Array): Generator<{ name: string; bytes: Uint8Array }> {
  for (let length = 0; length < stream.length; length++) {
    yield { name: `first ${length} bytes`, bytes: stream.slice(0, length) };
  }
}

/** The stream with one bit flipped, at every position. */
export function* bitFlips(
  stream: Uint8Array,
): Generator<{ name: string; bytes: Uint8Array; at: number }> {
  for (let at = 0; at < stream.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = stream.slice();
      bytes[at] ^= 1 << bit;
      yield { name: `bit ${bit} of byte ${at} flipped`, bytes, at };
    }
  }
}
