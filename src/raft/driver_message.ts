/**
 * Messages between the drivers of two nodes (batches, snapshots, repair, state hashes, members). They
 * share links and codecs with the core's messages; the core never sees them.
 */

import type { LogIndex } from "../base/mod.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";
import type { Envelope, RaftMessage } from "./message.ts";

/**
 * A batch of writes on its way from the node that its clients are on to the leader (architecture
 * D4).
 */
export interface ForwardedBatch extends Envelope {
  readonly kind: "forwardedBatch";
  /** The batch with `RECORD_HEADER_BYTES` of room before it, ready to be stamped and sealed. */
  readonly record: Uint8Array;
}

/** Leader to peer: this snapshot has what the log has no more; ask for its chunks. */
export interface SnapshotOffer extends Envelope {
  readonly kind: "snapshotOffer";
  /** The last entry that the snapshot covers: names it. */
  readonly last: EntryId;
  readonly manifest: Uint8Array;
}

/** Peer to leader: wants a chunk. The receiver paces and resumes; a few may be outstanding. */
export interface SnapshotRequest extends Envelope {
  readonly kind: "snapshotRequest";
  readonly last: EntryId;
  /** From 0, below 2^32. */
  readonly chunk: number;
}

/** Leader to peer, on the bulk link. */
export interface SnapshotChunk extends Envelope {
  readonly kind: "snapshotChunk";
  readonly last: EntryId;
  readonly chunk: number;
  readonly bytes: Uint8Array;
}

/** Peer to leader: how the transfer ended. */
export interface SnapshotEnd extends Envelope {
  readonly kind: "snapshotEnd";
  readonly last: EntryId;
  readonly outcome: SnapshotTransferOutcome;
}

/** `notNeeded`: the peer has what the snapshot covers. */
export type SnapshotTransferOutcome = "installed" | "notNeeded" | "failed";

/** Leader to peer: the snapshot is there no more; an offer of a newer one follows. */
export interface SnapshotGone extends Envelope {
  readonly kind: "snapshotGone";
  readonly last: EntryId;
}

/** Asks for entries by id, because this node's copies are damaged: whoever has them may answer. */
export interface EntriesRequest extends Envelope {
  readonly kind: "entriesRequest";
  readonly requestId: number;
  readonly first: EntryId;
  readonly last: EntryId;
}

/** Consecutive entries from the first one asked for, on the bulk link; none when it has them not. */
export interface EntriesReply extends Envelope {
  readonly kind: "entriesReply";
  readonly requestId: number;
  readonly entries: readonly LogEntry[];
}

/** The machine's state when exactly the entries up to `index` were applied. */
export interface StateHash extends Envelope {
  readonly kind: "stateHash";
  readonly index: LogIndex;
  /** 16 hexadecimal digits, lower case. */
  readonly hash: string;
}

/** An operator's change on its way to the leader; the driver's codec makes the bytes. */
export interface MemberChangeArg extends Envelope {
  readonly kind: "memberChange";
  readonly requestId: number;
  readonly change: Uint8Array;
}

/** What became of it, in the driver's codec. */
export interface MemberChangeReply extends Envelope {
  readonly kind: "memberChangeReply";
  readonly requestId: number;
  readonly outcome: Uint8Array;
}

/** Messages of the drivers alone. */
export type DriverMessage =
  | ForwardedBatch
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

/** Everything that crosses a peer link. */
export type PeerMessage = RaftMessage | DriverMessage;

const DRIVER_KINDS: Readonly<Record<DriverMessage["kind"], true>> = {
  forwardedBatch: true,
  snapshotOffer: true,
  snapshotRequest: true,
  snapshotChunk: true,
  snapshotEnd: true,
  snapshotGone: true,
  entriesRequest: true,
  entriesReply: true,
  stateHash: true,
  memberChange: true,
  memberChangeReply: true,
};

/** Whether the driver handles `message` itself; all others are for the core. */
export function isDriverMessage(message: PeerMessage): message is DriverMessage {
  return Object.hasOwn(DRIVER_KINDS, message.kind);
}
