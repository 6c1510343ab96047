/** Elections: pre-vote, vote, and who gets them (Raft thesis §3.4, §3.6.1, §4.2.3, §9.6). */

import type { NodeId, Term } from "../base/mod.ts";
import {
  armElectionTimer,
  armForAnswers,
  armForRetry,
  armQuickElection,
  isLeaseAlive,
  postponeQuickAttempt,
  takeAttempt,
} from "./election_timer.ts";
import { isPromised } from "./lease.ts";
import type { RequestVoteArg, RequestVoteReply, TimeoutNow } from "./message.ts";
import { send, sendAfterPersist } from "./outbox.ts";
import { forgetLeader } from "./read_index.ts";
import type { StepResult } from "./ready.ts";
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from "./roles.ts";
import type { CampaignRole, RaftState } from "./state.ts";
import { DONE, ignored } from "./step_result.ts";

/** Whether this node could be of use as a leader, and may become one. */
export function canCampaign(state: RaftState): boolean {
  return state.members.mayLead && state.recoveringFrom === undefined && !state.damaged &&
    state.hasDiskRoom && !state.log.needsSnapshot && state.nowMs >= state.timer.blockedUntilMs;
}

/** The election timer ran out: asks whether an election could be won. */
export function campaign(state: RaftState): void {
  if (!canCampaign(state)) {
    armElectionTimer(state);
    return;
  }
  takeAttempt(state);
  becomePreCandidate(state);
  requestVotes(state, true, false);
  tally(state);
}

/** The leader's process closed its connection (architecture D10): campaigns soon. */
export function handlePeerClosed(state: RaftState, peer: NodeId): StepResult {
  const role = state.role;
  if (role.kind !== "follower" && role.kind !== "learner") return ignored("not the leader");
  if (role.leaderId !== peer) return ignored("not the leader");
  forgetLeader(state, role);
  if (role.kind === "follower") armQuickElection(state, peer);
  else state.timer.contactMs = -Infinity;
  return DONE;
}

/** The leader hands over: campaigns at once, without asking first (§3.10). */
export function handleTimeoutNow(state: RaftState, message: TimeoutNow): StepResult {
  const role = state.role;
  if (role.kind !== "follower" || role.leaderId !== message.from) return ignored("not its leader");
  if (!canCampaign(state)) return ignored("cannot lead for now");
  startElection(state, true);
  return DONE;
}

/** A request of the current term, or for a pre-vote of any term not below it. */
export function handleRequestVote(state: RaftState, message: RequestVoteArg): StepResult {
  const granted = state.recoveringFrom === undefined && hasEnough(state, message) &&
    (message.preVote ? wouldVote(state, message) : canVote(state, message));
  if (granted && message.preVote) {
    if (state.role.kind === "follower") postponeQuickAttempt(state);
  } else if (granted) {
    if (state.role.kind === "preCandidate") becomeFollower(state, state.term, undefined);
    state.votedFor = message.from;
    armForAnswers(state);
  }
  sendVote(state, message, granted);
  return DONE;
}

/** Whether a vote request of a later term must be left unheard: a leader is alive (§4.2.3). */
export function isProtected(state: RaftState, message: RequestVoteArg): boolean {
  return !message.transfer && (isLeaseAlive(state) || isPromised(state));
}

export function sendVote(state: RaftState, message: RequestVoteArg, granted: boolean): void {
  const { preVote, from: to } = message;
  const reply: RequestVoteReply = {
    kind: "requestVoteReply",
    from: state.id,
    to,
    // A granted pre-vote names the term that it is for, everything else the sender's.
    term: preVote && granted ? message.term : state.term,
    preVote,
    granted,
  };
  if (preVote) send(state, reply);
  else sendAfterPersist(state, reply);
}

/** An answer of this campaign's term; `step.ts` has dealt with newer and older terms. */
export function handleRequestVoteReply(state: RaftState, message: RequestVoteReply): StepResult {
  const role = state.role;
  if (message.preVote) {
    if (role.kind !== "preCandidate") return ignored("no pre-vote is open");
    if (message.granted && message.term !== state.term + 1) return ignored("of another term");
  } else if (role.kind !== "candidate") return ignored("no election is open");
  const [to, other] = message.granted ? [role.granted, role.refused] : [role.refused, role.granted];
  to.add(message.from);
  other.delete(message.from);
  tally(state);
  return DONE;
}

/**
 * Whether the candidate's log has everything that this node's help may have committed (§3.6.1). What
 * a disk without room could not take was promised to nobody, nor will it be to a leader of an older
 * term (`isLateAcknowledgement`): it must not keep others from leading.
 */
function hasEnough({ hasDiskRoom, log }: RaftState, { last }: RequestVoteArg): boolean {
  return log.isUpToDate(last) || (!hasDiskRoom && log.isStableUpToDate(last));
}

function wouldVote(state: RaftState, message: RequestVoteArg): boolean {
  return message.term > state.term && !isProtected(state, message);
}

function canVote(state: RaftState, message: RequestVoteArg): boolean {
  if (state.votedFor !== undefined) return state.votedFor === message.from;
  if (!message.transfer && isPromised(state)) return false;
  const role = state.role;
  if (role.kind === "preCandidate") return true;
  return (role.kind === "follower" || role.kind === "learner") && role.leaderId === undefined;
}

function tally(state: RaftState): void {
  const { role, members } = state;
  if (role.kind !== "preCandidate" && role.kind !== "candidate") return;
  if (members.areQuorum((id) => role.granted.has(id))) {
    if (role.kind === "preCandidate") startElection(state, false);
    else becomeLeader(state);
  } else if (members.areBlocking((id) => isLost(state, role, id))) {
    becomeFollower(state, state.term, undefined);
    armForRetry(state);
  }
}

/**
 * A leader whose process is gone will not answer: at the quick pace it counts as a refusal. Later it
 * may be back as a follower whose vote is needed.
 */
function isLost(state: RaftState, role: CampaignRole, id: NodeId): boolean {
  const { quickAttemptsLeft, closedLeader } = state.timer;
  return role.refused.has(id) ||
    (quickAttemptsLeft > 0 && id === closedLeader && !role.granted.has(id));
}

function startElection(state: RaftState, transfer: boolean): void {
  becomeCandidate(state);
  requestVotes(state, false, transfer);
  tally(state);
}

function requestVotes(state: RaftState, preVote: boolean, transfer: boolean): void {
  for (const voter of state.members.voters) {
    if (voter === state.id) continue;
    const message: RequestVoteArg = {
      kind: "requestVote",
      from: state.id,
      to: voter,
      term: preVote ? (state.term + 1) as Term : state.term,
      preVote,
      transfer,
      last: state.log.last,
    };
    if (preVote) send(state, message);
    else sendAfterPersist(state, message);
  }
}
