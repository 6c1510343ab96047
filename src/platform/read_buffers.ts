/**
 * Read buffers of one connection. An idle one holds only its small buffer; one that fills it
 * borrows a bigger buffer from a pool and gives it back when the input gets small again.
 */

/** Ten thousand idle clients hold 40 MB. */
const SMALL_BYTES = 4 * 1024;
const BIG_BYTES = 64 * 1024;
/** For peers and bulk: fewer calls for each megabyte. */
const HUGE_BYTES = 256 * 1024;
/** Big buffers kept for the next borrower. */
const POOLED_MAX = 16;

const pools: ReadonlyMap<number, Uint8Array<ArrayBuffer>[]> = new Map([
  [BIG_BYTES, []],
  [HUGE_BYTES, []],
]);

export class ReadBuffers {
  /** What the next read fills. Its contents are only valid until then. */
  current: Uint8Array<ArrayBuffer>;
  readonly #small: Uint8Array<ArrayBuffer> = new Uint8Array(SMALL_BYTES);

  constructor() {
    this.current = this.#small;
  }

  /** Chooses the next buffer from how much of this one the last read filled. */
  adapt(filledBytes: number): void {
    const capacity = this.current.length;
    if (filledBytes === capacity) {
      if (capacity === SMALL_BYTES) this.#exchange(BIG_BYTES);
      else if (capacity === BIG_BYTES) this.#exchange(HUGE_BYTES);
    } else if (capacity !== SMALL_BYTES && filledBytes <= SMALL_BYTES) {
      this.release();
    }
  }

  /** Gives a borrowed buffer back; no read may be using it. */
  release(): void {
    const pool = pools.get(this.current.length);
    if (pool !== undefined && pool.length < POOLED_MAX) pool.push(this.current);
    this.current = this.#small;
  }

  #exchange(bytes: number): void {
    this.release();
    this.current = pools.get(bytes)!.pop() ?? new Uint8Array(bytes);
  }
}
