/**
 * Changes of role: the only file that writes `state.role` and raises `state.term`. What a role
 * leaves behind (reads that wait) is settled here, so that no caller can forget it.
 */

import { assert, type LogIndex, type NodeId, type Term } from "../base/mod.ts";
import { armElectionTimer, armForAnswers, noteLeaderContact } from "./election_timer.ts";
import { forgetPromises, newLease } from "./lease.ts";
import { RECORD_HEADER_BYTES, sealEntry } from "./log_entry.ts";
import { newProgress, type Progress } from "./progress.ts";
import { maybeConfirmRound, returnReads } from "./read_index.ts";
import type { RoleState } from "./ready.ts";
import type { FollowerRole, LeaderRole, RaftState, Role } from "./state.ts";

/** Which role may follow which. */
const EDGES: Readonly<Record<RoleState, readonly RoleState[]>> = {
  follower: ["follower", "preCandidate", "candidate"],
  preCandidate: ["follower", "preCandidate", "candidate"],
  candidate: ["follower", "preCandidate", "leader"],
  // A leader may have led its own removal.
  leader: ["follower", "learner"],
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
    kind: kindOf(state),
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
  const role: LeaderRole = {
    kind: "leader",
    firstIndex,
    peers: peersOf(state, [], firstIndex),
    heartbeatDueMs: state.nowMs + state.heartbeatMs,
    readRound: undefined,
    waitingReads: [],
    transfer: undefined,
    lease: state.leaseReads ? newLease() : undefined,
  };
  changeRole(state, role);
  state.timer.quickAttemptsLeft = 0;
  state.timer.closedLeader = undefined;
  log.append(sealEntry(new Uint8Array(RECORD_HEADER_BYTES), "noop", state.term, firstIndex));
  state.flushDue = true;
}

/** Another configuration is in effect. */
export function membersChanged(state: RaftState): void {
  const { role } = state;
  if (role.kind === "leader") {
    role.peers = peersOf(state, role.peers, state.log.last.index);
    forgetPromises(state, role);
    // Whom a round of reads waited for may be gone.
    maybeConfirmRound(state, role);
  } else fitRole(state);
}

/** What this node may do has changed, or what is committed of it. */
export function fitRole(state: RaftState): void {
  const { role, timer } = state;
  if (role.kind !== "follower" && role.kind !== "learner") return;
  const kind = kindOf(state);
  if (kind === role.kind) return;
  role.kind = kind;
  timer.quickAttemptsLeft = 0;
  if (kind === "follower") armElectionTimer(state);
}

function kindOf({ members }: RaftState): FollowerRole["kind"] {
  return members.mayLead ? "follower" : "learner";
}

/** What a leader keeps of each other member, and of those that leave with this configuration. */
function peersOf(
  state: RaftState,
  known: readonly Progress[],
  nextIndex: LogIndex,
): readonly Progress[] {
  const { id, members, nowMs, limits, log } = state;
  const peers: Progress[] = [];
  for (const member of members.configuration.members) {
    if (member.id === id) continue;
    const progress = known.find(({ peer }) => peer === member.id) ??
      newProgress(member.id, nextIndex, nowMs, limits);
    progress.votes = members.votesOf(member.id);
    progress.departed = undefined;
    if (member.standing !== "joining") progress.catchUp = undefined;
    else progress.catchUp ??= { lastIndex: log.last.index, startMs: nowMs, done: false };
    peers.push(progress);
  }
  for (const progress of known) {
    if (peers.includes(progress)) continue;
    progress.votes = 0;
    progress.catchUp = undefined;
    if (progress.departed === undefined) {
      progress.departed = { sinceMs: nowMs, index: members.index };
      // It hears of the commit as if its clients waited for it.
      progress.awaitedIndex = members.index;
    }
    peers.push(progress);
  }
  return peers.sort((a, b) => a.peer - b.peer);
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
