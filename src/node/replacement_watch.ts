/**
 * Whether another process has taken this node's place (a copied or restored data directory). A
 * refusal comes from whoever answers at a peer's address and is not signed, so one peer's word does
 * not end the process: two must say it, or the only other member.
 */

import type { NodeId } from "../base/mod.ts";
import type { RefusalCode } from "../network/mod.ts";

export class ReplacementWatch {
  readonly #members: () => number;
  readonly #refusers = new Set<NodeId>();

  /** `members` counts this node too, as of now. */
  constructor(members: () => number) {
    this.#members = members;
  }

  /** Notes that `peer` refused this node; true when it is certain that it was replaced. */
  isReplaced(peer: NodeId, code: RefusalCode): boolean {
    if (code !== "olderIncarnation" && code !== "duplicateNode") return false;
    this.#refusers.add(peer);
    return this.#refusers.size >= Math.min(2, this.#members() - 1);
  }

  /** `peer` takes this node for a member: what it said before no longer holds. */
  accepted(peer: NodeId): void {
    this.#refusers.delete(peer);
  }
}
