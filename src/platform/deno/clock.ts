/** Time on Deno: timers and `performance.now` follow CLOCK_MONOTONIC. */

export { systemClock as denoClock } from "../system_clock.ts";
