/** A sliding view of a file for reading it once from front to back with few system calls. */

import type { DiskFile } from "../platform/mod.ts";
import { readReadable } from "./readable.ts";

const WINDOW_BYTES = 1 << 20;

export class FileWindow {
  readonly #file: DiskFile;
  /** The bytes of the file from `start`; only `length` of them are valid. */
  buffer: Uint8Array;
  start = 0;
  length = 0;

  constructor(file: DiskFile, fileBytes: number) {
    this.#file = file;
    this.buffer = new Uint8Array(Math.min(WINDOW_BYTES, fileBytes));
  }

  /** Whether `bytes` from position `at` are here already. */
  has(at: number, bytes: number): boolean {
    return at >= this.start && at + bytes <= this.start + this.length;
  }

  /** Reads on from `at`, at least `bytes` if the file has them; returns how many are there. */
  async load(at: number, bytes: number): Promise<number> {
    if (bytes > this.buffer.length) this.buffer = new Uint8Array(bytes);
    this.start = at;
    this.length = await readReadable(this.#file, this.buffer, at);
    return this.length;
  }
}
