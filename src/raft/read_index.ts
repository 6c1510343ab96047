/**
 * Linearizable reads without log entries (Raft thesis §6.4). The leader fixes its commit index,
 * learns from a majority that it still leads, and then hands out that index. Reads are gathered in
 * rounds: one in flight, everything that arrives meanwhile joins the next. Every round has a fresh
 * number, so an answer to an older round, which may be from before a read arrived, confirms nothing
 * newer; an older term's answers never get here.
 */

import type { LogIndex, NodeId } from "../base/mod.ts";
import { learnCommit } from "./follower.ts";
import { isLeaseHeld, noteHeartbeats } from "./lease.ts";
import { INCOMING } from "./members.ts";
import type { HeartbeatArg, ReadIndexArg, ReadIndexReply } from "./message.ts";
import { send } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import type { StepResult } from "./ready.ts";
import type { FollowerRole, LeaderRole, RaftState, ReadRequest } from "./state.ts";
import { DONE, ignored, refused } from "./step_result.ts";

/** A read of this node. */
export function handleRead(state: RaftState, readId: number): StepResult {
  const role = state.role;
  if (role.kind === "leader") {
    addRead(state, role, { from: state.id, readId });
    return DONE;
  }
  if (role.kind !== "follower" && role.kind !== "learner") return refused("noLeader");
  if (role.leaderId === undefined) return refused("noLeader");
  role.pendingReads.push({ readId, sentMs: state.nowMs });
  sendReadIndex(state, role.leaderId, readId);
  return DONE;
}

/** Nobody waits for it any more; what a leader has been told of it is answered in vain. */
export function handleAbandonRead(state: RaftState, readId: number): StepResult {
  const role = state.role;
  if (role.kind === "leader") {
    role.waitingReads = role.waitingReads.filter((read) =>
      read.from !== state.id || read.readId !== readId
    );
  } else if (role.kind === "follower" || role.kind === "learner") {
    role.pendingReads = role.pendingReads.filter((read) => read.readId !== readId);
  }
  return DONE;
}

/** A follower's read. Anyone but a leader says at once that it cannot serve it. */
export function handleReadIndex(state: RaftState, message: ReadIndexArg): StepResult {
  if (state.role.kind === "leader") {
    addRead(state, state.role, { from: message.from, readId: message.readId });
  } else sendReadReply(state, message.from, message.readId, undefined);
  return DONE;
}

export function handleReadIndexReply(state: RaftState, message: ReadIndexReply): StepResult {
  const role = state.role;
  if (role.kind !== "follower" && role.kind !== "learner") return ignored("asks nobody");
  const at = role.pendingReads.findIndex((read) => read.readId === message.readId);
  if (at >= 0) {
    role.pendingReads.splice(at, 1);
    const { readId, index, clockMs } = message;
    state.outbox.reads.push({ readId, index, clockMs });
  }
  if (message.index !== undefined && message.from === role.leaderId) {
    // Reads wait for this index: without it they would wait for the next append or heartbeat.
    learnCommit(state, role, message.index);
  }
  if (message.index === undefined && message.from === role.leaderId) {
    // Within a term only a leader that stepped down answers so: stop asking it.
    forgetLeader(state, role);
    return DONE;
  }
  return at >= 0 ? DONE : ignored("no such read");
}

/** Asks again for reads whose question or answer seems lost; the leader was just heard. */
export function resendReads(state: RaftState, role: FollowerRole, leaderId: NodeId): void {
  for (const read of role.pendingReads) {
    if (state.nowMs - read.sentMs < state.heartbeatMs) continue;
    read.sentMs = state.nowMs;
    sendReadIndex(state, leaderId, read.readId);
  }
}

/** Starts a round when reads wait, none is in flight and this term has committed an entry. */
export function maybeStartRound(state: RaftState, role: LeaderRole): void {
  if (role.readRound !== undefined || role.waitingReads.length === 0) return;
  if (state.log.commitIndex < role.firstIndex) return;
  role.readRound = {
    round: ++state.lastReadRound,
    index: state.log.commitIndex,
    requests: role.waitingReads,
  };
  role.waitingReads = [];
  if (state.members.isQuorumAlone) {
    confirmRound(state, role);
    return;
  }
  sendHeartbeats(state, role);
}

/** Counts a follower's answer to a round. */
export function noteRound(
  state: RaftState,
  role: LeaderRole,
  progress: Progress,
  round: number,
): void {
  if (round <= progress.readRound) return;
  progress.readRound = round;
  maybeConfirmRound(state, role);
}

