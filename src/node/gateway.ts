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
   * and its outcome is not known.
   */
  readonly effect: "notApplied" | "maybeApplied";
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
}

export interface MemberView {
  readonly id: number;
  readonly raftAddress: string;
  readonly redisAddress: string;
  readonly voter: boolean;
  /** Whether a link to it is up; true for this node. */
  readonly connected: boolean;
  /** Leader only: what it has on disk. */
  readonly matchIndex: number | undefined;
  /** Leader only: ms since it was last heard from. */
  readonly lastContactMs: number | undefined;
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
