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
  #isRepaired = false;

  /** `content` is the file before the write. */
  constructor(path: string, content: Uint8Array) {
    this.path = path;
    this.#content = content;
  }

  get from(): number {
    return this.#from ?? Infinity;
  }

  /** The node has found the damage and written something else: no record is to be put back. */
  get isRepaired(): boolean {
    return this.#isRepaired;
  }

  content(): Uint8Array {
    return this.#content.slice();
  }

  /** `file` with the segment's header as it should be: what no member can give back. */
  withHeader(file: Uint8Array): Uint8Array {
    const mended = file.slice();
    mended.set(this.#content.subarray(0, Math.min(SEGMENT_HEADER_BYTES, file.length)));
    return mended;
  }

  /** The first call is the write itself. */
  wrote(bytes: Uint8Array, at: number): void {
    const end = at + bytes.length;
    if (this.#from === undefined) this.#end = end;
    else if (this.#end !== undefined && at < this.#end && end > this.#from) {
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
