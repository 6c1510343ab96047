/** Cuts the output of a child into lines. */

/** A longer line is cut: memory follows what a line may be, not what the child sends. */
const LINE_CHARACTERS_MAX = 64 * 1024;

export class LineSplitter {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  #partial = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    this.#partial += this.#decoder.decode(bytes, { stream: true });
    let start = 0;
    for (;;) {
      const end = this.#partial.indexOf("\n", start);
      if (end < 0) break;
      this.#onLine(this.#partial.slice(start, end));
      start = end + 1;
    }
    this.#partial = this.#partial.slice(start);
    if (this.#partial.length > LINE_CHARACTERS_MAX) this.#emit();
  }

  /** The stream has ended: what is left is the last line. */
  end(): void {
    this.#partial += this.#decoder.decode();
    if (this.#partial.length > 0) this.#emit();
  }

  #emit(): void {
    const line = this.#partial;
    this.#partial = "";
    this.#onLine(line);
  }
}
