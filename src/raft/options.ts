/** What a `Raft` is made from. */

import type { LogIndex, NodeId } from "../base/mod.ts";
import type { EntryId } from "./log_entry.ts";
import type { PlacedConfiguration } from "./members.ts";
import type { HardState, TermRun } from "./ready.ts";

/** Bounds on what the core holds or sends. Bytes count whole records. All but the cache are > 0. */
export interface RaftLimits {
  /** Entries of one `AppendEntriesArg`; a larger single entry still goes, alone. */
  readonly appendBytesMax: number;
  /** Unacknowledged appends to one follower. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /**
   * Entries a leader holds that are not committed; more proposals are refused until they are. Those
   * that it found on its disk at its start do not count.
   */
  readonly uncommittedBytesMax: number;
  /** Applied entries kept in memory for followers that are a little behind; 0 keeps none. */
  readonly cacheBytesMax: number;
}

export interface RaftOptions {
  readonly id: NodeId;
  /**
   * Rising. The first is committed: that of the snapshot, else of the first start with index 0,
   * `EMPTY_CONFIGURATION` on a node that has not heard of its cluster. Behind it those of the log.
   */
  readonly configurations: readonly PlacedConfiguration[];
  readonly hardState: HardState;
  /** The entry before the first one on disk; zero for a log that begins with entry 1. */
  readonly start: EntryId;
  /** The last entry on disk and the terms of all entries there; `start` for an empty log. */
  readonly last: EntryId;
  readonly termRuns: readonly TermRun[];
  /**
   * What the machine has from its snapshot, 0 without one. Less than `start.index` when the
   * snapshot is lost: the node takes part, but can apply nothing until it is given another one.
   */
  readonly appliedIndex: LogIndex;
  /**
   * False when the log may have lost entries that it acknowledged: the node neither votes nor
   * campaigns until it has what its leader had committed in its own term (`Raft.isRecovering`).
   */
  readonly mayVote: boolean;
  /**
   * Reads by lease: answers them without asking the others while their promises hold, and makes
   * such promises itself (`lease.ts`). Then a leader that is gone is replaced no sooner than the
   * shortest election timeout later, and a restart must not shorten that timeout.
   */
  readonly leaseReads: boolean;
  /** An election starts after a random time in this range without a leader. */
  readonly electionTimeoutMs: { readonly min: number; readonly max: number };
  readonly heartbeatMs: number;
  readonly limits: RaftLimits;
  /** The highest feature level that this node supports; `FEATURE_LEVEL` unless given. */
  readonly featureLevel?: number | undefined;
  /** Seeds the election timeouts; different on every member. */
  readonly seed: number;
  /** Monotonic time in ms at creation. */
  readonly nowMs: number;
}
