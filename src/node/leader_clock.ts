/**
 * The clock that stamps entries (architecture D4, D5): the wall clock, held back whenever it would
 * run behind a stamp that was given or applied. A step back of the wall clock stops it for a while;
 * it never turns.
 */

export class LeaderClock {
  readonly #wallMs: () => number;
  #lastMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** ms since 1970, whole, at least what was read or observed before. */
  read(): number {
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#wallMs()));
    return this.#lastMs;
  }

  /** Another leader had come this far. */
  observe(stampMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, stampMs);
  }
}
