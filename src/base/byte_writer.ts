/** Appends numbers (little-endian) and bytes to a buffer that grows by doubling. */

import { assert } from "./assert.ts";
import { putLatin1 } from "./latin1.ts";

const TWO_TO_32 = 0x1_0000_0000;

/** The written bytes are `buffer[0, length)`; `view()` and `take()` hand them out. */
export class ByteWriter {
  buffer: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #allocate: (bytes: number) => Uint8Array<ArrayBuffer>;

  /** `allocate` gives the larger buffer when one is full; what it holds already does not matter. */
  constructor(capacityBytes = 256, allocate = newBytes) {
    this.buffer = new Uint8Array(capacityBytes);
    this.#allocate = allocate;
  }

  /**
   * Makes room for `bytes` more and returns where they start; the caller fills them. `buffer` may
   * be another one afterwards: read it after this call.
   */
  reserve(bytes: number): number {
    const start = this.length;
    const end = start + bytes;
    if (end > this.buffer.length) this.#grow(end);
    this.length = end;
    return start;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
  }

  u32(value: number): void {
    const at = this.reserve(4);
    putU32(this.buffer, at, value);
  }

  /** A safe integer >= 0 in eight bytes. */
  u64(value: number): void {
    const at = this.reserve(8);
    putU64(this.buffer, at, value);
  }

  /** A byte string: a byte for each character. */
  latin1(text: string): void {
    const at = this.reserve(text.length);
    putLatin1(this.buffer, at, text);
  }

  bytes(source: Uint8Array, start = 0, end = source.length): void {
    const at = this.reserve(end - start);
    putBytes(this.buffer, at, source, start, end);
  }

  /** The bytes so far, not copied: valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.length);
  }

  /** Hands over the bytes so far and starts an empty buffer: the caller owns what it gets. */
  take(nextCapacityBytes = 256): Uint8Array<ArrayBuffer> {
    const taken = this.view();
    this.buffer = new Uint8Array(nextCapacityBytes);
    this.length = 0;
    return taken;
  }

  clear(): void {
    this.length = 0;
  }

  #grow(needBytes: number): void {
    let capacity = Math.max(this.buffer.length, 64);
    while (capacity < needBytes) capacity *= 2;
    const bigger = this.#allocate(capacity);
    bigger.set(this.buffer.subarray(0, this.length));
    this.buffer = bigger;
  }
}

function newBytes(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Below this a loop beats making the view that `set` needs. */
const LOOP_BYTES_MAX = 64;

/** Copies `source[start, end)` to `at`; the caller has made room. */
export function putBytes(
  buffer: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  if (end - start > LOOP_BYTES_MAX) {
    buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
    return;
  }
  for (let from = start, to = at; from < end; from++, to++) buffer[to] = source[from];
}

/** Writes an unsigned 32-bit number, little-endian, at `at`. */
export function putU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}

/** Writes a safe integer >= 0, little-endian, in the eight bytes at `at`. */
export function putU64(buffer: Uint8Array, at: number, value: number): void {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    `Cannot write ${value}: want a safe integer >= 0`,
  );
  putU32(buffer, at, value % TWO_TO_32);
  putU32(buffer, at + 4, Math.floor(value / TWO_TO_32));
}
