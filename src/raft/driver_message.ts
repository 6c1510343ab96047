/**
 * Messages between the drivers of two nodes (snapshots, repair, state hashes, members). They share
 * links and codecs with the core's messages; the core never sees them.
 */

import type { LogIndex, NodeId, Term } from "../base/mod.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";

interface DriverEnvelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term. */
  readonly term: Term;
}

/** Leader to peer: this snapshot has what the log has no more; ask for its chunks. */
export interface SnapshotOffer extends DriverEnvelope {
  readonly kind: "snapshotOffer";
  /** The last entry that the snapshot covers: names it. */
  readonly last: EntryId;
  readonly manifest: Uint8Array;
}

/** Peer to leader: wants a chunk. The receiver paces and resumes; a few may be outstanding. */
export interface SnapshotRequest extends DriverEnvelope {
  readonly kind: "snapshotRequest";
  readonly last: EntryId;
  readonly chunk: number;
}

/** Leader to peer, on the bulk link. */
export interface SnapshotChunk extends DriverEnvelope {
  readonly kind: "snapshotChunk";
  readonly last: EntryId;
  readonly chunk: number;
  readonly bytes: Uint8Array;
}

/** Peer to leader: how the transfer ended. */
export interface SnapshotEnd extends DriverEnvelope {
  readonly kind: "snapshotEnd";
  readonly last: EntryId;
  readonly outcome: SnapshotTransferOutcome;
}

/** `notNeeded`: the peer has what the snapshot covers. */
export type SnapshotTransferOutcome = "installed" | "notNeeded" | "failed";

/** Leader to peer: the snapshot is there no more; an offer of a newer one follows. */
export interface SnapshotGone extends DriverEnvelope {
  readonly kind: "snapshotGone";
  readonly last: EntryId;
}

/** Asks for entries by id, because this node's copies are damaged: whoever has them may answer. */
export interface EntriesRequest extends DriverEnvelope {
  readonly kind: "entriesRequest";
  readonly requestId: number;
  readonly first: EntryId;
  readonly last: EntryId;
}

/** Consecutive entries from the first one asked for, on the bulk link; none when it has them not. */
export interface EntriesReply extends DriverEnvelope {
  readonly kind: "entriesReply";
  readonly requestId: number;
  readonly entries: readonly LogEntry[];
}

/** The machine's state when exactly the entries up to `index` were applied. */
export interface StateHash extends DriverEnvelope {
  readonly kind: "stateHash";
  readonly index: LogIndex;
  /** 16 hexadecimal digits, lower case. */
  readonly hash: string;
}

/** An operator's change on its way to the leader; the driver's codec makes the bytes. */
export interface MemberChangeArg extends DriverEnvelope {
  readonly kind: "memberChange";
  readonly requestId: number;
  readonly change: Uint8Array;
}

/** What became of it, in the driver's codec. */
export interface MemberChangeReply extends DriverEnvelope {
  readonly kind: "memberChangeReply";
  readonly requestId: number;
  readonly outcome: Uint8Array;
}

/** Everything that drivers say to each other beside `ForwardedBatch`. */
export type DriverMessage =
  | SnapshotOffer
  | SnapshotRequest
  | SnapshotChunk
  | SnapshotEnd
  | SnapshotGone
  | EntriesRequest
  | EntriesReply
  | StateHash
  | MemberChangeArg
  | MemberChangeReply;
