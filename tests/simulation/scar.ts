/** A file in which one write is not where it belongs, and what the file would be without that. */

export class Scar {
  readonly path: string;
  /** Where the write belongs; undefined until it was made. */
  #from: number | undefined;
  #content: Uint8Array;

  /** `content` is the file before the write. */
  constructor(path: string, content: Uint8Array) {
    this.path = path;
    this.#content = content;
  }

  get from(): number {
    return this.#from ?? Infinity;
  }

  content(): Uint8Array {
    return this.#content.slice();
  }

  /** The first call is the write itself. */
  wrote(bytes: Uint8Array, at: number): void {
    this.#from ??= at;
    if (at + bytes.length > this.#content.length) this.truncated(at + bytes.length);
    this.#content.set(bytes, at);
  }

  truncated(bytes: number): void {
    const content = new Uint8Array(bytes);
    content.set(this.#content.subarray(0, bytes));
    this.#content = content;
  }
}
