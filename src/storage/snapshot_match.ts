/**
 * Which snapshot a node starts from, and whether its log goes on behind it, judged from what both
 * hold. Pure. A snapshot covers committed entries alone, so a log that ends before it, or has
 * another entry in its place, holds nothing more that counts; a log that begins later than the
 * snapshot ends leaves a gap, over which nothing is ever applied.
 */

import type { LogIndex, Term } from "../base/mod.ts";
import { ENTRY_ID_ZERO, type EntryId } from "../raft/mod.ts";

export interface LogReach {
  /** The entry before the first one. */
  readonly start: EntryId;
  readonly last: EntryId;
  /** The term of an entry from `start` to `last`. */
  readonly termAt: (index: LogIndex) => Term;
}

export type SnapshotMatch =
  /** The log holds the snapshot's last entry, or begins right behind it. */
  | "joined"
  /** The snapshot is ahead of the log: begin the log behind it. */
  | "reset"
  /** Entries between the two are missing: another snapshot is needed. */
  | "gap"
  /** The log has an entry of a later term where a committed one was. */
  | "contradiction";

export function matchSnapshot(snapshot: EntryId, log: LogReach): SnapshotMatch {
  if (snapshot.index < log.start.index) return "gap";
  if (snapshot.index > log.last.index) return "reset";
  const term = log.termAt(snapshot.index);
  if (term === snapshot.term) return "joined";
  return term < snapshot.term ? "reset" : "contradiction";
}

/** The snapshot, as named on disk, behind which a log without segments begins. */
export function startOfEmptyLog(
  firstSegment: LogIndex | undefined,
  named: readonly EntryId[],
): EntryId | undefined {
  if (firstSegment === undefined || firstSegment === 1) return ENTRY_ID_ZERO;
  return named.find(({ index }) => index === firstSegment - 1);
}
