/**
 * Writes entries from another member where this log cannot be read. A crash at any step leaves a
 * place that is as damaged as before, or good: nothing else is written.
 */

import { LogIndex, type Term } from "../base/mod.ts";
import { type EntryId, type LogEntry, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import { fullError } from "./disk_space.ts";
import { CorruptionError } from "./errors.ts";
import type { Hole } from "./hole.ts";
import { LogSerializer } from "./log_serializer.ts";
import type { Segment } from "./segment.ts";
import { MARK_BYTES, putMark } from "./segment_format.ts";

/** Entries that cannot be read; all of them are needed to repair the range. */
export interface DamagedRange {
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** Of all of them. */
  readonly term: Term;
}

const serializer = new LogSerializer();

export function damagedIn(segments: readonly Segment[]): DamagedRange[] {
  return segments.flatMap(({ holes }) =>
    holes.filter(({ first, last }) => last >= first).map(({ first, last, term }) => ({
      first,
      last,
      term,
    }))
  );
}

/** What `RaftStorage.repair` says. */
export async function repairLog(
  segments: readonly Segment[],
  entries: readonly LogEntry[],
): Promise<void> {
  const byIndex = new Map<number, LogEntry>();
  for (const entry of entries) byIndex.set(entry.index, entry);
  for (const segment of segments) {
    for (const hole of segment.holes) await repairHole(segment, hole, byIndex);
  }
}

/**
 * Fills `hole` when `entries` has all that was in it, durably, and forgets it. Throws
 * `CorruptionError` when they cannot be what was there, "full" when the file must grow and cannot.
 */
async function repairHole(
  segment: Segment,
  hole: Hole,
  entries: ReadonlyMap<number, LogEntry>,
): Promise<void> {
  const records: LogEntry[] = [];
  for (let index: number = hole.first; index <= hole.last; index++) {
    const entry = entries.get(index);
    if (entry === undefined) return;
    if (entry.term !== hole.term) {
      throw refused(segment, hole, `entry ${index} has term ${entry.term}, not ${hole.term}`);
    }
    records.push(entry);
  }
  if (hole.hasHeader) await checkHeader(segment, hole, records[0]);
  const bytes = bytesFor(segment, hole, records);
  try {
    await segment.file.write(bytes, hole.at);
    if (hole.end === undefined) await segment.file.truncate(hole.at + bytes.length);
    await segment.file.sync();
  } catch (error) {
    throw fullError(error) ?? error;
  }
  if (hole.end === undefined) segment.grow(hole.at + bytes.length);
  segment.forgetHole(hole);
}

/** The header on disk is good, and names length and checksum of what belongs behind it. */
async function checkHeader(segment: Segment, hole: Hole, entry: LogEntry): Promise<void> {
  const header = new Uint8Array(RECORD_HEADER_BYTES);
  await segment.file.read(header, hole.at);
  if (header.every((byte, at) => byte === entry.record[at])) return;
  throw refused(segment, hole, `entry ${entry.index} is another one than its header says`);
}

/** The records, and marks where marks had been. */
function bytesFor(segment: Segment, hole: Hole, records: readonly LogEntry[]): Uint8Array {
  const recordBytes = serializer.bytesOf(records);
  const total = hole.end === undefined ? recordBytes : hole.end - hole.at;
  const rest = total - recordBytes;
  if (rest < 0 || rest % MARK_BYTES !== 0) {
    const found = `entries ${hole.first} to ${hole.last} have ${recordBytes} bytes`;
    throw refused(segment, hole, `${found}, expected ${total}`);
  }
  const bytes = new Uint8Array(total);
  serializer.serializeInto(records, bytes, 0);
  const last: EntryId = { term: hole.term, index: LogIndex(hole.last) };
  for (let at = recordBytes; at < total; at += MARK_BYTES) {
    const position = { seed: segment.markSeed, offset: hole.at + at };
    putMark(bytes, at, position, { durableBytes: hole.at, last });
  }
  return bytes;
}

function refused(segment: Segment, hole: Hole, reason: string): CorruptionError {
  return new CorruptionError(
    segment.path,
    hole.at,
    `it cannot be repaired with what another member has: ${reason}`,
    hole.first,
  );
}
