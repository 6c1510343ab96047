/** Time on Bun: timers and `performance.now` follow CLOCK_MONOTONIC. */

export { systemClock as nodeClock } from "../system_clock.ts";
