/**
 * The leader proposes the removal of keys whose deadline has passed by its clock (architecture D5),
 * in small batches, so that memory comes back without anybody reading the keys. A removal that finds
 * its key alive again does nothing, so proposing one twice is only a waste.
 */

import type { Batch } from "./batch.ts";

export interface DueKey {
  readonly db: number;
  readonly key: string;
}

export interface RemovalHost {
  /** Keys whose deadline has passed by the leader's clock, at most `limit`. */
  dueKeys(limit: number): readonly DueKey[];
  joinRemoval(due: DueKey): Batch;
}

/** Keys removed by one proposal. */
const REMOVALS_MAX = 200;
/** How often keys are looked for. */
const INTERVAL_MS = 100;

export class ExpiryRemoval {
  readonly #host: RemovalHost;
  #nextMs = 0;
  #proposed: Batch | undefined;

  constructor(host: RemovalHost) {
    this.#host = host;
  }

  /** Called at each tick of a leader. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs || this.#proposed?.finished === false) return;
    const due = this.#host.dueKeys(REMOVALS_MAX);
    for (const key of due) this.#proposed = this.#host.joinRemoval(key);
    this.#nextMs = due.length === REMOVALS_MAX ? nowMs : nowMs + INTERVAL_MS;
  }
}
