/**
 * Sending entries (Raft thesis §3.5, §10.2.1) and deciding what is committed (§3.6.2). Everything
 * is sent when a `Ready` is taken, so that all that one turn proposed goes in one append.
 */

import type { LogIndex } from "../base/mod.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";
import type { AppendEntriesArg } from "./message.ts";
import { send } from "./outbox.ts";
import { INCOMING, OUTGOING } from "./members.ts";
import { advanceMembers } from "./membership.ts";
import { awaitsCommit, becomeSnapshot, type Progress } from "./progress.ts";
import { maybeStartRound, sendHeartbeat } from "./read_index.ts";
import type { LeaderRole, RaftState } from "./state.ts";
import { maybeSendTimeoutNow } from "./transfer.ts";

const NO_ENTRIES: readonly LogEntry[] = [];

/** Sends what followers lack, what they may commit, and a round of reads when one waits. */
export function flushLeader(state: RaftState, role: LeaderRole): void {
  if (!state.flushDue) return;
  if (!state.members.isSettled) advanceMembers(state, role);
  state.flushDue = false;
  maybeStartRound(state, role);
  const commitIndex = state.log.commitIndex;
  for (const progress of role.peers) {
    sendAppends(state, progress);
    if (awaitsCommit(progress, commitIndex)) {
      sendHeartbeat(state, progress, 0, false);
    }
  }
  maybeSendTimeoutNow(state, role);
}

/** Whether `flushLeader` would have something for this follower. */
export function wantsFlush(state: RaftState, progress: Progress): boolean {
  return progress.nudge ||
    (progress.nextIndex <= state.log.last.index && progress.state !== "snapshot") ||
    (progress.state === "probe" && !progress.probeSent) ||
    awaitsCommit(progress, state.log.commitIndex);
}

/** Raises the commit index to what a majority has on disk, if that is an entry of this term. */
export function maybeCommit(state: RaftState, role: LeaderRole): void {
  const log = state.log;
  const index = quorumIndex(state, role);
  if (index <= log.commitIndex || index < role.firstIndex) return;
  log.commitTo(index as LogIndex);
  state.flushDue = true;
}

/** Entries that were read back for a follower (`Ready.fetches`). */
export function sendFetched(
  state: RaftState,
  progress: Progress,
  first: LogIndex,
  entries: readonly LogEntry[],
): void {
  if (progress.state !== "replicate" || progress.nextIndex !== first) return;
  if (first <= state.log.snapshotIndexMin) return;
  for (const entry of entries) {
    if (entry.index > state.log.last.index || state.log.termAt(entry.index) !== entry.term) return;
  }
  sendEntries(state, progress, entries);
}

function sendAppends(state: RaftState, progress: Progress): void {
  const { log, limits } = state;
  if (progress.state === "snapshot" || (progress.state === "probe" && progress.probeSent)) return;
  if (progress.nextIndex <= log.snapshotIndexMin) {
    becomeSnapshot(progress);
    state.outbox.snapshots.push({ peer: progress.peer });
    return;
  }
  const last = lastFor(state, progress);
  if (progress.state === "probe") {
    sendProbe(state, progress, last);
    return;
  }
  if (progress.nudge) {
    progress.nudge = false;
    progress.movedMs = state.nowMs;
    sendAppend(state, progress, NO_ENTRIES);
  }
  while (progress.nextIndex <= last && progress.fetchFirst === 0 && !progress.inflight.full) {
    const entries = log.entries(progress.nextIndex, last, limits.appendBytesMax);
    if (entries === undefined) fetch(state, progress);
    else sendEntries(state, progress, entries);
  }
}

/** Who has left gets what says so, and nothing more. */
function lastFor(state: RaftState, progress: Progress): LogIndex {
  return progress.departed?.index ?? state.log.last.index;
}

/** One append at a time; without entries when they would have to be read from disk first. */
function sendProbe(state: RaftState, progress: Progress, last: LogIndex): void {
  const { log, limits } = state;
  const entries = log.entries(progress.nextIndex, last, limits.appendBytesMax);
  progress.probeSent = true;
  progress.movedMs = state.nowMs;
  sendAppend(state, progress, entries ?? NO_ENTRIES);
}

/** Adds to the window of a follower whose log is known to match. */
function sendEntries(state: RaftState, progress: Progress, entries: readonly LogEntry[]): void {
  let bytes = 0;
  for (const entry of entries) bytes += entry.record.length;
  if (progress.inflight.count === 0) progress.movedMs = state.nowMs;
  sendAppend(state, progress, entries);
  progress.nextIndex = (progress.nextIndex + entries.length) as LogIndex;
  progress.inflight.add(progress.nextIndex - 1, bytes);
}

function sendAppend(state: RaftState, progress: Progress, entries: readonly LogEntry[]): void {
  const log = state.log;
  const index = (progress.nextIndex - 1) as LogIndex;
  const prev: EntryId = { term: log.termAt(index), index };
  const message: AppendEntriesArg = {
    kind: "appendEntries",
    from: state.id,
    to: progress.peer,
    term: state.term,
    prev,
    entries,
    commitIndex: log.commitIndex,
  };
  send(state, message);
  const covered = Math.min(log.commitIndex, index + entries.length) as LogIndex;
  if (covered > progress.commitSent) progress.commitSent = covered;
}

function fetch(state: RaftState, progress: Progress): void {
  const { log, limits, outbox } = state;
  const first = progress.nextIndex;
  progress.fetchFirst = first;
  outbox.fetches.push({
    peer: progress.peer,
    first,
    last: (log.firstCached - 1) as LogIndex,
    bytesMax: limits.appendBytesMax,
  });
}

/** The highest index that a majority of each set of voters has on disk. */
function quorumIndex(state: RaftState, role: LeaderRole): number {
  const { members } = state;
  const incoming = majorityIndex(state, role, INCOMING, members.incomingQuorum);
  if (!members.isJoint) return incoming;
  return Math.min(incoming, majorityIndex(state, role, OUTGOING, members.outgoingQuorum));
}

const scratch: number[] = [];

/** The highest index that `quorum` voters of one set have on disk; 0 when it has none. */
function majorityIndex(state: RaftState, role: LeaderRole, set: number, quorum: number): number {
  scratch.length = 0;
  if ((state.members.ownVotes & set) !== 0) scratch.push(state.log.stableIndex);
  for (const peer of role.peers) {
    if ((peer.votes & set) === 0) continue;
    // Insertion keeps the few numbers falling.
    let at = scratch.length;
    scratch.push(peer.matchIndex);
    for (; at > 0 && scratch[at - 1] < peer.matchIndex; at--) scratch[at] = scratch[at - 1];
    scratch[at] = peer.matchIndex;
  }
  return scratch.length < quorum ? 0 : scratch[quorum - 1];
}
