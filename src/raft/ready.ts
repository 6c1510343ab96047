/**
 * What goes into the core and what comes out (architecture D1). The driver, the simulator and the
 * scenario tests speak this language with one class, `Raft`.
 */

import type { LogIndex, NodeId, Term } from "../base/mod.ts";
import type { Configuration } from "./configuration.ts";
import type { EntryId, EntryKind, LogEntry } from "./log_entry.ts";
import type { PlacedConfiguration } from "./members.ts";
import type { MemberChange } from "./membership_change.ts";
import type { RaftMessage } from "./message.ts";

/** What must survive a crash besides the log (thesis §3.4). */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | undefined;
}

/** Entries from `first` on, up to the next run, have `term`. Runs are in order and not empty. */
export interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

export type RoleState = "follower" | "preCandidate" | "candidate" | "leader" | "learner";

export type RaftEvent =
  /** A message of another member, its checksums verified. */
  | { readonly kind: "message"; readonly message: RaftMessage }
  /** Monotonic time in ms. The core's only clock; expected at least every `heartbeatMs` / 4. */
  | { readonly kind: "tick"; readonly nowMs: number }
  /**
   * Leader only: `record` has its payload behind `RECORD_HEADER_BYTES`; the core owns it now.
   * `awaitedBy` is a follower whose clients wait for the entry: it hears of the commit at once, the
   * others with the next append or heartbeat.
   */
  | {
    readonly kind: "propose";
    readonly entryKind: Exclude<EntryKind, "configuration">;
    readonly record: Uint8Array;
    readonly awaitedBy?: NodeId | undefined;
  }
  /**
   * Asks for a read index; `readId` is fresh and rising. Comes back in `Ready.reads`. With
   * `leaseReads` a tick right before says when: what has happened since then it may not show.
   */
  | { readonly kind: "read"; readonly readId: number }
  /** Nobody waits for this read any more: it is not asked for again. */
  | { readonly kind: "abandonRead"; readonly readId: number }
  /**
   * What `Ready` number `number`, and all before it, asked to persist is durable, or, where `part`
   * says so, no more of it than term and vote.
   */
  | { readonly kind: "persisted"; readonly number: number; readonly part?: "hardState" | undefined }
  /** Whether the disk has room for entries: while it has none, this node could lead nobody. */
  | { readonly kind: "diskRoom"; readonly hasRoom: boolean }
  /** The machine has applied up to `index`. */
  | { readonly kind: "applied"; readonly index: LogIndex }
  /** Answer to `Ready.fetches`: consecutive entries from `first`; none when they are gone. */
  | {
    readonly kind: "fetched";
    readonly peer: NodeId;
    readonly first: LogIndex;
    readonly entries: readonly LogEntry[];
  }
  /** The peer's process closed its connection: a hint that it died (architecture D10). */
  | { readonly kind: "peerClosed"; readonly peer: NodeId }
  /**
   * Leader only: starts a change of the members. The leader ends it by itself, and also makes a
   * joining member a voter when it has caught up: watch `Raft.committedConfiguration`.
   */
  | { readonly kind: "changeMembers"; readonly change: MemberChange }
  /** The disk's log begins behind `start` now, which is applied. */
  | { readonly kind: "compacted"; readonly start: EntryId }
  /**
   * A snapshot of the leader `from`, whose term is `term`, is here, complete and verified; without
   * `from` its sender leads no more and nobody else is known to. `Ready.snapshot` says whether it is
   * to be installed; nothing before it is needed then.
   */
  | {
    readonly kind: "snapshotReceived";
    readonly from: NodeId | undefined;
    readonly term: Term;
    readonly last: EntryId;
    readonly configuration: Configuration;
  }
  /** Leader only: sending a snapshot to `peer` (`Ready.snapshots`) has ended, well or not. */
  | { readonly kind: "snapshotDone"; readonly peer: NodeId; readonly sent: boolean }
  /** Leader only: `peer` says that it cannot go on without a snapshot (`Raft.needsSnapshot`). */
  | { readonly kind: "snapshotWanted"; readonly peer: NodeId }
  /** The machine slept, and the clock of the ticks may have stood still: no lease holds. */
  | { readonly kind: "suspended" }
  /** This node's log or state cannot be trusted: it does not campaign until that is repaired. */
  | { readonly kind: "damaged" }
  | { readonly kind: "repaired" }
  /** Committed entries up to here come back from no member: who lacks them needs a snapshot. */
  | { readonly kind: "lost"; readonly through: LogIndex }
  /** Entries of the log that could not be read at the start say these, by rising index. */
  | {
    readonly kind: "configurationsFound";
    readonly configurations: readonly (PlacedConfiguration & { readonly term: Term })[];
  }
  /** Leader only: hand leadership to `to`, or to the most caught-up voter. */
  | { readonly kind: "transfer"; readonly to: NodeId | undefined }
  /** The driver cannot trust its disk to make progress: stop leading (architecture D9). */
  | { readonly kind: "stepDown"; readonly reason: string };

