/**
 * What the cores say to each other. All messages are one-way; a reply is a message of its own, so
 * the network may lose, repeat, delay and reorder any of them (Raft thesis §3, §6.4, §9.6).
 */

import type { LogIndex, NodeId, Term } from "../base/mod.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";

/** Sender, receiver and term: what every message has. */
export interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term; for a pre-vote the term it would campaign in. */
  readonly term: Term;
}

/** Asks for a vote (thesis §3.4), or, with `preVote`, whether one would be granted (§9.6). */
export interface RequestVoteArg extends Envelope {
  readonly kind: "requestVote";
  readonly preVote: boolean;
  /** Set when a leader asked for this election: voters then do not protect that leader (§4.2.3). */
  readonly transfer: boolean;
  /** The last entry of the candidate's log. */
  readonly last: EntryId;
}

export interface RequestVoteReply extends Envelope {
  readonly kind: "requestVoteReply";
  readonly preVote: boolean;
  readonly granted: boolean;
}

/** Replicates entries that follow `prev` (§3.5). Without entries it probes. */
export interface AppendEntriesArg extends Envelope {
  readonly kind: "appendEntries";
  readonly prev: EntryId;
  readonly entries: readonly LogEntry[];
  readonly commitIndex: LogIndex;
}

export interface AppendEntriesReply extends Envelope {
  readonly kind: "appendEntriesReply";
  /**
   * On success the last index known to equal the leader's and to be on this follower's disk; on
   * rejection the `prev.index` that did not match.
   */
  readonly index: LogIndex;
  /** Set on rejection: where the leader may continue to look for the common prefix. */
  readonly conflict?: EntryId;
}

/** Keeps followers from campaigning, tells them the commit index, and carries a read round. */
export interface HeartbeatArg extends Envelope {
  readonly kind: "heartbeat";
  /** Bounded by what the receiver has matched, so that it may be taken as it is. */
  readonly commitIndex: LogIndex;
  /** The newest round of reads to confirm (§6.4); 0 for none. Never used twice in a term. */
  readonly readRound: number;
  /** False when only the commit index is news: the receiver does not answer. */
  readonly wantsReply: boolean;
}

export interface HeartbeatReply extends Envelope {
  readonly kind: "heartbeatReply";
  readonly readRound: number;
  /** So long the sender helps nobody else to be elected (§6.4.1); 0 when it does not promise. */
  readonly leaseMs: number;
}

/** A follower asks the leader for an index at which a read is linearizable. */
export interface ReadIndexArg extends Envelope {
  readonly kind: "readIndex";
  /** Chosen by the asking node, fresh and rising while its process lives. */
  readonly readId: number;
}

export interface ReadIndexReply extends Envelope {
  readonly kind: "readIndexReply";
  readonly readId: number;
  /** The index to wait for; absent when the leader cannot serve reads: ask again. */
  readonly index?: LogIndex;
  /** The leader's clock in ms since 1970, which never runs backwards; 0 as the core leaves it. */
  readonly clockMs: number;
}

/** The leader asks the receiver to campaign at once (§3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: "timeoutNow";
}

/** Messages that the core sends and steps. */
export type RaftMessage =
  | RequestVoteArg
  | RequestVoteReply
  | AppendEntriesArg
  | AppendEntriesReply
  | HeartbeatArg
  | HeartbeatReply
  | ReadIndexArg
  | ReadIndexReply
  | TimeoutNow;
