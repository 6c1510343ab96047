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

/** Rounds of immediates without a timer between them: more is a loop that never ends. */
const ROUNDS_MAX = 10_000;
/** Steps before the event loop has its turn, in which it reports rejections that nobody handles. */
const STEPS_A_TURN = 64;

/**
 * Runs what promises have queued, now; only from outside of a promise. Not a documented interface:
 * a turn of the event loop does the same thirty times as slowly.
 */
const runMicrotasks = (Deno as unknown as Internals)[(Deno as unknown as Internals).internal]?.core
  ?.runMicrotasks;

interface Internals {
  readonly internal: symbol;
  readonly [key: symbol]: { readonly core?: { readonly runMicrotasks?: () => void } } | undefined;
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

  /** Input of a virtual world comes with immediates, and waits for none. */
  afterInput(callback: () => void): void {
    this.setImmediate(callback);
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
      if (this.#isOver(done, endMs, limitMs)) return;
      this.#fireNext();
    }
  }

  /** As `runUntil`, with many steps in a turn of the event loop, where the runtime allows it. */
  async runUntilQuickly(done: () => boolean, limitMs: number): Promise<void> {
    const drain = runMicrotasks;
    if (drain === undefined) return await this.runUntil(done, limitMs);
    const endMs = this.#nowMs + limitMs;
    const steps = () => {
      for (let left = STEPS_A_TURN; left > 0; left--) {
        this.#settleNow(drain);
        if (this.#isOver(done, endMs, limitMs)) return true;
        this.#fireNext();
      }
      return false;
    };
    while (!await inTurnOfLoop(steps));
  }

  /** Throws when time is up. */
  #isOver(done: () => boolean, endMs: number, limitMs: number): boolean {
    if (done()) return true;
    while (this.#timers.length > 0 && this.#timers[0].callback === undefined) this.#pop();
    if ((this.#timers[0]?.atMs ?? Infinity) <= endMs) return false;
    this.#nowMs = endMs;
    if (done()) return true;
    throw new Error(`Cannot wait longer: ${limitMs} ms of virtual time have passed`);
  }

  #fireNext(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#timers[0].atMs);
    this.#pop().callback!();
  }

  /** Lets promises and immediates run until there are none. */
  async #settle(): Promise<void> {
    let rounds = 0;
    do {
      this.#runImmediates(++rounds);
      await inTurnOfLoop(() => {});
    } while (this.#immediates.length > 0);
  }

  #settleNow(drain: () => void): void {
    let rounds = 0;
    do {
      this.#runImmediates(++rounds);
      drain();
    } while (this.#immediates.length > 0);
  }

  #runImmediates(round: number): void {
    const immediates = this.#immediates;
    if (immediates.length === 0) return;
    if (round > ROUNDS_MAX) {
      throw new Error(`Cannot go on: time stands still at ${this.#nowMs} ms, work always follows`);
    }
    this.#immediates = [];
    for (const callback of immediates) callback();
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

/** What `action` returns or throws, out of any promise's reach. */
function inTurnOfLoop<T>(action: () => T): Promise<T> {
  return new Promise((resolve, reject) =>
    setImmediate(() => {
      try {
        resolve(action());
      } catch (error) {
        reject(error);
      }
    })
  );
}

function isEarlier(a: Pending, b: Pending): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
