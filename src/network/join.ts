/** What a process that wants to become a member asks, and what it is answered. */

import type { NodeId } from "../base/mod.ts";

/** Addresses are `host:port`, as other members and clients reach the newcomer. */
export interface JoinRequest {
  readonly raftAddress: string;
  readonly redisAddress: string;
  readonly as: "voter" | "learner";
  /** The id that it wants; absent: the leader gives the next one that no member ever had. */
  readonly nodeId?: NodeId | undefined;
  /** The voter whose place it takes. */
  readonly replaces?: NodeId | undefined;
  /** The highest feature level that its program supports. */
  readonly featureLevel: number;
}

/**
 * `refused` stays so until somebody changes something, `tryAgain` may be over in a moment; both
 * texts are for people and say what to do.
 */
export type JoinAnswer =
  | {
    readonly kind: "joined";
    readonly clusterId: string;
    readonly nodeId: NodeId;
    /** The configuration, as `encodeConfiguration` makes it. */
    readonly members: Uint8Array;
  }
  | { readonly kind: "refused" | "tryAgain"; readonly text: string };
