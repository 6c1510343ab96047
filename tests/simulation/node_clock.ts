/** One node's clocks over the time of the simulation: another rate, late timers, pauses, jumps. */

import type { Clock, Timer } from "../../src/platform/mod.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";

export class NodeClock implements Clock {
  /** Seconds of this node's clocks in one of the simulation's. */
  rate = 1;
  /** Added to each timer; drawn anew for each. */
  lateness: () => number = () => 0;
  /** How wrong the wall clock is at a time of the simulation. */
  wallErrorMs: (nowMs: number) => number = () => 0;
  readonly #clock: VirtualClock;
  #wallOffsetMs = 0;
  /** Timers that are due before it fire then, all at once. */
  #burstAtMs = 0;
  #pausedUntilMs = 0;
  #ended = false;
  #held: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isPaused(): boolean {
    return this.#clock.nowMs() < this.#pausedUntilMs;
  }

  /** As SIGSTOP: nothing of the process runs, the clocks go on. */
  pause(durationMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.nowMs() + durationMs);
    this.#clock.setTimer(durationMs, () => {
      if (this.isPaused) return;
      for (const callback of this.#held.splice(0)) callback();
    });
  }

  /** The process is gone: nothing of it runs any more. Returns the clocks of the next one. */
  end(): NodeClock {
    this.#ended = true;
    this.#held = [];
    const next = new NodeClock(this.#clock);
    next.rate = this.rate;
    next.lateness = this.lateness;
    next.wallErrorMs = this.wallErrorMs;
    next.#wallOffsetMs = this.#wallOffsetMs;
    return next;
  }

  holdTimers(durationMs: number): void {
    this.#burstAtMs = this.#clock.nowMs() + durationMs;
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Runs `callback` now, or when the pause is over. */
  whenAwake(callback: () => void): void {
    if (this.#ended) return;
    if (this.isPaused) this.#held.push(callback);
    else callback();
  }

  nowMs(): number {
    return this.#clock.nowMs() * this.rate;
  }

  wallMs(): number {
    const errorMs = this.wallErrorMs(this.#clock.nowMs());
    return Math.floor(this.#clock.wallMs() + this.#wallOffsetMs + errorMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const dueMs = delayMs / this.rate + this.lateness();
    const waitMs = Math.max(dueMs, this.#burstAtMs - this.#clock.nowMs());
    return this.#clock.setTimer(waitMs, () => this.whenAwake(callback));
  }

  setImmediate(callback: () => void): void {
    this.#clock.setImmediate(() => this.whenAwake(callback));
  }

  afterInput(callback: () => void): void {
    this.#clock.afterInput(() => this.whenAwake(callback));
  }
}
