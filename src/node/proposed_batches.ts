/**
 * What this leader has of each origin's batches in its log and has not applied yet. Its log only
 * grows while it leads, so a copy of these is of no use; and an origin sends copies whenever answers
 * take long, just when there is no room for them: each would be one more entry to wait for.
 */

import type { Term } from "../base/mod.ts";
import type { BatchId, OriginTable } from "../machine/mod.ts";

export class ProposedBatches {
  readonly #applied: () => OriginTable;
  /** Each origin's last batch of which all before it are in the log too, or applied. */
  readonly #last = new Map<number, BatchId>();
  #term: Term | undefined;

  constructor(applied: () => OriginTable) {
    this.#applied = applied;
  }

  /** Whether the leader of `term` needs no copy of this batch. */
  has(id: BatchId, term: Term): boolean {
    if (this.#applied().admissionOf(id) === "repeated") return true;
    const last = this.#lastOf(id, term);
    return last !== undefined && id.sequence <= last.sequence;
  }

  /** The batch is in the log, by an entry of `term`. Without its predecessor it has no effect. */
  add(id: BatchId, term: Term): void {
    const last = this.#lastOf(id, term);
    const follows = last !== undefined && id.sequence === last.sequence + 1;
    if (follows || this.#applied().admissionOf(id) === "next") this.#last.set(id.origin, id);
  }

  #lastOf({ origin, incarnation }: BatchId, term: Term): BatchId | undefined {
    if (term !== this.#term) this.#last.clear();
    this.#term = term;
    const last = this.#last.get(origin);
    return last?.incarnation === incarnation ? last : undefined;
  }
}
