/**
 * A clock that moves only when told to: timers fire in order of their time, immediates after the
 * input of a turn, and promises settle in between. One of these serves every node of a test.
 */

import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../src/platform/mod.ts";

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 1000;
  #wallOffsetMs = 1_700_000_000_000;
  #order = 0;
  #timers: Pending[] = [];
  #immediates: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  /** The wall clock jumps; the monotonic one does not. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, order: ++this.#order, callback };
    this.#timers.push(timer);
    return { cancel: () => this.#timers = this.#timers.filter((other) => other !== timer) };
  }

  setImmediate(callback: () => void): void {
    this.#immediates.push(callback);
  }

  /** Resolves after `delayMs` of virtual time; only while somebody runs the clock. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.setTimer(delayMs, resolve));
  }

  /** Runs everything that is due within the next `durationMs`. */
  async run(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.runUntil(() => this.#nowMs >= endMs, durationMs);
  }

  /** Runs until `done` holds, or throws after `limitMs` of virtual time. */
  async runUntil(done: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await this.#settle();
      if (done()) return;
      const next = this.#earliest();
      const nextMs = next?.atMs ?? Infinity;
      if (nextMs > endMs) {
        this.#nowMs = endMs;
        if (done()) return;
        throw new Error(`Cannot wait longer: ${limitMs} ms of virtual time have passed`);
      }
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next!.callback();
    }
  }

  /** Lets promises and immediates run until there are none. */
  async #settle(): Promise<void> {
    do {
      const immediates = this.#immediates;
      this.#immediates = [];
      for (const callback of immediates) callback();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#immediates.length > 0);
  }

  #earliest(): Pending | undefined {
    let best: Pending | undefined;
    for (const timer of this.#timers) {
      const earlier = best === undefined || timer.atMs < best.atMs ||
        (timer.atMs === best.atMs && timer.order < best.order);
      if (earlier) best = timer;
    }
    return best;
  }
}
