/**
 * Changes of the members while they happen (Raft thesis §4). A configuration is in effect as soon as
 * its entry is in the log. The leader takes every change from the joint configuration to the one
 * behind it by itself, whoever began it: what a leader leaves unfinished, the next one finishes.
 */

import type { LogIndex, NodeId, Term } from "../base/mod.ts";
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  isQuorum,
} from "./configuration.ts";
import { giveUpLease } from "./lease.ts";
import { commandOf, type LogEntry, recordWithPayload, sealEntry } from "./log_entry.ts";
import { beginChange, beginPromotion, endJoint, type MemberChange } from "./membership_change.ts";
import type { PlacedConfiguration } from "./members.ts";
import type { Progress } from "./progress.ts";
import type { StepResult } from "./ready.ts";
import { membersChanged } from "./roles.ts";
import type { LeaderRole, RaftState } from "./state.ts";
import { DONE, ignored, refused } from "./step_result.ts";
import { mostCaughtUp } from "./transfer.ts";

/**
 * Adds an entry to the log. Throws `DecodeError` when it is a configuration that a newer release
 * wrote: this one cannot go on.
 */
export function appendEntry(state: RaftState, entry: LogEntry): void {
  if (entry.kind !== "configuration") {
    state.log.append(entry);
    return;
  }
  const configuration = decodeConfiguration(commandOf(entry));
  state.log.append(entry);
  state.members.append(entry.index, configuration);
  membersChanged(state);
}

/** Cuts off the entries from `first` on: what they said of the members was never so. */
export function truncateLog(state: RaftState, first: LogIndex): void {
  state.log.truncateFrom(first);
  state.outstanding.truncateFrom(first);
  if (state.members.truncateFrom(first)) membersChanged(state);
}

/** Takes in what entries say that could not be read before; what was cut off meanwhile is no news. */
export function handleConfigurationsFound(
  state: RaftState,
  found: readonly (PlacedConfiguration & { readonly term: Term })[],
): StepResult {
  const { members, log } = state;
  let isNews = false;
  for (const { index, term, configuration } of found) {
    if (index <= log.start.index || index > log.last.index) continue;
    if (log.termAt(index) !== term) continue;
    isNews = members.insert({ index, configuration }) || isNews;
  }
  if (!isNews) return ignored("nothing new");
  members.commitTo(log.commitIndex);
  membersChanged(state);
  return DONE;
}

/** Begins a change, one at a time and not before this term has committed an entry (§4.1). */
export function handleChangeMembers(state: RaftState, change: MemberChange): StepResult {
  const { role, members, log } = state;
  if (role.kind !== "leader") return refused("notLeader");
  if (role.transfer !== undefined) return refused("transferring");
  if (log.commitIndex < role.firstIndex) return refused("notReady");
  if (members.isJoint || members.index > log.commitIndex) return refused("changePending");
  const start = beginChange(members.configuration, change, state.featureLevel);
  if ("refused" in start) return { kind: "invalid", text: start.refused };
  if (!canDecide(state, role, start.configuration)) return refused("tooFewConnected");
  appendConfiguration(state, start.configuration);
  return { kind: "proposed", id: log.last };
}

/** Does what follows by itself from what is committed: ends a change, leaves, or promotes. */
export function advanceMembers(state: RaftState, role: LeaderRole): void {
  const { members, log } = state;
  const { commitIndex } = log;
  if (members.index > commitIndex || commitIndex < role.firstIndex) return;
  if (role.transfer !== undefined) return;
  if (members.isJoint) appendConfiguration(state, endJoint(members.configuration));
  else if (members.ownVotes === 0) leave(state, role);
  else promoteNext(state, role);
}

/** A joining member has acknowledged something: whether it may vote now (§4.2.1). */
export function noteCatchUp(state: RaftState, progress: Progress): void {
  const { catchUp } = progress;
  if (catchUp === undefined || catchUp.done || progress.matchIndex < catchUp.lastIndex) return;
  const last = state.log.last.index;
  const tookMs = state.nowMs - catchUp.startMs;
  if (tookMs <= state.electionTimeoutMs.min || progress.matchIndex === last) {
    catchUp.done = true;
    state.flushDue = true;
  } else {
    catchUp.lastIndex = last;
    catchUp.startMs = state.nowMs;
  }
}

/**
 * With each heartbeat: tries again to promote, since whoever had caught up may not have been in
 * touch; and forgets those that left some time ago: they have heard of it, or are not there.
 */
export function tendMembers(state: RaftState, role: LeaderRole): void {
  const untilMs = state.nowMs - state.electionTimeoutMs.max;
  let someGone = false;
  for (const { catchUp, departed } of role.peers) {
    if (catchUp !== undefined && catchUp.done) state.flushDue = true;
    if (departed !== undefined && departed.sinceMs < untilMs) someGone = true;
  }
  if (!someGone || state.members.index > state.log.commitIndex) return;
  role.peers = role.peers.filter(({ departed }) =>
    departed === undefined || departed.sinceMs >= untilMs
  );
}

/** A leader that is no voter any more leads only until another one has taken over (§4.2.2). */
function leave(state: RaftState, role: LeaderRole): void {
  const target = mostCaughtUp(role);
  if (target === undefined) return;
  const deadlineMs = state.nowMs + state.electionTimeoutMs.min;
  giveUpLease(role);
  role.transfer = { to: target.peer, deadlineMs, timeoutNowSent: false, leaving: true };
}

function promoteNext(state: RaftState, role: LeaderRole): void {
  for (const progress of role.peers) {
    if (progress.catchUp === undefined || !progress.catchUp.done) continue;
    if (progress.state !== "replicate") continue;
    if (state.nowMs - progress.lastContactMs > state.electionTimeoutMs.min) continue;
    const configuration = beginPromotion(state.members.configuration, progress.peer);
    if (!canDecide(state, role, configuration)) continue;
    appendConfiguration(state, configuration);
    return;
  }
}

/**
 * Whether so many of its voters answer that it could commit something. One whose process closed its
 * connection has no match until it is back.
 */
function canDecide(state: RaftState, role: LeaderRole, configuration: Configuration): boolean {
  const sinceMs = state.nowMs - state.electionTimeoutMs.min;
  const isHeard = (id: NodeId) =>
    id === state.id ||
    role.peers.some((peer) =>
      peer.peer === id && peer.matchIndex > 0 && peer.lastContactMs > sinceMs
    );
  return isQuorum(configuration, isHeard);
}

function appendConfiguration(state: RaftState, configuration: Configuration): void {
  const record = recordWithPayload(encodeConfiguration(configuration));
  const index = (state.log.last.index + 1) as LogIndex;
  appendEntry(state, sealEntry(record, "configuration", state.term, index));
  state.flushDue = true;
}