/** Ends the round in flight when a majority has answered it: of the members in effect now. */
export function maybeConfirmRound(state: RaftState, role: LeaderRole): void {
  const current = role.readRound;
  if (current === undefined) return;
  let incoming = state.members.ownVotes & INCOMING;
  let outgoing = state.members.ownVotes >> 1;
  for (const peer of role.peers) {
    if (peer.readRound < current.round) continue;
    incoming += peer.votes & INCOMING;
    outgoing += peer.votes >> 1;
  }
  if (state.members.isQuorum(incoming, outgoing)) confirmRound(state, role);
}

/** A heartbeat to everybody, with the newest round. */
export function sendHeartbeats(state: RaftState, role: LeaderRole): void {
  role.heartbeatDueMs = state.nowMs + state.heartbeatMs;
  let readRound = role.readRound?.round ?? 0;
  if (role.lease !== undefined) {
    // Only a numbered heartbeat says when what its answer promises begins.
    if (readRound === 0) readRound = ++state.lastReadRound;
    noteHeartbeats(state, role.lease, readRound);
  }
  for (const progress of role.peers) sendHeartbeat(state, progress, readRound, true);
}

/** The commit index in it is bounded by what the follower has. */
export function sendHeartbeat(
  state: RaftState,
  progress: Progress,
  readRound: number,
  wantsReply: boolean,
): void {
  const commitIndex = Math.min(progress.matchIndex, state.log.commitIndex) as LogIndex;
  if (commitIndex > progress.commitSent) progress.commitSent = commitIndex;
  const message: HeartbeatArg = {
    kind: "heartbeat",
    from: state.id,
    to: progress.peer,
    term: state.term,
    commitIndex,
    readRound,
    wantsReply,
  };
  send(state, message);
}

/** The role ends, or its leader is gone: reads that wait come back without an index. */
export function returnReads(state: RaftState): void {
  const role = state.role;
  if (role.kind === "leader") {
    if (role.readRound !== undefined) returnRequests(state, role.readRound.requests);
    returnRequests(state, role.waitingReads);
    role.readRound = undefined;
    role.waitingReads = [];
  } else if (role.kind === "follower" || role.kind === "learner") {
    for (const { readId } of role.pendingReads) {
      state.outbox.reads.push({ readId, index: undefined, clockMs: 0 });
    }
    role.pendingReads = [];
  }
}

/** The leader is gone, the term is not over: nothing is asked of it or owed to it any more. */
export function forgetLeader(state: RaftState, role: FollowerRole): void {
  returnReads(state);
  role.leaderId = undefined;
  role.ackDue = false;
}

function returnRequests(state: RaftState, requests: readonly ReadRequest[]): void {
  for (const request of requests) answer(state, request, undefined);
}

function addRead(state: RaftState, role: LeaderRole, request: ReadRequest): void {
  if (isLeaseHeld(state, role)) {
    state.readsByLease++;
    answer(state, request, state.log.commitIndex);
    return;
  }
  // Asked for again while no round can begin: a few wait, one or so a member.
  const isSame = ({ from, readId }: ReadRequest) =>
    from === request.from && readId === request.readId;
  if (role.waitingReads.some(isSame)) return;
  role.waitingReads.push(request);
  state.flushDue = true;
}

function confirmRound(state: RaftState, role: LeaderRole): void {
  const round = role.readRound;
  if (round === undefined) return;
  role.readRound = undefined;
  for (const request of round.requests) answer(state, request, round.index);
  if (role.waitingReads.length > 0) state.flushDue = true;
}

function answer(state: RaftState, request: ReadRequest, index: LogIndex | undefined): void {
  if (request.from === state.id) {
    state.outbox.reads.push({ readId: request.readId, index, clockMs: 0 });
  } else sendReadReply(state, request.from, request.readId, index);
}

function sendReadIndex(state: RaftState, leaderId: NodeId, readId: number): void {
  const message: ReadIndexArg = {
    kind: "readIndex",
    from: state.id,
    to: leaderId,
    term: state.term,
    readId,
  };
  send(state, message);
}

function sendReadReply(
  state: RaftState,
  to: NodeId,
  readId: number,
  index: LogIndex | undefined,
): void {
  const message: ReadIndexReply = {
    kind: "readIndexReply",
    from: state.id,
    to,
    term: state.term,
    readId,
    ...(index === undefined ? {} : { index }),
    clockMs: 0,
  };
  send(state, message);
}
