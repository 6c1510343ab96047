/** Reads entries across segments while they are written, cut and given up. */

import { LogIndex } from "../base/mod.ts";
import type { LogEntry } from "../raft/mod.ts";
import type { Segment } from "./segment.ts";

/** What `RaftStorage.read` says. `segments` is the list as it is at any moment. */
export async function readEntries(
  segments: readonly Segment[],
  first: LogIndex,
  last: LogIndex,
  bytesMax: number,
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  let bytes = 0;
  let next = first;
  while (next <= last && (bytes < bytesMax || entries.length === 0)) {
    const segment = segmentOf(segments, next);
    if (segment === undefined) break;
    const { generation } = segment;
    let part: LogEntry[];
    try {
      part = await segment.read(next, LogIndex(Math.min(last, segment.last)), bytesMax - bytes);
    } catch (error) {
      // Cut off meanwhile: look again for what is there now.
      if (segment.generation !== generation) continue;
      // What was read before it is good: it is the next read that has nothing to give.
      if (entries.length > 0) break;
      throw error;
    }
    if (segment.generation !== generation) continue;
    // The first entry of each part comes in any case, but only the very first may be too large.
    if (entries.length > 0 && bytes + part[0].record.length > bytesMax) break;
    for (const entry of part) {
      entries.push(entry);
      bytes += entry.record.length;
    }
    next = LogIndex(entries[entries.length - 1].index + 1);
  }
  return entries;
}

/** The segment that has entry `index`; undefined when none has. */
export function segmentOf(segments: readonly Segment[], index: LogIndex): Segment | undefined {
  for (let at = segments.length - 1; at >= 0; at--) {
    if (segments[at].first <= index) return index <= segments[at].last ? segments[at] : undefined;
  }
  return undefined;
}
