/**
 * Whether another process has taken this node's place (a copied or restored data directory), or the
 * node was removed while it was away, or its release is too old for the cluster by now. A refusal
 * comes from whoever answers at a peer's address and is not signed, so one peer's word does not end
 * the process: two must say it, or the only other member.
 */

import type { NodeId } from "../base/mod.ts";
import type { RefusalCode } from "../network/mod.ts";

type Verdict = "replaced" | "removed" | "outdated";

const VERDICTS: { readonly [Code in RefusalCode]?: Verdict } = {
  olderIncarnation: "replaced",
  duplicateNode: "replaced",
  removed: "removed",
  featureLevel: "outdated",
};

export class ReplacementWatch {
  readonly #members: () => number;
  readonly #refusers = new Map<NodeId, Verdict>();

  /** `members` counts this node too, as of now. */
  constructor(members: () => number) {
    this.#members = members;
  }

  /** Notes that `peer` refused this node; true when it is certain that what it says is so. */
  isCertain(peer: NodeId, code: RefusalCode): boolean {
    const verdict = VERDICTS[code];
    if (verdict === undefined) return false;
    this.#refusers.set(peer, verdict);
    let count = 0;
    for (const other of this.#refusers.values()) if (other === verdict) count++;
    return count >= Math.max(1, Math.min(2, this.#members() - 1));
  }

  /** `peer` takes this node for a member: what it said before no longer holds. */
  accepted(peer: NodeId): void {
    this.#refusers.delete(peer);
  }
}
