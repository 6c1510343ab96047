/** What a leader does with proposals, answers and time (Raft thesis §3.5, §6.2, §6.4). */

import type { LogIndex, NodeId } from "../base/mod.ts";
import { armElectionTimer } from "./election_timer.ts";
import { notePromise } from "./lease.ts";
import { type EntryKind, type LogEntry, sealEntry } from "./log_entry.ts";
import { noteCatchUp, tendMembers } from "./membership.ts";
import { INCOMING } from "./members.ts";
import type { AppendEntriesReply, HeartbeatReply, RaftMessage } from "./message.ts";
import { becomeProbe, maybeAdvance, type Progress } from "./progress.ts";
import { noteRound, sendHeartbeats } from "./read_index.ts";
import type { StepResult } from "./ready.ts";
import { maybeCommit, sendFetched, wantsFlush } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import type { LeaderRole, RaftState } from "./state.ts";
import { DONE, ignored, refused } from "./step_result.ts";
import { endTransfer, repeatTimeoutNow } from "./transfer.ts";

/** Appends an entry. One entry always goes, however large, when nothing else is uncommitted. */
export function handlePropose(
  state: RaftState,
  entryKind: Exclude<EntryKind, "configuration">,
  record: Uint8Array,
  awaitedBy: NodeId | undefined,
): StepResult {
  const role = state.role;
  const { log, limits } = state;
  if (role.kind !== "leader") return refused("notLeader");
  if (role.transfer !== undefined) return refused("transferring");
  const uncommitted = log.uncommittedBytes;
  if (uncommitted > 0 && uncommitted + record.length > limits.uncommittedBytesMax) {
    return refused("uncommittedLimit");
  }
  const entry = sealEntry(record, entryKind, state.term, (log.last.index + 1) as LogIndex);
  log.append(entry);
  state.flushDue = true;
  if (awaitedBy !== undefined) {
    const progress = role.peers.find(({ peer }) => peer === awaitedBy);
    if (progress !== undefined) progress.awaitedIndex = entry.index;
  }
  return { kind: "proposed", id: log.last };
}

/** An answer of the current term. */
export function handleAppendEntriesReply(
  state: RaftState,
  role: LeaderRole,
  progress: Progress,
  message: AppendEntriesReply,
): StepResult {
  progress.lastContactMs = state.nowMs;
  if (message.conflict !== undefined) return handleRejection(state, progress, message);
  if (message.index > state.log.last.index) return ignored("beyond the log");
  const firstIndex = state.log.snapshotIndexMin + 1;
  const advanced = maybeAdvance(progress, message.index, state.nowMs, firstIndex);
  if (progress.catchUp !== undefined) noteCatchUp(state, progress);
  if (!advanced) return DONE;
  maybeCommit(state, role);
  if (wantsFlush(state, progress) || role.transfer !== undefined) state.flushDue = true;
  return DONE;
}

export function handleHeartbeatReply(
  state: RaftState,
  role: LeaderRole,
  progress: Progress,
  message: HeartbeatReply,
): StepResult {
  progress.lastContactMs = state.nowMs;
  notePromise(state, role, progress, message);
  noteRound(state, role, progress, message.readRound);
  // It can be reached and something is missing for a heartbeat already: assume a lost message.
  if (
    progress.matchIndex < state.log.last.index && progress.fetchFirst === 0 &&
    progress.state !== "snapshot" &&
    state.nowMs - progress.movedMs >= state.heartbeatMs
  ) {
    if (progress.state === "probe") progress.probeSent = false;
    else progress.nudge = true;
    state.flushDue = true;
  }
  return DONE;
}

export function handleFetched(
  state: RaftState,
  peer: NodeId,
  first: LogIndex,
  entries: readonly LogEntry[],
): StepResult {
  const role = state.role;
  const progress = role.kind === "leader" ? role.peers.find((p) => p.peer === peer) : undefined;
  if (progress === undefined || progress.fetchFirst !== first) return ignored("not asked for");
  progress.fetchFirst = 0;
  progress.movedMs = state.nowMs;
  if (entries.length === 0) return DONE;
  sendFetched(state, progress, first, entries);
  state.flushDue = true;
  return DONE;
}

