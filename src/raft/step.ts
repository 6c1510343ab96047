/** Where every event goes: by kind, then by term (Raft thesis §3.3), then by role. */

import { assert, type LogIndex, unreachable } from "../base/mod.ts";
import {
  campaign,
  handlePeerClosed,
  handleRequestVote,
  handleRequestVoteReply,
  handleTimeoutNow,
  isProtected,
  sendVote,
} from "./candidate.ts";
import { armElectionTimer } from "./election_timer.ts";
import { handleAppendEntries, handleHeartbeat } from "./follower.ts";
import {
  handleAppendEntriesReply,
  handleFetched,
  handleFollowerClosed,
  handleHeartbeatReply,
  handlePropose,
  handleStepDown,
  tickLeader,
} from "./leader.ts";
import { forgetPromises, isPromised } from "./lease.ts";
import { handleChangeMembers, handleConfigurationsFound } from "./membership.ts";
import type { AppendEntriesReply, HeartbeatReply, RaftMessage } from "./message.ts";
import { sendNewerTerm } from "./outbox.ts";
import {
  handleAbandonRead,
  handleRead,
  handleReadIndex,
  handleReadIndexReply,
} from "./read_index.ts";
import type { RaftEvent, StepResult } from "./ready.ts";
import { maybeCommit } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import { handleSnapshot, handleSnapshotDone, handleSnapshotWanted } from "./snapshot.ts";
import type { RaftState } from "./state.ts";
import { DONE, ignored } from "./step_result.ts";
import { handleTransfer } from "./transfer.ts";

export function stepEvent(state: RaftState, event: RaftEvent): StepResult {
  switch (event.kind) {
    case "message":
      return stepMessage(state, event.message);
    case "tick":
      return stepTick(state, event.nowMs);
    case "propose":
      return handlePropose(state, event.entryKind, event.record, event.awaitedBy);
    case "read":
      return handleRead(state, event.readId);
    case "abandonRead":
      return handleAbandonRead(state, event.readId);
    case "persisted":
      return stepPersisted(state, event.number, event.part);
    case "diskRoom":
      state.hasDiskRoom = event.hasRoom;
      return DONE;
    case "applied":
      return stepApplied(state, event.index);
    case "fetched":
      return handleFetched(state, event.peer, event.first, event.entries);
    case "peerClosed":
      return state.role.kind === "leader"
        ? handleFollowerClosed(state, state.role, event.peer)
        : handlePeerClosed(state, event.peer);
    case "changeMembers":
      return handleChangeMembers(state, event.change);
    case "compacted":
      state.log.compactTo(event.start);
      return DONE;
    case "snapshotReceived":
      return handleSnapshot(state, event);
    case "snapshotDone":
      return handleSnapshotDone(state, event.peer, event.sent);
    case "snapshotWanted":
      return handleSnapshotWanted(state, event.peer);
    case "damaged":
      state.damaged = true;
      return DONE;
    case "repaired":
      state.damaged = false;
      return DONE;
    case "suspended":
      if (state.role.kind === "leader") forgetPromises(state, state.role);
      return DONE;
    case "lost":
      state.log.lose(event.through);
      // Whoever lacks them needs a snapshot now.
      state.flushDue = state.role.kind === "leader";
      return DONE;
    case "configurationsFound":
      return handleConfigurationsFound(state, event.configurations);
    case "transfer":
      return handleTransfer(state, event.to);
    case "stepDown":
      return handleStepDown(state);
    default:
      return unreachable(event);
  }
}

function stepTick(state: RaftState, nowMs: number): StepResult {
  const gapMs = nowMs - state.nowMs;
  if (gapMs < 0) return ignored("time does not run backwards");
  state.nowMs = nowMs;
  const role = state.role;
  if (role.kind === "leader") {
    if (gapMs > 2 * state.heartbeatMs) forgetPromises(state, role);
    tickLeader(state, role);
  } else if (role.kind === "learner") return DONE;
  else if (!state.members.isQuorumAlone && gapMs > state.electionTimeoutMs.min) {
    // The process was stopped: a leader may be well, its messages are only not read yet.
    armElectionTimer(state);
  } else if (
    nowMs >= state.timer.deadlineMs && nowMs >= state.timer.blockedUntilMs && !isPromised(state)
  ) {
    campaign(state);
  }
  return DONE;
}