/** What became of an event. Only `propose`, `read`, `transfer` and `changeMembers` can be refused. */
export type StepResult =
  | { readonly kind: "done" }
  | { readonly kind: "proposed"; readonly id: EntryId }
  /** An expected outcome, with its reason; the state did not change. */
  | { readonly kind: "refused"; readonly reason: RefusalReason }
  /** `changeMembers` asks for what cannot be: a text for the user that says what to do. */
  | { readonly kind: "invalid"; readonly text: string }
  /** The event had no effect: stale, duplicate, from a stranger. */
  | { readonly kind: "ignored"; readonly reason: string };

export type RefusalReason =
  | "notLeader"
  | "noLeader"
  | "transferring"
  | "uncommittedLimit"
  | "noSuchVoter"
  /** Another change of the members is not finished. */
  | "changePending"
  /** The voters that would be left could not decide now: too few of them are connected. */
  | "tooFewConnected"
  /** A leader that has committed nothing in its own term yet. */
  | "notReady";

/** The answer to a `read` event. */
export interface ReadState {
  readonly readId: number;
  /** Read when this index is applied; absent when the read must be asked again. */
  readonly index: LogIndex | undefined;
  /** The leader's clock, 0 when this node is the leader. */
  readonly clockMs: number;
}

/** Entries that a peer needs and that are no longer in memory: read them and step `fetched`. */
export interface Fetch {
  readonly peer: NodeId;
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly bytesMax: number;
}

/** A peer that needs entries which are here no more. */
export interface SnapshotNeed {
  readonly peer: NodeId;
}

/** A snapshot that was received and takes the place of this node's state. */
export interface InstalledSnapshot {
  readonly last: EntryId;
  readonly configuration: Configuration;
}

/**
 * One turn's work, in order: send `messages` at any time; persist `snapshot`, `hardState` and
 * `entries` (entries replace everything from their first index on); when that is durable, send
 * `messagesAfterPersist` and step `persisted`. Several may be outstanding; they persist in order.
 *
 * One exception: where entries cannot be written for now, a later hard state may be durable before
 * them. Then messages that promise nothing else (`promisesOnlyHardState`) may be sent, and `persisted`
 * is stepped for that part. A crash leaves a node that has not received those entries yet, and a later
 * acknowledgement of them to a leader of an older term must not leave (`isLateAcknowledgement`).
 */
export interface Ready {
  /** Rises by one each time. */
  readonly number: number;
  /**
   * Becomes this node's snapshot, before anything else is persisted. The log begins behind it,
   * unless it has its last entry; it takes the place of entries that earlier `Ready`s named and
   * that are not written yet. The machine is loaded from it: entries up to it are not applied.
   */
  readonly snapshot: InstalledSnapshot | undefined;
  /** Present when it changed. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly LogEntry[];
  /** May leave before anything of this `Ready` is durable. */
  readonly messages: readonly RaftMessage[];
  /** Promise something that this `Ready` or an earlier one persists. */
  readonly messagesAfterPersist: readonly RaftMessage[];
  /** May be applied up to here. */
  readonly commitIndex: LogIndex;
  readonly reads: readonly ReadState[];
  readonly fetches: readonly Fetch[];
  /** Offer each of these the newest snapshot, and step `snapshotDone` when that has ended. */
  readonly snapshots: readonly SnapshotNeed[];
}
