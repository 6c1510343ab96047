/**
 * Reads by lease (Raft thesis §6.4.1). A voter that answers a heartbeat may promise to help nobody
 * else to be elected for a while, not even after a restart or when the leader's connection closes.
 * While a majority's promises hold, counted from when the heartbeat was sent, nobody else can lead,
 * and the leader may answer reads without asking.
 *
 * It trusts clocks to go at the same rate, within `DRIFT_MAX` of a lease, and ticks to tell the time
 * right before each read. What it does not trust: a leader whose ticks show a pause, that is told of
 * a suspend, or that has begun to hand over (votes for a transfer break promises), asks again.
 */

import { INCOMING, OUTGOING } from "./members.ts";
import type { Progress } from "./progress.ts";
import type { LeaderRole, Lease, RaftState } from "./state.ts";

/** How much of a lease two clocks may differ at its end. */
const DRIFT_MAX = 0.1;

export function newLease(): Lease {
  return {
    round: 0,
    sentMs: 0,
    olderRound: 0,
    olderSentMs: 0,
    forgottenRound: 0,
    untilMs: -Infinity,
    isGivenUp: false,
  };
}

/** Whether nobody but this leader can lead now, and what it has committed is all there is. */
export function isLeaseHeld(state: RaftState, role: LeaderRole): boolean {
  const { lease } = role;
  return lease !== undefined && !lease.isGivenUp && state.nowMs < lease.untilMs &&
    state.log.commitIndex >= role.firstIndex;
}

/** Remembers when the heartbeats of a round left: of the newest two, the first time each. */
export function noteHeartbeats(state: RaftState, lease: Lease, round: number): void {
  if (round === lease.round) return;
  lease.olderRound = lease.round;
  lease.olderSentMs = lease.sentMs;
  lease.round = round;
  lease.sentMs = state.nowMs;
}

/** A voter answered a heartbeat of `round` and promised to keep still for `leaseMs`. */
export function notePromise(
  state: RaftState,
  role: LeaderRole,
  progress: Progress,
  answer: { readonly readRound: number; readonly leaseMs: number },
): void {
  const { lease } = role;
  if (lease === undefined) return;
  const { readRound, leaseMs } = answer;
  if (readRound <= lease.forgottenRound || leaseMs === 0) return;
  if (readRound !== lease.round && readRound !== lease.olderRound) return;
  const sentMs = readRound === lease.round ? lease.sentMs : lease.olderSentMs;
  const untilMs = sentMs + leaseMs * (1 - DRIFT_MAX);
  if (untilMs <= progress.leaseUntilMs) return;
  progress.leaseUntilMs = untilMs;
  lease.untilMs = heldUntilMs(state, role);
}

/**
 * What was promised counts no more: the clock may have stopped, or others vote. Nor do answers count
 * that are still to come to what was asked before, also where a round of reads asks it again: they may
 * be from before that time.
 */
export function forgetPromises(state: RaftState, role: LeaderRole): void {
  const { lease } = role;
  if (lease === undefined) return;
  for (const peer of role.peers) peer.leaseUntilMs = -Infinity;
  lease.forgottenRound = state.lastReadRound;
  lease.untilMs = -Infinity;
}

/** A voter may be made to break its promise in this term: no lease any more. */
export function giveUpLease(role: LeaderRole): void {
  if (role.lease !== undefined) role.lease.isGivenUp = true;
}

/** This node answers a heartbeat: how long it keeps still; 0 when it does not promise. */
export function promise(state: RaftState): number {
  if (!state.leaseReads) return 0;
  const leaseMs = state.electionTimeoutMs.min;
  state.timer.promisedUntilMs = state.nowMs + leaseMs;
  return leaseMs;
}

/** Whether this node has promised somebody not to help others to be elected yet. */
export function isPromised(state: RaftState): boolean {
  return state.nowMs < state.timer.promisedUntilMs;
}

/**
 * Until when a node keeps still that starts now: it may have promised something just before. Alone
 * it cannot have, unless the configuration that says so is not committed.
 */
export function promisedAtStartMs(state: RaftState): number {
  const { members, log, nowMs, electionTimeoutMs } = state;
  if (!state.leaseReads || (members.isQuorumAlone && members.index <= log.commitIndex)) {
    return -Infinity;
  }
  return nowMs + electionTimeoutMs.min;
}

/** The latest time up to which the promises of a majority of each set of voters hold. */
function heldUntilMs(state: RaftState, role: LeaderRole): number {
  const { members } = state;
  const incoming = majorityUntilMs(state, role, INCOMING, members.incomingQuorum);
  if (!members.isJoint) return incoming;
  return Math.min(incoming, majorityUntilMs(state, role, OUTGOING, members.outgoingQuorum));
}

function majorityUntilMs(state: RaftState, role: LeaderRole, set: number, quorum: number): number {
  const own = (state.members.ownVotes & set) === 0 ? 0 : 1;
  if (own >= quorum) return Infinity;
  let best = -Infinity;
  for (const { votes, leaseUntilMs } of role.peers) {
    if ((votes & set) === 0 || leaseUntilMs <= best) continue;
    let holders = own;
    for (const peer of role.peers) {
      if ((peer.votes & set) !== 0 && peer.leaseUntilMs >= leaseUntilMs) holders++;
    }
    if (holders >= quorum) best = leaseUntilMs;
  }
  return best;
}
