/** Samples how late timers run: what a client waits while the event loop is busy. */

import type { Clock, Timer } from "../platform/mod.ts";

const SAMPLE_MS = 250;

export class LoopDelaySampler {
  readonly #clock: Clock;
  readonly #report: (seconds: number) => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, report: (seconds: number) => void) {
    this.#clock = clock;
    this.#report = report;
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    const dueMs = this.#clock.nowMs() + SAMPLE_MS;
    this.#timer = this.#clock.setTimer(SAMPLE_MS, () => {
      this.#report(Math.max(0, this.#clock.nowMs() - dueMs) / 1000);
      this.#schedule();
    });
  }
}
