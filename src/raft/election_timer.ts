/**
 * When a node campaigns (Raft thesis §3.4, §9.3). Two paces: the ordinary random timeout, and a few
 * quick attempts after the connection of the leader's process closed (architecture D10). The quick
 * pace is only an earlier pre-vote: whoever still hears the leader refuses it, so a false alarm
 * costs a message a peer and no term.
 */

import type { NodeId } from "../base/mod.ts";
import type { RaftState } from "./state.ts";

/** Attempts at the quick pace, over about a second; then the ordinary timeout is waited for. */
const QUICK_ATTEMPTS = 8;
/** Between the first attempts of two voters: more than an election over a local network takes. */
const QUICK_STAGGER_MS = 25;
const QUICK_JITTER_MS = 8;
/** After an attempt that was lost. */
const QUICK_RETRY_MS = { min: 40, max: 120 };
/** For the answers of an attempt, and for the node that got this one's vote to become leader. */
const QUICK_WAIT_MS = { min: 150, max: 300 };
/** A closed leader's messages may still be in another receive buffer: they prove nothing yet. */
const CLOSE_GRACE_MS = 50;

/** Waits an ordinary random timeout from now. */
export function armElectionTimer(state: RaftState): void {
  const { min, max } = state.electionTimeoutMs;
  state.timer.deadlineMs = state.nowMs + between(state, min, max);
}

/** Waits for the answers of the attempt that starts now. */
export function armForAnswers(state: RaftState): void {
  if (state.timer.quickAttemptsLeft === 0) armElectionTimer(state);
  else {
    state.timer.deadlineMs = state.nowMs + between(state, QUICK_WAIT_MS.min, QUICK_WAIT_MS.max);
  }
}

/** Waits for the next attempt after one that was lost. */
export function armForRetry(state: RaftState): void {
  if (state.timer.quickAttemptsLeft === 0) armElectionTimer(state);
  else {
    state.timer.deadlineMs = state.nowMs + between(state, QUICK_RETRY_MS.min, QUICK_RETRY_MS.max);
  }
}

/**
 * The leader's process closed its connection: forgets its lease and campaigns soon. Voters wait by
 * rank, since all of them see the close at the same moment.
 */
export function armQuickElection(state: RaftState, leaderId: NodeId): void {
  const timer = state.timer;
  timer.contactMs = -Infinity;
  timer.closedLeader = leaderId;
  timer.closedTerm = state.term;
  timer.closedMs = state.nowMs;
  timer.quickAttemptsLeft = QUICK_ATTEMPTS;
  let rank = 0;
  for (const voter of state.members.voters) if (voter < state.id && voter !== leaderId) rank++;
  const delayMs = rank * QUICK_STAGGER_MS + between(state, 0, QUICK_JITTER_MS);
  timer.deadlineMs = Math.min(timer.deadlineMs, state.nowMs + delayMs);
}

/** A message of the term's leader: its lease starts again, unless its process just closed. */
export function noteLeaderContact(state: RaftState, leaderId: NodeId): void {
  const timer = state.timer;
  if (
    timer.closedLeader === leaderId && timer.closedTerm === state.term &&
    state.nowMs - timer.closedMs < CLOSE_GRACE_MS
  ) return;
  timer.contactMs = state.nowMs;
  timer.quickAttemptsLeft = 0;
  timer.closedLeader = undefined;
  armElectionTimer(state);
}

/** Somebody else campaigns at the quick pace: lets that attempt end before this node's starts. */
export function postponeQuickAttempt(state: RaftState): void {
  const timer = state.timer;
  if (timer.quickAttemptsLeft === 0) return;
  const waitMs = between(state, QUICK_RETRY_MS.min, QUICK_RETRY_MS.max);
  timer.deadlineMs = Math.max(timer.deadlineMs, state.nowMs + waitMs);
}

/** Takes one attempt of the quick pace, if there is one. */
export function takeAttempt(state: RaftState): void {
  if (state.timer.quickAttemptsLeft > 0) state.timer.quickAttemptsLeft--;
}

/** Whether this node has heard a leader within the shortest election timeout (§4.2.3). */
export function isLeaseAlive(state: RaftState): boolean {
  const role = state.role;
  if (role.kind === "leader") return true;
  if (role.kind !== "follower" && role.kind !== "learner") return false;
  return role.leaderId !== undefined &&
    state.nowMs - state.timer.contactMs < state.electionTimeoutMs.min;
}

function between(state: RaftState, min: number, max: number): number {
  return min + state.prng.unit() * (max - min);
}
