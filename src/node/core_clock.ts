/**
 * Tells the core the time. While the machine sleeps the monotonic clock stands still and the wall
 * clock does not, so the core is told when that one has run ahead; a wall clock that was set costs
 * no more than that.
 */

import type { Clock } from "../platform/mod.ts";
import type { Raft } from "../raft/mod.ts";

/** Of the shortest election timeout: half of what a lease leaves to clocks that drift. */
const SLEEP_SHARE = 0.05;

export class CoreClock {
  readonly #raft: Raft;
  readonly #clock: Clock;
  readonly #limitMs: number;
  #offsetMs: number;

  constructor(raft: Raft, clock: Clock, electionTimeoutMinMs: number) {
    this.#raft = raft;
    this.#clock = clock;
    this.#limitMs = electionTimeoutMinMs * SLEEP_SHARE;
    this.#offsetMs = clock.wallMs() - clock.nowMs();
  }

  /** The monotonic time, which the core knows now, too. */
  tick(): number {
    const nowMs = this.#clock.nowMs();
    const aheadMs = this.#clock.wallMs() - nowMs - this.#offsetMs;
    if (aheadMs > this.#limitMs) this.#raft.step({ kind: "suspended" });
    if (aheadMs > this.#limitMs || aheadMs < 0) this.#offsetMs += aheadMs;
    this.#raft.step({ kind: "tick", nowMs });
    return nowMs;
  }
}
