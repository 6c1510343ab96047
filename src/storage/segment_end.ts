/** Says where a segment ends, for when nothing else says so any more. */

import { LogIndex, type Term } from "../base/mod.ts";
import { RECORD_HEADER_BYTES } from "../raft/mod.ts";
import { fullError } from "./disk_space.ts";
import type { PersistRecordFile } from "./persistence_file.ts";
import type { Segment } from "./segment.ts";
import { MARK_BYTES, putMark } from "./segment_format.ts";
import type { TermRuns } from "./term_runs.ts";

/**
 * Makes the persist record say, durably, that `segment` is durable up to `cut.offset`, where entry
 * `cut.index` begins: what is there and behind is about to go. Without `cut` it says nothing any more.
 * Throws "full"; then nothing was changed.
 */
export async function recordEnd(
  record: PersistRecordFile,
  segment: Segment,
  cut: { readonly index: LogIndex; readonly offset: number; readonly terms: TermRuns } | undefined,
): Promise<void> {
  if (cut === undefined) return await record.clear();
  const { first, previous, markSeed } = segment;
  if (segment.synced < cut.offset) {
    await segment.file.sync();
    segment.synced = segment.end;
  }
  const index = LogIndex(cut.index - 1);
  const last = index < first ? previous : { term: cut.terms.termAt(index), index };
  await record.replace({ segment: first, markSeed, durableBytes: cut.offset, last });
}

/**
 * Puts a mark in the segment behind everything, durably: what comes before was durable and ends
 * with the last entry, of `lastTerm`, also where it cannot be read. Throws "full"; then nothing was
 * changed.
 */
export async function markEnd(segment: Segment, lastTerm: Term): Promise<void> {
  const { file, markSeed, end, allocated } = segment;
  const last = { term: lastTerm, index: segment.last };
  const open = segment.holes.find((hole) => hole.end === undefined);
  // A hole that goes up to the end must have room for its entries.
  const offset = open === undefined
    ? end
    : Math.max(allocated, open.at + (open.last - open.first + 1) * RECORD_HEADER_BYTES);
  const mark = new Uint8Array(MARK_BYTES);
  putMark(mark, 0, { seed: markSeed, offset }, { durableBytes: offset, last });
  await file.sync();
  try {
    await file.write(mark, offset);
  } catch (error) {
    const full = fullError(error);
    if (full === undefined) throw error;
    segment.allocated = Math.min(offset, allocated);
    await file.truncate(segment.allocated);
    throw full;
  }
  await file.sync();
  segment.end = offset + MARK_BYTES;
  segment.allocated = Math.max(allocated, segment.end);
  segment.synced = segment.end;
  segment.marked = offset;
}
