/**
 * The leader proposes the removal of keys whose deadline has passed by its clock (architecture D5),
 * in small batches, so that memory comes back without anybody reading the keys. A removal that finds
 * its key alive again does nothing, so proposing one twice is only a waste.
 */

import type { Batch } from "./batch.ts";
import type { LeaderClock } from "./leader_clock.ts";
import type { Proposals } from "./proposals.ts";
import type { Replica } from "./replica.ts";

/** Keys removed by one proposal. */
const REMOVALS_MAX = 200;
/** How often keys are looked for. */
const INTERVAL_MS = 100;

export class ExpiryRemoval {
  readonly #replica: Replica;
  readonly #leaderClock: LeaderClock;
  readonly #proposals: Proposals;
  #nextMs = 0;
  #proposed: Batch | undefined;

  constructor(replica: Replica, leaderClock: LeaderClock, proposals: Proposals) {
    this.#replica = replica;
    this.#leaderClock = leaderClock;
    this.#proposals = proposals;
  }

  /** Called at each tick of a leader. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs || this.#proposed?.finished === false) return;
    const { keyspace } = this.#replica.machine;
    const due = keyspace.dueKeys(this.#leaderClock.read(), REMOVALS_MAX);
    for (const { db, key } of due) this.#proposed = this.#proposals.joinRemoval(db, key);
    this.#nextMs = due.length === REMOVALS_MAX ? nowMs : nowMs + INTERVAL_MS;
  }
}
