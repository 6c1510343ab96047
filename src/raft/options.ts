/** What a `Raft` is made from. */

import type { NodeId } from "../base/mod.ts";
import type { EntryId } from "./log_entry.ts";
import type { HardState, TermRun } from "./ready.ts";

/** Bounds on what the core holds or sends. All are > 0; bytes count whole records. */
export interface RaftLimits {
  /** Entries of one `AppendEntriesArg`; a larger single entry still goes, alone. */
  readonly appendBytesMax: number;
  /** Unacknowledged appends to one follower. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Entries a leader holds that are not committed; more proposals are refused until they are. */
  readonly uncommittedBytesMax: number;
  /** Applied entries kept in memory for followers that are a little behind. */
  readonly cacheBytesMax: number;
}

export interface RaftOptions {
  readonly id: NodeId;
  /** Every voter of the cluster; holds `id` unless this node is no member yet. */
  readonly voters: readonly NodeId[];
  readonly hardState: HardState;
  /** The last entry on disk and the terms of all entries there; none for an empty log. */
  readonly last: EntryId;
  readonly termRuns: readonly TermRun[];
  /** An election starts after a random time in this range without a leader. */
  readonly electionTimeoutMs: { readonly min: number; readonly max: number };
  readonly heartbeatMs: number;
  readonly limits: RaftLimits;
  /** Seeds the election timeouts; different on every member. */
  readonly seed: number;
  /** Monotonic time in ms at creation. */
  readonly nowMs: number;
}
