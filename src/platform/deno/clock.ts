/** Time on Deno. `performance.now` follows CLOCK_MONOTONIC, so it counts time spent stopped. */

import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../ports.ts";

/** Longer delays would overflow to one millisecond. */
const DELAY_MS_MAX = 0x7fff_ffff;

export const denoClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs: number, callback: () => void): Timer {
    const id = setTimeout(callback, Math.min(delayMs, DELAY_MS_MAX));
    return { cancel: () => clearTimeout(id) };
  },
  setImmediate(callback: () => void): void {
    setImmediate(callback);
  },
};
