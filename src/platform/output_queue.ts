/** Writes to a standard stream, one after the other, so that lines never mix. */

/** Writes some of `bytes` without blocking the event loop and says how many. */
export type WriteSome = (bytes: Uint8Array) => Promise<number>;

export class OutputQueue {
  readonly #write: WriteSome;
  #last: Promise<void> = Promise.resolve();

  constructor(write: WriteSome) {
    this.#write = write;
  }

  /**
   * Resolves when the kernel has `bytes`, which must not change before. A reader that is gone is
   * not an error: nobody wants the text.
   */
  write(bytes: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#writeAll(bytes));
    return this.#last;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#write(bytes.subarray(at));
    } catch {
      // EPIPE, or a full disk behind a redirection: there is nowhere left to say so.
    }
  }
}