/**
 * The follower's process closed its connection: what was in flight is lost. So may be what it had
 * acknowledged, where its fsync policy promises less than `always`: its match starts anew.
 */
export function handleFollowerClosed(
  state: RaftState,
  role: LeaderRole,
  peer: NodeId,
): StepResult {
  const progress = role.peers.find((p) => p.peer === peer);
  if (progress === undefined) return ignored("a stranger");
  if (progress.departed !== undefined) {
    role.peers = role.peers.filter((p) => p !== progress);
    return DONE;
  }
  const nextIndex = (progress.matchIndex + 1) as LogIndex;
  progress.matchIndex = 0 as LogIndex;
  progress.commitSent = 0 as LogIndex;
  if (progress.catchUp !== undefined) {
    progress.catchUp = { lastIndex: state.log.last.index, startMs: state.nowMs, done: false };
  }
  becomeProbe(progress, nextIndex);
  // It is not there: the next heartbeat that it answers starts the probe.
  progress.probeSent = true;
  return DONE;
}

/** Steps down without a majority (§6.2), else sends heartbeats when they are due. */
export function tickLeader(state: RaftState, role: LeaderRole): void {
  if (!isQuorumHeard(state, role)) {
    becomeFollower(state, state.term, undefined);
    return;
  }
  if (role.transfer !== undefined && state.nowMs >= role.transfer.deadlineMs) {
    endTransfer(state, role);
    if (state.role !== role) return;
  }
  if (state.nowMs < role.heartbeatDueMs) return;
  tendMembers(state, role);
  sendHeartbeats(state, role);
  repeatTimeoutNow(state, role);
}

/** The driver cannot trust its disk: follows, says nothing more as leader, does not campaign. */
export function handleStepDown(state: RaftState): StepResult {
  const role = state.role;
  const timer = state.timer;
  timer.blockedUntilMs = state.nowMs + state.electionTimeoutMs.max;
  timer.quickAttemptsLeft = 0;
  if (role.kind === "follower" || role.kind === "learner") return ignored("does not lead");
  const { outbox } = state;
  outbox.messages = outbox.messages.filter(isNotOfLeader);
  becomeFollower(state, state.term, undefined);
  armElectionTimer(state);
  return DONE;
}

function handleRejection(
  state: RaftState,
  progress: Progress,
  message: AppendEntriesReply,
): StepResult {
  const { index, conflict } = message;
  if (conflict === undefined || index <= progress.matchIndex) return ignored("an old rejection");
  if (progress.state === "replicate") {
    if (index >= progress.nextIndex) return ignored("an old rejection");
    becomeProbe(progress, (progress.matchIndex + 1) as LogIndex);
  } else {
    if (progress.state === "snapshot" || index !== progress.nextIndex - 1) {
      return ignored("an old rejection");
    }
    becomeProbe(progress, state.log.nextBehind(conflict));
  }
  state.flushDue = true;
  return DONE;
}

function isQuorumHeard(state: RaftState, role: LeaderRole): boolean {
  const sinceMs = state.nowMs - state.electionTimeoutMs.max;
  let incoming = state.members.ownVotes & INCOMING;
  let outgoing = state.members.ownVotes >> 1;
  for (const peer of role.peers) {
    if (peer.lastContactMs <= sinceMs) continue;
    incoming += peer.votes & INCOMING;
    outgoing += peer.votes >> 1;
  }
  return state.members.isQuorum(incoming, outgoing);
}

function isNotOfLeader(message: RaftMessage): boolean {
  return message.kind !== "appendEntries" && message.kind !== "heartbeat" &&
    message.kind !== "timeoutNow";
}
