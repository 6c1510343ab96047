/**
 * How a node ends that the others do not take for a member any more: it was removed, or another
 * process has its place. It knows of its removal from the log, or, when it was away, from peers that
 * refuse it; `ReplacementWatch` says when to believe them. Its clients are told that nothing they
 * asked for has an effect any more.
 */

import type { Logger, NodeId } from "../base/mod.ts";
import type { RefusalCode } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { Configuration, Raft } from "../raft/mod.ts";
import type { OperationFailure } from "./gateway.ts";
import type { FatalReason } from "./options.ts";
import type { Proposals } from "./proposals.ts";
import { ReplacementWatch } from "./replacement_watch.ts";

export interface DepartureOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly proposals: Proposals;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly end: (reason: FatalReason) => void;
}

const WHY = "this node was removed from the cluster; connect to another member";
const REMOVED: OperationFailure = { effect: "notApplied", reason: WHY };
const REMOVED_SINCE: OperationFailure = {
  effect: "maybeApplied",
  reason: `${WHY}, and read there before you write again`,
};
/** Answers and the last messages of a leader leave within this time. */
const FAREWELL_MS = 1000;
/** A leader that cannot hand over ends all the same. */
const LEADING_MS_MAX = 10_000;
const POLL_MS = 20;

export class Departure {
  readonly #options: DepartureOptions;
  readonly #watch: ReplacementWatch;
  /** What each peer last said, said on once. */
  readonly #refusals = new Map<NodeId, string>();
  #removed = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
    this.#watch = new ReplacementWatch(() => options.raft.configuration.members.length);
  }

  /** Why no write is taken any more. */
  get whyNoWrites(): string | undefined {
    return this.#removed ? WHY : undefined;
  }

  /**
   * The members as of what is applied: everything of this node that is behind has no effect. Of what
   * was before, this node knows, unless it has `jumped` over it: nobody keeps that of a removed member.
   */
  onConfiguration(configuration: Configuration, jumped: boolean): void {
    const { id, proposals, clock, logger } = this.#options;
    if (this.#removed || !configuration.removed.includes(id)) return;
    this.#removed = true;
    logger.warn("this node was removed from the cluster; it ends in a moment");
    proposals.end(REMOVED, jumped ? REMOVED_SINCE : REMOVED);
    this.#endLater(clock.nowMs() + LEADING_MS_MAX);
  }

  /** As soon as somebody else leads, and what was said has left. */
  #endLater(endMs: number): void {
    const { raft, clock } = this.#options;
    if (raft.role === "leader" && clock.nowMs() < endMs) {
      clock.setTimer(POLL_MS, () => this.#endLater(endMs));
    } else clock.setTimer(FAREWELL_MS, () => this.#endRemoved("its removal is in the log"));
  }

  /** `peer` takes this node for a member. */
  onAccepted(peer: NodeId): void {
    this.#watch.accepted(peer);
    this.#refusals.delete(peer);
  }

  /** `peer` refused this node's handshake. */
  onRefused(peer: NodeId, refusal: RefusalCode, text: string): void {
    const { id, logger, end } = this.#options;
    if (this.#refusals.get(peer) !== text) {
      logger.error("peer refused this node", { peer, refusal, text });
    }
    this.#refusals.set(peer, text);
    if (!this.#watch.isCertain(peer, refusal)) return;
    if (refusal === "featureLevel") {
      return end({ kind: "outdated", text: `node ${peer} says: ${text}` });
    }
    if (refusal === "removed") return this.#endRemoved(`node ${peer} says so`);
    const what = `another process runs as node ${id}`;
    end({ kind: "replaced", text: `node ${peer} says that ${what}: ${text}` });
  }

  #endRemoved(how: string): void {
    const { id, end } = this.#options;
    end({ kind: "removed", text: `node ${id} was removed from the cluster: ${how}` });
  }
}
