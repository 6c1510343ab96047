/**
 * Time, the same on all runtimes. `performance.now` follows CLOCK_MONOTONIC, so it counts time
 * spent stopped.
 */

import { setImmediate } from "node:timers";
import { TIMER_DELAY_MS_MAX } from "./limits.ts";
import type { Clock, Timer } from "./ports.ts";

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs: number, callback: () => void): Timer {
    const id = setTimeout(callback, Math.min(delayMs, TIMER_DELAY_MS_MAX));
    return { cancel: () => clearTimeout(id) };
  },
  setImmediate(callback: () => void): void {
    setImmediate(callback);
  },
  /**
   * Only a loop that waits looks at its sockets every time: on Deno one that always finds work does so
   * once in 61 turns, which is 120 ms when each turn works for 2 ms. It waits for a timer.
   */
  afterInput(callback: () => void): void {
    setTimeout(callback, 0);
  },
};
