/**
 * Where messages wait for the next `Ready`. A message may leave at once only when it promises
 * nothing that is not durable; the sender's term is such a promise too.
 */

import type { NodeId, Term } from "../base/mod.ts";
import type { AppendEntriesReply, RaftMessage } from "./message.ts";
import type { RaftState } from "./state.ts";

/** Sends a message that promises no more than the sender's term. */
export function send(state: RaftState, message: RaftMessage): void {
  if (state.term === state.outstanding.durableTerm) state.outbox.messages.push(message);
  else state.outbox.messagesAfterPersist.push(message);
}

/** Sends a message that promises a vote or entries: it leaves when they are durable. */
export function sendAfterPersist(state: RaftState, message: RaftMessage): void {
  state.outbox.messagesAfterPersist.push(message);
}

/**
 * Whether `message` of `Ready.messagesAfterPersist` promises no more than term and vote. The vote for
 * itself that a campaign asks with is one, too; but a node that cannot write should not lead.
 */
export function promisesOnlyHardState(message: { readonly kind: string }): boolean {
  return message.kind === "requestVoteReply";
}

/**
 * Whether `message` acknowledges entries to the leader of an older term than `term`, the one that this
 * node is in. Such a message must not leave any more: without room, entries that were not durable did
 * not count when this node voted in the newer term, and they must not count for the older one either.
 */
export function isLateAcknowledgement(
  message: { readonly kind: string; readonly term: Term },
  term: Term,
): boolean {
  return message.kind === "appendEntriesReply" && message.term < term;
}

/** Tells the leader of an older term that there is a newer one; it steps down (thesis §3.3). */
export function sendNewerTerm(state: RaftState, to: NodeId): void {
  const last = state.log.last;
  const reply: AppendEntriesReply = {
    kind: "appendEntriesReply",
    from: state.id,
    to,
    term: state.term,
    index: last.index,
    conflict: last,
  };
  send(state, reply);
}
