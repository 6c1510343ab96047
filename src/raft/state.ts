/**
 * The one private state of a `Raft`, as plain records. Roles are a union, each member owns the data
 * that exists only in that role; `roles.ts` is the only file that writes `role`.
 */

import { assert, type LogIndex, type NodeId, Prng, type Term } from "../base/mod.ts";
import { assertConfiguration, FEATURE_LEVEL } from "./configuration.ts";
import { Members } from "./members.ts";
import type { RaftMessage } from "./message.ts";
import type { RaftLimits, RaftOptions } from "./options.ts";
import { Outstanding } from "./outstanding.ts";
import type { Progress } from "./progress.ts";
import { RaftLog } from "./raft_log.ts";
import type { Fetch, InstalledSnapshot, ReadState, SnapshotNeed } from "./ready.ts";

/** A read that waits for the leader's answer. */
export interface PendingRead {
  readonly readId: number;
  sentMs: number;
}

/**
 * Follows a leader or waits for one. A learner is a follower that no election needs: it never
 * campaigns.
 */
export interface FollowerRole {
  kind: "follower" | "learner";
  leaderId: NodeId | undefined;
  /** The last index known to equal the log of this term's leader; 0 before its first append. */
  matchedIndex: LogIndex;
  /** What this term's leader has said to be committed; may be beyond what is here. */
  leaderCommitIndex: LogIndex;
  /** The next `Ready` acknowledges `matchedIndex`. */
  ackDue: boolean;
  /** Oldest first. */
  pendingReads: PendingRead[];
}

/** Counts votes; itself is the first to grant. */
export interface CampaignRole {
  /** `preCandidate` asks whether it would win (thesis §9.6), `candidate` asks for votes (§3.4). */
  readonly kind: "preCandidate" | "candidate";
  readonly granted: Set<NodeId>;
  readonly refused: Set<NodeId>;
}

/** A read that a leader has to confirm, its own or a follower's. */
export interface ReadRequest {
  readonly from: NodeId;
  readonly readId: number;
}

/** Reads whose index is fixed and whose leader's rank is being confirmed (thesis §6.4). */
export interface ReadRound {
  readonly round: number;
  readonly index: LogIndex;
  readonly requests: readonly ReadRequest[];
}

export interface Transfer {
  readonly to: NodeId;
  readonly deadlineMs: number;
  timeoutNowSent: boolean;
  /** This leader is no voter any more: it leads no longer than the transfer lasts. */
  readonly leaving: boolean;
}

/** A leader's right to answer reads without asking (`lease.ts`). */
export interface Lease {
  /** The newest two rounds of heartbeats, and when they left. */
  round: number;
  sentMs: number;
  olderRound: number;
  olderSentMs: number;
  /** Answers to rounds up to this one count no more. */
  forgottenRound: number;
  untilMs: number;
  /** For the rest of the term. */
  isGivenUp: boolean;
}

export interface LeaderRole {
  readonly kind: "leader";
  /** The no-op that this term began with: entries from here on are of this term. */
  readonly firstIndex: LogIndex;
  /** Every other member, by rising id, and those that have just left. */
  peers: readonly Progress[];
  heartbeatDueMs: number;
  readRound: ReadRound | undefined;
  /** Reads that join the next round. */
  waitingReads: ReadRequest[];
  transfer: Transfer | undefined;
  /** Undefined when this node does not read by lease. */
  readonly lease: Lease | undefined;
}

export type Role = FollowerRole | CampaignRole | LeaderRole;

/** When to campaign, and whether somebody else may. */
export interface ElectionTimer {
  deadlineMs: number;
  /** The leader's last message; `-Infinity` when its lease is forgotten. */
  contactMs: number;
  /** Short attempts left after the leader's connection closed; 0 means ordinary timeouts. */
  quickAttemptsLeft: number;
  /** The leader whose connection closed, until some leader is heard. */
  closedLeader: NodeId | undefined;
  closedTerm: Term;
  closedMs: number;
  /** No campaign before this time: the driver cannot trust its disk. */
  blockedUntilMs: number;
  /** Neither votes nor campaigns before this time, except for a transfer (`lease.ts`). */
  promisedUntilMs: number;
}

/** What the next `Ready` will hand out. */
export interface Outbox {
  messages: RaftMessage[];
  messagesAfterPersist: RaftMessage[];
  reads: ReadState[];
  fetches: Fetch[];
  snapshot: InstalledSnapshot | undefined;
  snapshots: SnapshotNeed[];
}

