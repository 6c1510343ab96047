/**
 * The output side of a connection: producers append to `output` while the bytes of the last
 * `swap` are being written. Two buffers take turns, so nobody touches bytes under a write (the
 * runtimes do not copy them) and nothing is allocated per flush.
 */

import { assert, ByteWriter } from "../base/mod.ts";

/** What a connection starts with: most replies of a turn fit. */
const INITIAL_BYTES = 1024;
/** A buffer above this is given back as soon as it was written. */
const KEPT_BYTES_MAX = 64 * 1024;
/** Up to this size it goes to whoever needs the next one: fresh memory costs more than the copy. */
const POOLED_BYTES_MAX = 1024 * 1024;
/** Of each size. */
const POOLED_MAX = 4;

/** By size. */
const pool = new Map<number, Uint8Array<ArrayBuffer>[]>();

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  return pool.get(bytes)?.pop() ?? new Uint8Array(bytes);
}

function giveBack(buffer: Uint8Array<ArrayBuffer>): void {
  if (buffer.length <= KEPT_BYTES_MAX || buffer.length > POOLED_BYTES_MAX) return;
  const pooled = pool.get(buffer.length);
  if (pooled === undefined) pool.set(buffer.length, [buffer]);
  else if (pooled.length < POOLED_MAX) pooled.push(buffer);
}

export class DoubleBuffer {
  /** Where producers append. The same object for the life of the connection. */
  readonly output = new ByteWriter(INITIAL_BYTES, allocate);
  #spare: Uint8Array<ArrayBuffer> | undefined = undefined;
  #writing: Uint8Array<ArrayBuffer> | undefined = undefined;
  #at = 0;
  #end = 0;

  /** Bytes appended or under write. */
  get pendingBytes(): number {
    return this.output.length + this.#end - this.#at;
  }

  /** Bytes of the last `swap` that `advance` has not covered. */
  get writingBytes(): number {
    return this.#end - this.#at;
  }

  /** Puts what was appended under write; the last write must be over. */
  swap(): void {
    assert(this.#at === this.#end, "Cannot swap output buffers: a write is under way");
    this.#writing = this.output.buffer;
    this.#at = 0;
    this.#end = this.output.length;
    this.output.buffer = this.#spare ?? new Uint8Array(INITIAL_BYTES);
    this.output.length = 0;
    this.#spare = undefined;
  }

  /** The bytes under write that are still to go. */
  rest(): Uint8Array<ArrayBuffer> {
    const writing = this.#writing;
    assert(writing !== undefined, "Cannot give bytes to write: nothing was swapped");
    return writing.subarray(this.#at, this.#end);
  }

  /** Says that `bytes` of `rest()` are written; keeps or drops the buffer at the end. */
  advance(bytes: number): void {
    this.#at += bytes;
    assert(this.#at <= this.#end, `Cannot count ${bytes} written bytes: more than there were`);
    if (this.#at < this.#end) return;
    const capacity = this.#writing!.length;
    const useful = capacity <= KEPT_BYTES_MAX &&
      (capacity <= INITIAL_BYTES || this.#end * 4 >= capacity);
    this.#spare = useful ? this.#writing : undefined;
    giveBack(this.#writing!);
    this.#writing = undefined;
  }

  /** Forgets everything: the connection is gone. */
  drop(): void {
    this.#spare = undefined;
    this.#writing = undefined;
    this.#at = 0;
    this.#end = 0;
    this.output.clear();
  }
}
