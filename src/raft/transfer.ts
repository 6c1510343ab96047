/** Handing leadership to another voter (Raft thesis §3.10). */

import type { NodeId } from "../base/mod.ts";
import { giveUpLease } from "./lease.ts";
import { INCOMING } from "./members.ts";
import type { TimeoutNow } from "./message.ts";
import { send } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import type { StepResult } from "./ready.ts";
import { becomeFollower } from "./roles.ts";
import type { LeaderRole, RaftState } from "./state.ts";
import { DONE, ignored, refused } from "./step_result.ts";

/** Starts to hand over; proposals are refused until it is done or an election timeout passed. */
export function handleTransfer(state: RaftState, to: NodeId | undefined): StepResult {
  const role = state.role;
  if (role.kind !== "leader") return refused("notLeader");
  if (role.transfer !== undefined) return refused("transferring");
  if (to === state.id) return ignored("this node leads already");
  const target = to === undefined ? mostCaughtUp(role) : role.peers.find((p) => p.peer === to);
  if (target === undefined || !isVoterForLong(target)) return refused("noSuchVoter");
  const deadlineMs = state.nowMs + state.electionTimeoutMs.min;
  giveUpLease(role);
  role.transfer = { to: target.peer, deadlineMs, timeoutNowSent: false, leaving: false };
  state.flushDue = true;
  return DONE;
}

/** Asks the target to campaign as soon as its log is complete. */
export function maybeSendTimeoutNow(state: RaftState, role: LeaderRole): void {
  const transfer = role.transfer;
  if (transfer === undefined || transfer.timeoutNowSent) return;
  const target = role.peers.find((peer) => peer.peer === transfer.to);
  if (target === undefined || target.matchIndex !== state.log.last.index) return;
  transfer.timeoutNowSent = true;
  const message: TimeoutNow = {
    kind: "timeoutNow",
    from: state.id,
    to: transfer.to,
    term: state.term,
  };
  send(state, message);
}

/** An election timeout has passed: gives up, or stops leading when this node is leaving anyway. */
export function endTransfer(state: RaftState, role: LeaderRole): void {
  if (role.transfer?.leaving === true) becomeFollower(state, state.term, undefined);
  else {
    role.transfer = undefined;
    // A change of the members may have waited.
    state.flushDue = true;
  }
}

/** Until then a heartbeat's pace repeats a `TimeoutNow` that may be lost. */
export function repeatTimeoutNow(state: RaftState, role: LeaderRole): void {
  if (role.transfer === undefined) return;
  role.transfer.timeoutNowSent = false;
  state.flushDue = true;
}

/** The voter with the longest log, of equals the one heard last. */
export function mostCaughtUp(role: LeaderRole): Progress | undefined {
  let best: Progress | undefined;
  for (const peer of role.peers) {
    if (!isVoterForLong(peer)) continue;
    if (
      best === undefined || peer.matchIndex > best.matchIndex ||
      (peer.matchIndex === best.matchIndex && peer.lastContactMs > best.lastContactMs)
    ) best = peer;
  }
  return best;
}

/** Votes in the newest configuration, and not only in one that it leaves. */
function isVoterForLong(progress: Progress): boolean {
  return (progress.votes & INCOMING) !== 0;
}