export interface RaftState {
  readonly id: NodeId;
  readonly members: Members;
  readonly electionTimeoutMs: { readonly min: number; readonly max: number };
  readonly heartbeatMs: number;
  readonly limits: RaftLimits;
  readonly leaseReads: boolean;
  readonly featureLevel: number;
  readonly prng: Prng;
  readonly log: RaftLog;
  readonly outstanding: Outstanding;
  readonly timer: ElectionTimer;
  readonly outbox: Outbox;
  nowMs: number;
  term: Term;
  votedFor: NodeId | undefined;
  role: Role;
  /** The term of a start with a log that may lack entries that it acknowledged (`recovery.ts`). */
  recoveringFrom: Term | undefined;
  /** Entries here cannot be read: this node could lead nobody. */
  damaged: boolean;
  /** Entries can be written: without room this node could lead nobody, but it can vote. */
  hasDiskRoom: boolean;
  /** The newest round of reads that was started; rises while the process lives. */
  lastReadRound: number;
  /** Reads that were answered by lease. */
  readsByLease: number;
  /** A leader has something to look at when the next `Ready` is taken. */
  flushDue: boolean;
  /** What the last `Ready` said, and its number. */
  readyNumber: number;
  takenTerm: Term;
  takenVotedFor: NodeId | undefined;
  takenCommitIndex: LogIndex;
}

/** A follower (a learner when `id` is no voter) that knows no leader. Throws on wrong options. */
export function newState(options: RaftOptions): RaftState {
  assertOptions(options);
  const log = new RaftLog(options, options.limits.cacheBytesMax);
  const members = new Members(options.id, options.configurations);
  members.commitTo(log.commitIndex);
  return {
    id: options.id,
    members,
    electionTimeoutMs: options.electionTimeoutMs,
    heartbeatMs: options.heartbeatMs,
    limits: options.limits,
    leaseReads: options.leaseReads,
    featureLevel: options.featureLevel ?? FEATURE_LEVEL,
    prng: new Prng(options.seed),
    log,
    outstanding: new Outstanding(options.hardState.term),
    timer: {
      deadlineMs: options.nowMs,
      contactMs: -Infinity,
      quickAttemptsLeft: 0,
      closedLeader: undefined,
      closedTerm: 0 as Term,
      closedMs: -Infinity,
      blockedUntilMs: -Infinity,
      promisedUntilMs: -Infinity,
    },
    outbox: {
      messages: [],
      messagesAfterPersist: [],
      reads: [],
      fetches: [],
      snapshot: undefined,
      snapshots: [],
    },
    nowMs: options.nowMs,
    term: options.hardState.term,
    votedFor: options.hardState.votedFor,
    role: {
      kind: members.mayLead ? "follower" : "learner",
      leaderId: undefined,
      matchedIndex: 0 as LogIndex,
      leaderCommitIndex: 0 as LogIndex,
      ackDue: false,
      pendingReads: [],
    },
    recoveringFrom: options.mayVote ? undefined : options.hardState.term,
    damaged: false,
    hasDiskRoom: true,
    lastReadRound: 0,
    readsByLease: 0,
    flushDue: false,
    readyNumber: 0,
    takenTerm: options.hardState.term,
    takenVotedFor: options.hardState.votedFor,
    takenCommitIndex: log.commitIndex,
  };
}

function assertOptions(options: RaftOptions): void {
  const { min, max } = options.electionTimeoutMs;
  assert(
    0 < options.heartbeatMs && options.heartbeatMs < min && min <= max,
    `Cannot make a Raft: heartbeat ${options.heartbeatMs} ms, election timeout ${min} to ${max} ms, expected 0 < heartbeat < min <= max`,
  );
  for (const { index, configuration } of options.configurations) {
    assertConfiguration(configuration);
    assert(
      index <= options.last.index,
      `Cannot make a Raft: configuration ${index} is behind the last entry, ${options.last.index}`,
    );
  }
  for (const [name, value] of Object.entries(options.limits)) {
    const least = name === "cacheBytesMax" ? 0 : 1;
    assert(value >= least, `Cannot make a Raft: ${name} is ${value}, expected at least ${least}`);
  }
  assert(
    options.hardState.term >= options.last.term,
    `Cannot make a Raft: term ${options.hardState.term} is below the last entry's ${options.last.term}`,
  );
}
