/** Counts what is still open, so that `close` can wait for it. */

import type { Clock } from "../platform/mod.ts";

export class Lifetimes {
  readonly #open = new Set<object>();
  #onEmpty: (() => void) | undefined;

  add(item: object): void {
    this.#open.add(item);
  }

  delete(item: object): void {
    this.#open.delete(item);
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** Resolves when nothing is open, or after `deadlineMs`. */
  whenEmpty(clock: Clock, deadlineMs: number): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = clock.setTimer(deadlineMs, resolve);
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
