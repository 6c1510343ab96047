/**
 * Changes of role: the only file that writes `state.role` and raises `state.term`. What a role
 * leaves behind (reads that wait) is settled here, so that no caller can forget it.
 */

import { assert, type LogIndex, type NodeId, type Term } from "../base/mod.ts";
import { armElectionTimer, armForAnswers, noteLeaderContact } from "./election_timer.ts";
import { RECORD_HEADER_BYTES, sealEntry } from "./log_entry.ts";
import { newProgress, type Progress } from "./progress.ts";
import { returnReads } from "./read_index.ts";
import type { RoleState } from "./ready.ts";
import type { FollowerRole, LeaderRole, RaftState, Role } from "./state.ts";

/** Which role may follow which. */
const EDGES: Readonly<Record<RoleState, readonly RoleState[]>> = {
  follower: ["follower", "preCandidate", "candidate"],
  preCandidate: ["follower", "preCandidate", "candidate"],
  candidate: ["follower", "preCandidate", "leader"],
  leader: ["follower"],
  learner: ["learner"],
};

/** Follows `leaderId`, or nobody yet, in `term`, which is the current one or a later one. */
export function becomeFollower(
  state: RaftState,
  term: Term,
  leaderId: NodeId | undefined,
): FollowerRole {
  const from = state.role.kind;
  const role: FollowerRole = {
    kind: isVoter(state) ? "follower" : "learner",
    leaderId,
    matchedIndex: 0 as LogIndex,
    leaderCommitIndex: 0 as LogIndex,
    ackDue: false,
    pendingReads: [],
  };
  changeRole(state, role);
  raiseTerm(state, term, undefined);
  if (leaderId !== undefined) noteLeaderContact(state, leaderId);
  else if (from === "leader") armElectionTimer(state);
  return role;
}

/** Asks whether an election could be won; changes neither term nor vote (thesis §9.6). */
export function becomePreCandidate(state: RaftState): void {
  changeRole(state, { kind: "preCandidate", granted: new Set([state.id]), refused: new Set() });
  armForAnswers(state);
}

/** Votes for itself in a new term (§3.4). */
export function becomeCandidate(state: RaftState): void {
  changeRole(state, { kind: "candidate", granted: new Set([state.id]), refused: new Set() });
  raiseTerm(state, (state.term + 1) as Term, state.id);
  armForAnswers(state);
}

/** Leads the term, beginning with a no-op: only that makes older entries committable (§3.6.2). */
export function becomeLeader(state: RaftState): void {
  const log = state.log;
  const firstIndex = (log.last.index + 1) as LogIndex;
  const peers: Progress[] = [];
  for (const voter of state.voters) {
    if (voter !== state.id) {
      peers.push(newProgress(voter, firstIndex, state.nowMs, state.limits));
    }
  }
  const role: LeaderRole = {
    kind: "leader",
    firstIndex,
    peers,
    heartbeatDueMs: state.nowMs + state.heartbeatMs,
    readRound: undefined,
    waitingReads: [],
    transfer: undefined,
  };
  changeRole(state, role);
  state.timer.quickAttemptsLeft = 0;
  state.timer.closedLeader = undefined;
  log.append(sealEntry(new Uint8Array(RECORD_HEADER_BYTES), "noop", state.term, firstIndex));
  state.flushDue = true;
}

export function isVoter(state: RaftState): boolean {
  return state.voters.includes(state.id);
}

function raiseTerm(state: RaftState, term: Term, votedFor: NodeId | undefined): void {
  if (term === state.term) return;
  assert(term > state.term, `Cannot set term ${term}: found ${state.term}, expected no later one`);
  state.term = term;
  state.votedFor = votedFor;
}

function changeRole(state: RaftState, next: Role): void {
  const from = state.role.kind;
  assert(EDGES[from].includes(next.kind), `Cannot become ${next.kind}: this node is ${from}`);
  returnReads(state);
  state.role = next;
  state.flushDue = false;
}
