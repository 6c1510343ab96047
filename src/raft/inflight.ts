/** The appends sent to one follower and not acknowledged, oldest first: a window with two bounds. */

export class Inflight {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #lastIndexes: number[];
  readonly #sizes: number[];
  #head = 0;
  #count = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
    this.#lastIndexes = new Array(countMax).fill(0);
    this.#sizes = new Array(countMax).fill(0);
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Nothing may be added. One append larger than the bound on bytes still goes, alone. */
  get full(): boolean {
    return this.#count === this.#countMax || this.#bytes >= this.#bytesMax;
  }

  /** Adds an append that ends with `lastIndex`; the window is not full. */
  add(lastIndex: number, bytes: number): void {
    const at = (this.#head + this.#count) % this.#countMax;
    this.#lastIndexes[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** The follower has everything up to `index`. */
  freeUpTo(index: number): void {
    while (this.#count > 0 && this.#lastIndexes[this.#head] <= index) {
      this.#bytes -= this.#sizes[this.#head];
      this.#head = (this.#head + 1) % this.#countMax;
      this.#count--;
    }
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
  }
}
