/** Time, the same on all runtimes. `performance.now` follows CLOCK_MONOTONIC, so it counts time spent stopped. */

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
};
