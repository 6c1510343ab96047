/** What a follower does with its leader's messages (Raft thesis §3.5). */

import { assert, type LogIndex, type NodeId } from "../base/mod.ts";
import { noteLeaderContact } from "./election_timer.ts";
import { promise } from "./lease.ts";
import type { EntryId } from "./log_entry.ts";
import { appendEntry, truncateLog } from "./membership.ts";
import type {
  AppendEntriesArg,
  AppendEntriesReply,
  HeartbeatArg,
  HeartbeatReply,
} from "./message.ts";
import { send, sendAfterPersist } from "./outbox.ts";
import { resendReads } from "./read_index.ts";
import type { StepResult } from "./ready.ts";
import { maybeRecover } from "./recovery.ts";
import { becomeFollower } from "./roles.ts";
import type { FollowerRole, RaftState } from "./state.ts";
import { DONE } from "./step_result.ts";

/** An append of the current term: the next `Ready` acknowledges it once it is durable. */
export function handleAppendEntries(state: RaftState, message: AppendEntriesArg): StepResult {
  const role = follow(state, message.from);
  const log = state.log;
  if (!log.has(message.prev)) {
    noteLeaderCommit(role, message.commitIndex);
    rejectAppend(state, message.from, message.prev);
    return DONE;
  }
  appendMissing(state, role, message);
  const matched = message.prev.index + message.entries.length;
  if (matched > role.matchedIndex) role.matchedIndex = matched as LogIndex;
  role.ackDue = true;
  learnCommit(state, role, message.commitIndex);
  maybeRecover(state, role);
  return DONE;
}

export function handleHeartbeat(state: RaftState, message: HeartbeatArg): StepResult {
  const role = follow(state, message.from);
  if (state.recoveringFrom === undefined) state.log.commitTo(message.commitIndex);
  else {
    // What this node acknowledged before it started may not be here.
    state.log.commitTo(Math.min(message.commitIndex, role.matchedIndex) as LogIndex);
    maybeRecover(state, role);
  }
  if (!message.wantsReply) return DONE;
  const reply: HeartbeatReply = {
    kind: "heartbeatReply",
    from: state.id,
    to: message.from,
    term: state.term,
    readRound: message.readRound,
    leaseMs: promise(state),
  };
  send(state, reply);
  if (role.pendingReads.length > 0) resendReads(state, role, message.from);
  return DONE;
}

/** The leader has committed up to `index`; so has this node, as far as its log is the leader's. */
export function learnCommit(state: RaftState, role: FollowerRole, index: LogIndex): void {
  noteLeaderCommit(role, index);
  state.log.commitTo(Math.min(role.leaderCommitIndex, role.matchedIndex) as LogIndex);
}

function noteLeaderCommit(role: FollowerRole, index: LogIndex): void {
  if (index > role.leaderCommitIndex) role.leaderCommitIndex = index;
}

/** Puts the acknowledgement of everything matched so far into the `Ready` that makes it true. */
export function flushFollower(state: RaftState, role: FollowerRole): void {
  if (!role.ackDue || role.leaderId === undefined) return;
  role.ackDue = false;
  const reply: AppendEntriesReply = {
    kind: "appendEntriesReply",
    from: state.id,
    to: role.leaderId,
    term: state.term,
    index: role.matchedIndex,
  };
  sendAfterPersist(state, reply);
}

/** The sender leads the current term: whatever this node was, it follows now. */
export function follow(state: RaftState, leaderId: NodeId): FollowerRole {
  const role = state.role;
  if (role.kind === "follower" || role.kind === "learner") {
    if (role.leaderId !== leaderId) {
      assert(
        role.leaderId === undefined,
        `Cannot follow node ${leaderId}: node ${role.leaderId} leads term ${state.term} too`,
      );
      role.leaderId = leaderId;
    }
    noteLeaderContact(state, leaderId);
    return role;
  }
  assert(
    role.kind !== "leader",
    `Cannot follow node ${leaderId}: this node leads term ${state.term}`,
  );
  return becomeFollower(state, state.term, leaderId);
}

function appendMissing(state: RaftState, role: FollowerRole, message: AppendEntriesArg): void {
  const { log } = state;
  let index = message.prev.index as number;
  for (const entry of message.entries) {
    index++;
    if (entry.index !== index) {
      assert(false, `Cannot append entry ${entry.index}: expected ${index} at this place`);
    }
    if (index <= log.last.index) {
      // What was compacted away is committed, and so the same.
      if (index < log.startIndex || log.termAt(entry.index) === entry.term) continue;
      assert(
        index > role.matchedIndex,
        `Cannot replace entry ${index}: it matched this term's leader already`,
      );
      truncateLog(state, entry.index);
    }
    appendEntry(state, entry);
  }
}

function rejectAppend(state: RaftState, to: NodeId, prev: EntryId): void {
  const log = state.log;
  assert(
    prev.index > log.commitIndex,
    `Cannot reject entry ${prev.index} of term ${prev.term}: commit index is ${log.commitIndex}`,
  );
  const reply: AppendEntriesReply = {
    kind: "appendEntriesReply",
    from: state.id,
    to,
    term: state.term,
    index: prev.index,
    conflict: log.lastUpToTerm(prev),
  };
  sendAfterPersist(state, reply);
}
