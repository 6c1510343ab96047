/**
 * A clock that moves only when told to: timers fire in order of their time, immediates after the
 * input of a turn, and promises settle in between. One of these serves every node of a test.
 */

import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../src/platform/mod.ts";

interface Pending {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

export class VirtualClock implements Clock {
  #nowMs = 1000;
  #wallOffsetMs = 1_700_000_000_000;
  #order = 0;
  /** A binary heap; cancelled timers stay until they come up. */
  readonly #timers: Pending[] = [];
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
    const timer: Pending = { atMs: this.#nowMs + delayMs, order: ++this.#order, callback };
    this.#push(timer);
    return { cancel: () => timer.callback = undefined };
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

  /** Runs until `done` holds, or throws after `limitMs` of virtual time. `done` sees every step. */
  async runUntil(done: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await this.#settle();
      if (done()) return;
      while (this.#timers.length > 0 && this.#timers[0].callback === undefined) this.#pop();
      const nextMs = this.#timers[0]?.atMs ?? Infinity;
      if (nextMs > endMs) {
        this.#nowMs = endMs;
        if (done()) return;
        throw new Error(`Cannot wait longer: ${limitMs} ms of virtual time have passed`);
      }
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      this.#pop().callback!();
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

  #push(timer: Pending): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(timer, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Pending {
    const heap = this.#timers;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1], heap[child])) child++;
      if (!isEarlier(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isEarlier(a: Pending, b: Pending): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
