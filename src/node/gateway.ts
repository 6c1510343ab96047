/**
 * How the Redis listener uses the node (architecture P4, D4, D7). A lane is one connection's ordered
 * stream of operations: replies come back in the order of submission, a read sees the writes before
 * it and not those behind it.
 */

import type { Reply, Request, TransactionItem } from "../machine/mod.ts";

export type { TransactionItem } from "../machine/mod.ts";

/** What became of an operation that did not run, or may not have (architecture P4). */
export interface OperationFailure {
  /**
   * `notApplied`: it had no effect and never will; safe to try again. `maybeApplied`: it was sent
   * and its outcome is not known. `applied`: it ran once, and its reply is lost.
   */
  readonly effect: "notApplied" | "maybeApplied" | "applied";
  /** For the client: what happened and what to do. */
  readonly reason: string;
}

/** Receives the outcome of one operation, never during the call that submitted it. */
export interface ReplyTarget {
  onReply(reply: Reply): void;
  onFailure(failure: OperationFailure): void;
}

export interface Lane {
  /** Replicates a write. The request's bytes are copied before this returns. */
  write(db: number, request: Request, target: ReplyTarget): void;
  /** Runs a read at the configured consistency. The request is copied before this returns. */
  read(db: number, request: Request, target: ReplyTarget): void;
  /**
   * Runs several commands as one, nothing between them; the reply is an array of their replies.
   * With `writes` it is one log entry, else one read.
   */
  transaction(items: readonly TransactionItem[], writes: boolean, target: ReplyTarget): void;
  /**
   * Whether reads are answered from what this node has, if that is no older than
   * `redis.staleness-ms-max`, whatever `redis.reads` says. False on a new lane; settable at any time,
   * for the reads that follow.
   */
  readsLocally: boolean;
  /** Operations submitted and not answered. */
  readonly pending: number;
  /** The client is gone: nothing is answered any more; writes already submitted still run. */
  close(): void;
}

/** Everything that the Redis listener may ask of the node. */
export interface Gateway {
  openLane(): Lane;
  /** True while the node holds more unfinished work than it should: stop reading from clients. */
  readonly saturated: boolean;
  /** Called each time `saturated` becomes false. */
  onRelief(callback: () => void): void;
  view(): NodeView;
}

/** A moment's picture of the node, for INFO, metrics and the admin API. */
export interface NodeView {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly incarnation: number;
  readonly role: "follower" | "preCandidate" | "candidate" | "leader" | "learner";
  readonly term: number;
  readonly leaderId: number | undefined;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly members: readonly MemberView[];
  /** Whether reads and writes can be served now, and if not, why not. */
  readonly ready: boolean;
  readonly notReadyReason: string | undefined;
  readonly uptimeMs: number;
  readonly logBytes: number;
  readonly logSegments: number;
  readonly pendingWrites: number;
  readonly pendingReads: number;
  readonly batchesApplied: number;
  readonly commandsApplied: number;
  /** A database with no keys is left out. */
  readonly databases: readonly DatabaseView[];
  readonly expiredKeys: number;
  /** The machine's clock: the stamp of the last applied entry, ms since 1970. */
  readonly clockMs: number;
  readonly network: NetworkView;
  /** The entry with the members in effect; 0 for those of the first start. */
  readonly configurationIndex: number;
  /** Whether a change of members has begun and not ended. */
  readonly changingMembers: boolean;
  /** What all members support. */
  readonly featureLevel: number;
  /** The last entry in the newest snapshot, and its length; 0 for none. */
  readonly snapshotIndex: number;
  readonly snapshotBytes: number;
  /** Whether one is being taken. */
  readonly snapshotting: boolean;
  /** Why this node serves nobody: its state differs from a majority's. */
  readonly quarantined: string | undefined;
  /** Whether it votes for nobody until it has caught up: its log may have lost entries. */
  readonly recovering: boolean;
  /** Entries of the log that are damaged, not repaired yet, and in no snapshot of this node. */
  readonly damagedEntries: number;
  readonly counters: NodeCounters;
}

/**
 * `joining` becomes a voter by itself when it has caught up; `leaving` is out when the change of
 * members that is under way ends.
 */
export type Standing = "voter" | "learner" | "joining" | "leaving";

export interface MemberView {
  readonly id: number;
  readonly raftAddress: string;
  readonly redisAddress: string;
  readonly standing: Standing;
  /** Whether a link to it is up; true for this node. */
  readonly connected: boolean;
  /** Leader only: what it has on disk. */
  readonly matchIndex: number | undefined;
  /** Leader only: ms since it was last heard from. */
  readonly lastContactMs: number | undefined;
  /** The highest feature level that it said it supports; undefined before it was heard. */
  readonly featureLevel: number | undefined;
  /** Leader only: how far the snapshot is that it is being sent. */
  readonly snapshotSending: { readonly sentBytes: number; readonly bytes: number } | undefined;
}

/** Counters since the start of the process. */
export interface NodeCounters {
  readonly snapshotsTaken: number;
  readonly snapshotsFailed: number;
  /** From a leader, in place of entries that are gone. */
  readonly snapshotsInstalled: number;
  readonly snapshotBytesSent: number;
  readonly snapshotBytesReceived: number;
  /** Changes of members that came into effect, joint ones not counted. */
  readonly memberChanges: number;
  /** Leadership handed over on request or at a stop. */
  readonly transfers: number;
  /** Reads that needed no round because the leader's lease held. */
  readonly leaseReads: number;
  /** Reads answered from whatever this node had. */
  readonly localReads: number;
  /** Damaged entries written again from a peer's copy. */
  readonly entriesRepaired: number;
  /** State hashes compared with another member's, and those that differed. */
  readonly stateHashesCompared: number;
  readonly stateHashesDiffering: number;
}

export interface DatabaseView {
  readonly index: number;
  readonly keys: number;
  readonly expires: number;
  readonly avgTtlMs: number;
}

/** Counters since the start. */
export interface NetworkView {
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly messagesDropped: number;
  readonly reconnects: number;
  readonly handshakesRefused: number;
  readonly damagedFrames: number;
}
