/**
 * Snapshots as the core sees them (Raft thesis §5): it says who needs one, and what a received one
 * does to the log. Files, chunks and the machine are the driver's business.
 */

import type { LogIndex, NodeId } from "../base/mod.ts";
import { follow } from "./follower.ts";
import { becomeProbe } from "./progress.ts";
import type { RaftEvent, StepResult } from "./ready.ts";
import { becomeFollower, membersChanged } from "./roles.ts";
import type { FollowerRole, RaftState } from "./state.ts";
import { DONE, ignored } from "./step_result.ts";

type SnapshotReceived = Extract<RaftEvent, { kind: "snapshotReceived" }>;

/**
 * A whole snapshot is here. One that says nothing new is acknowledged all the same, so that its
 * sender goes on behind it.
 */
export function handleSnapshot(state: RaftState, event: SnapshotReceived): StepResult {
  if (event.from === state.id) return ignored("from itself");
  if (event.term < state.term) return ignored("an older leader");
  if (event.from === undefined && state.role.kind === "leader") return ignored("leads by now");
  if (event.term > state.term) becomeFollower(state, event.term, event.from);
  const role = event.from === undefined ? followNobody(state) : follow(state, event.from);
  const { log, members, outstanding } = state;
  const { last, configuration } = event;
  const isNews = log.needsSnapshot
    ? last.index >= log.snapshotIndexMin
    : last.index > log.commitIndex;
  if (isNews && (log.needsSnapshot || !log.has(last))) {
    if (log.restore(last)) {
      outstanding.truncateFrom(1 as LogIndex);
      members.truncateFrom(1 as LogIndex);
    }
    members.rebase(last.index, configuration);
    // The log may be committed further already, and say who the members are since.
    members.commitTo(log.commitIndex);
    membersChanged(state);
    state.outbox.snapshot = { last, configuration };
  } else if (isNews) log.commitTo(last.index);
  // Committed entries are the leader's; so is what the snapshot covers.
  const matched = Math.max(role.matchedIndex, Math.min(last.index, log.commitIndex));
  role.matchedIndex = matched as LogIndex;
  role.ackDue = role.leaderId !== undefined;
  return isNews ? DONE : ignored("not newer than what is here");
}

/** The sender leads no more, and who leads now is not known yet. */
function followNobody(state: RaftState): FollowerRole {
  const { role } = state;
  if (role.kind === "follower" || role.kind === "learner") return role;
  return becomeFollower(state, state.term, undefined);
}

/** The transfer to a follower has ended. What it has now, its acknowledgement says. */
export function handleSnapshotDone(state: RaftState, peer: NodeId, sent: boolean): StepResult {
  const { role, log } = state;
  const progress = role.kind === "leader" ? role.peers.find((p) => p.peer === peer) : undefined;
  if (progress === undefined || progress.state !== "snapshot") return ignored("not asked for");
  if (sent) {
    becomeProbe(progress, (log.snapshotIndexMin + 1) as LogIndex);
    state.flushDue = true;
  } else {
    becomeProbe(progress, (progress.matchIndex + 1) as LogIndex);
    // Not at once again: the next heartbeat that it answers starts over.
    progress.probeSent = true;
  }
  return DONE;
}

/** A follower whose log is well but whose machine has nothing to go on from. */
export function handleSnapshotWanted(state: RaftState, peer: NodeId): StepResult {
  const { role } = state;
  const progress = role.kind === "leader" ? role.peers.find((p) => p.peer === peer) : undefined;
  if (progress === undefined) return ignored("no member, or not the leader");
  if (progress.state === "snapshot") return ignored("asked for already");
  state.outbox.snapshots.push({ peer });
  return DONE;
}
