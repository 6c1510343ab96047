/**
 * One node's clocks over the time of the simulation: another rate, late timers, pauses, sleep,
 * jumps.
 */

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
  /** How long the machine has slept when it wakes next, or woke last. */
  #sleptMs = 0;
  #asleepUntilMs = 0;
  #ended = false;
  #held: { readonly callback: () => void; readonly isTimer: boolean }[] = [];
  #readsFirst = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isPaused(): boolean {
    return this.#clock.nowMs() < this.#pausedUntilMs;
  }

  /**
   * As SIGSTOP: nothing of the process runs, the clocks go on. When it goes on it does in order what
   * was due meanwhile, or what was to read before what timers have to do (`readsFirst`).
   */
  pause(durationMs: number, readsFirst = false): void {
    if (!this.isPaused) this.#readsFirst = false;
    this.#readsFirst ||= readsFirst;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.nowMs() + durationMs);
    this.#clock.setTimer(durationMs, () => {
      if (this.isPaused) return;
      const held = this.#held.splice(0);
      if (this.#readsFirst) held.sort((a, b) => Number(a.isTimer) - Number(b.isTimer));
      for (const { callback } of held) callback();
    });
  }

  get isAsleep(): boolean {
    return this.#clock.nowMs() < this.#asleepUntilMs;
  }

  /** As a suspended machine: nothing of it runs, and its monotonic clock and timers stand still. */
  sleep(durationMs: number): void {
    if (this.isAsleep) return;
    this.#asleepUntilMs = this.#clock.nowMs() + durationMs;
    this.#sleptMs += durationMs;
    this.pause(durationMs);
  }

  /** Runs `callback` now, or when the machine is not asleep any more. */
  whenUp(callback: () => void): void {
    if (this.isAsleep) this.whenAwake(callback);
    else callback();
  }

  /** How long the machine has slept until now. */
  get #sleptUntilNowMs(): number {
    return this.#sleptMs - Math.max(0, this.#asleepUntilMs - this.#clock.nowMs());
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
  whenAwake(callback: () => void, isTimer = false): void {
    if (this.#ended) return;
    if (this.isPaused) this.#held.push({ callback, isTimer });
    else callback();
  }

  nowMs(): number {
    return (this.#clock.nowMs() - this.#sleptUntilNowMs) * this.rate;
  }

  wallMs(): number {
    const errorMs = this.wallErrorMs(this.#clock.nowMs());
    return Math.floor(this.#clock.wallMs() + this.#wallOffsetMs + errorMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const dueMs = delayMs / this.rate + this.lateness();
    const waitMs = Math.max(dueMs, this.#burstAtMs - this.#clock.nowMs());
    let isCancelled = false;
    let sleptMs = this.#sleptUntilNowMs;
    const fire = () => {
      if (isCancelled) return;
      const leftMs = this.#sleptMs - sleptMs;
      if (leftMs <= 0) return this.whenAwake(callback, true);
      sleptMs = this.#sleptMs;
      timer = this.#clock.setTimer(leftMs, fire);
    };
    let timer = this.#clock.setTimer(waitMs, fire);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  setImmediate(callback: () => void): void {
    this.#clock.setImmediate(() => this.whenAwake(callback));
  }

  afterInput(callback: () => void): void {
    this.#clock.afterInput(() => this.whenAwake(callback));
  }
}
