/**
 * A node that may have lost entries which it acknowledged (its disk was damaged) must not help to
 * elect a leader without them: it neither votes nor campaigns until it has everything that could
 * have been committed with its help.
 *
 * That is so when its log equals its leader's up to a committed entry of the leader's own term:
 * 1. What it acknowledged in earlier terms and was committed is in that leader's log, before the
 *    entry. (Not so for an older committed entry: a new leader does not know yet what else is.)
 * 2. In this term it has acknowledged something before only if the term is that of its start. Then
 *    the entry must not be before the last one that the leader has told to be committed since: its
 *    leader takes no acknowledgement from before the start for what it commits after that.
 */

import type { LogIndex } from "../base/mod.ts";
import type { FollowerRole, RaftState } from "./state.ts";

/** Votes again when it is safe. */
export function maybeRecover(state: RaftState, role: FollowerRole): void {
  const { recoveringFrom, log, term } = state;
  const { leaderCommitIndex, matchedIndex } = role;
  if (recoveringFrom === undefined) return;
  if (term === recoveringFrom && leaderCommitIndex === 0) return;
  // A snapshot may have brought more than was told.
  const index = Math.max(log.commitIndex, term > recoveringFrom ? 0 : leaderCommitIndex);
  if (index === 0 || index > matchedIndex || index < log.startIndex) return;
  if (log.termAt(index as LogIndex) === term) state.recoveringFrom = undefined;
}