function stepPersisted(
  state: RaftState,
  number: number,
  part: "hardState" | undefined,
): StepResult {
  assert(number <= state.readyNumber, `Cannot settle Ready ${number}: it was never handed out`);
  if (part === "hardState") {
    state.outstanding.settleHardState(number);
    return DONE;
  }
  state.log.stableTo(state.outstanding.settle(number));
  if (state.role.kind === "leader") maybeCommit(state, state.role);
  return DONE;
}

function stepApplied(state: RaftState, index: LogIndex): StepResult {
  // A snapshot may have taken the place of what was being applied.
  if (index <= state.log.startIndex) return ignored("in a snapshot");
  state.log.appliedTo(index);
  return DONE;
}

function stepMessage(state: RaftState, message: RaftMessage): StepResult {
  assert(message.to === state.id, `Cannot take a message for node ${message.to}`);
  if (message.from === state.id) return ignored("from itself");
  if (message.term < state.term) return stepOlder(state, message);
  if (state.members.isRemoved(message.from) && mayDisturb(state, message)) {
    return ignored("from a removed member");
  }
  if (message.term > state.term) {
    if (message.kind === "requestVote") {
      if (!message.preVote) {
        if (isProtected(state, message)) return ignored("a leader is alive");
        becomeFollower(state, message.term, undefined);
      }
    } else if (message.kind !== "requestVoteReply" || !message.preVote || !message.granted) {
      becomeFollower(state, message.term, leaderOf(message));
    }
  }
  return stepCurrent(state, message);
}

/** The sender is behind: tells it so where it helps, and has no other effect. */
function stepOlder(state: RaftState, message: RaftMessage): StepResult {
  switch (message.kind) {
    case "appendEntries":
    case "heartbeat":
      sendNewerTerm(state, message.from);
      return ignored("an older leader");
    case "requestVote":
      sendVote(state, message, false);
      return ignored("an older candidate");
    case "requestVoteReply":
      // A pre-vote may be refused by somebody with a lower term and a longer log.
      if (message.preVote && !message.granted) return handleRequestVoteReply(state, message);
      return ignored("an older vote");
    default:
      return ignored("an older term");
  }
}

function stepCurrent(state: RaftState, message: RaftMessage): StepResult {
  switch (message.kind) {
    case "requestVote":
      return handleRequestVote(state, message);
    case "requestVoteReply":
      return handleRequestVoteReply(state, message);
    case "appendEntries":
      return handleAppendEntries(state, message);
    case "heartbeat":
      return handleHeartbeat(state, message);
    case "appendEntriesReply":
    case "heartbeatReply":
      return stepLeaderReply(state, message);
    case "readIndex":
      return handleReadIndex(state, message);
    case "readIndexReply":
      return handleReadIndexReply(state, message);
    case "timeoutNow":
      return handleTimeoutNow(state, message);
    default:
      return unreachable(message);
  }
}

function stepLeaderReply(
  state: RaftState,
  message: AppendEntriesReply | HeartbeatReply,
): StepResult {
  const role = state.role;
  if (role.kind !== "leader") return ignored("leads no more");
  const progress = role.peers.find((peer) => peer.peer === message.from);
  if (progress === undefined) return ignored("from a stranger");
  return message.kind === "heartbeatReply"
    ? handleHeartbeatReply(state, role, progress, message)
    : handleAppendEntriesReply(state, role, progress, message);
}

/**
 * What a removed member may not do is to raise the term or to ask for votes. It may answer the leader
 * that tells it of its removal, or be that leader until another one has taken over.
 */
function mayDisturb({ term }: RaftState, message: RaftMessage): boolean {
  return message.term > term || message.kind === "requestVote";
}

/** Only a leader sends these. */
function leaderOf(message: RaftMessage) {
  switch (message.kind) {
    case "appendEntries":
    case "heartbeat":
    case "timeoutNow":
      return message.from;
    default:
      return undefined;
  }
}
