/** A file in which one write is not where it belongs, and what the file would be without that. */

import { SEGMENT_HEADER_BYTES } from "../../src/storage/segment_format.ts";

export class Scar {
  readonly path: string;
  /** Where the write belongs; undefined until it was made. */
  #from: number | undefined;
  #content: Uint8Array;
  /**
   * Where the write would have ended, until the file is cut there: what is written over it repairs
   * it.
   */
  #end: number | undefined;
  /** How much there was to write. */
  #bytes = 0;
  readonly #byBytes: number;
  #isRepaired = false;

  /** `content` is the file before the write, which is made `byBytes` behind its place, or not at all. */
  constructor(path: string, content: Uint8Array, byBytes: number | undefined) {
    this.path = path;
    this.#content = content;
    this.#byBytes = byBytes ?? 0;
  }

  get from(): number {
    return this.#from ?? Infinity;
  }

  /** The node has found the damage and written something else: no record is to be put back. */
  get isRepaired(): boolean {
    return this.#isRepaired;
  }

  /** Where a start may find what was written at `offset`: in its place or, gone astray, before it. */
  placeOf(offset: number): number {
    const isInWrite = offset >= this.from && offset < this.from + this.#bytes;
    return isInWrite ? offset + Math.min(0, this.#byBytes) : offset;
  }

  content(): Uint8Array {
    return this.#content.slice();
  }

  /**
   * `file` with what no member can give back as it should be: the segment's header, and the space
   * written ahead.
   */
  mended(file: Uint8Array): Uint8Array {
    const mended = file.slice();
    mended.set(this.#content.subarray(0, Math.min(SEGMENT_HEADER_BYTES, file.length)));
    const strayedTo = this.from + this.#byBytes;
    for (let at = strayedTo; at < strayedTo + this.#bytes; at++) {
      if (this.#content[at] === 0) mended[at] = 0;
    }
    return mended;
  }

  /** The first call is the write itself. */
  wrote(bytes: Uint8Array, at: number): void {
    const end = at + bytes.length;
    if (this.#from === undefined) {
      this.#end = end;
      this.#bytes = bytes.length;
    } else if (this.#end !== undefined && at < this.#end && end > this.#from) {
      this.#isRepaired = true;
    }
    this.#from ??= at;
    if (end > this.#content.length) this.#resize(end);
    this.#content.set(bytes, at);
  }

  truncated(bytes: number): void {
    // From now on what is written there is new.
    if (this.#end !== undefined && bytes < this.#end) this.#end = undefined;
    this.#resize(bytes);
  }

  #resize(bytes: number): void {
    const content = new Uint8Array(bytes);
    content.set(this.#content.subarray(0, bytes));
    this.#content = content;
  }
}
