/**
 * What goes into the core and what comes out (architecture D1). The driver, the simulator and the
 * scenario tests speak this language with one class, `Raft`.
 */

import type { LogIndex, NodeId, Term } from "../base/mod.ts";
import type { EntryId, EntryKind, LogEntry } from "./log_entry.ts";
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
    readonly entryKind: EntryKind;
    readonly record: Uint8Array;
    readonly awaitedBy?: NodeId | undefined;
  }
  /** Asks for a read index; `readId` is fresh and rising. Comes back in `Ready.reads`. */
  | { readonly kind: "read"; readonly readId: number }
  /** What `Ready` number `number`, and all before it, asked to persist is durable. */
  | { readonly kind: "persisted"; readonly number: number }
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
  /** Leader only: hand leadership to `to`, or to the most caught-up voter. */
  | { readonly kind: "transfer"; readonly to: NodeId | undefined }
  /** The driver cannot trust its disk to make progress: stop leading (architecture D9). */
  | { readonly kind: "stepDown"; readonly reason: string };

/** What became of an event. Only `propose`, `read` and `transfer` can be refused. */
export type StepResult =
  | { readonly kind: "done" }
  | { readonly kind: "proposed"; readonly id: EntryId }
  /** An expected outcome, with its reason; the state did not change. */
  | { readonly kind: "refused"; readonly reason: RefusalReason }
  /** The event had no effect: stale, duplicate, from a stranger. */
  | { readonly kind: "ignored"; readonly reason: string };

export type RefusalReason =
  | "notLeader"
  | "noLeader"
  | "transferring"
  | "uncommittedLimit"
  | "noSuchVoter";

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

/**
 * One turn's work, in order: send `messages` at any time; persist `hardState` and `entries`
 * (entries replace everything from their first index on); when that is durable, send
 * `messagesAfterPersist` and step `persisted`. Several may be outstanding; they persist in order.
 */
export interface Ready {
  /** Rises by one each time. */
  readonly number: number;
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
}
