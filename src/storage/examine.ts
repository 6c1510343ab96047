/** Looks for what cannot be read in a segment that is in use, after a read has failed. */

import { LogIndex } from "../base/mod.ts";
import { CorruptionError } from "./errors.ts";
import { type Bound, hiddenHole, type Hole, holeOf } from "./hole.ts";
import { segmentOf } from "./log_reader.ts";
import type { LogWriter } from "./log_writer.ts";
import type { EntryId } from "../raft/mod.ts";
import type { Segment } from "./segment.ts";
import { SEGMENT_HEADER_BYTES } from "./segment_format.ts";
import { scanSegment, type SegmentScan } from "./segment_scanner.ts";

/** Everything before the end of a segment in use was written, so all that is bad is damage. */
export async function examineLog(log: LogWriter, index: LogIndex): Promise<void> {
  const segment = segmentOf(log.segments, index);
  if (segment === undefined) return;
  const lastId: EntryId = { term: log.termAt(segment.last), index: segment.last };
  const end: Bound = { offset: segment.end, last: lastId };
  let last: EntryId = segment.previous;
  let from: number | undefined = SEGMENT_HEADER_BYTES;
  while (from !== undefined && from < segment.end) {
    const { file, markSeed } = segment;
    const scan: SegmentScan = await scanSegment({
      file,
      path: segment.path,
      from,
      previous: last,
      markSeed,
      onRecord: () => {},
    });
    last = scan.last ?? last;
    if (scan.end >= segment.end) return;
    const hole = holeAt(segment, scan, last, end);
    last = { term: hole.term, index: LogIndex(hole.last) };
    from = hole.end;
  }
}

/** The hole where a scan ended, one that is known already or a new one. */
function holeAt(segment: Segment, scan: SegmentScan, last: EntryId, end: Bound): Hole {
  const known = segment.holes.find(({ at }) => at === scan.end);
  if (known !== undefined) return known;
  const { bad } = scan;
  const reason = bad?.reason ?? "the file ends too early";
  if (bad?.found === "misplaced") throw new CorruptionError(segment.path, scan.end, reason);
  const hole = bad === undefined
    ? hiddenHole(scan.end, last, end)
    : holeOf(bad.found === "payload" ? "damaged" : "hidden", { at: scan.end, last, bad }, end);
  if (typeof hole === "string") {
    throw new CorruptionError(segment.path, scan.end, `${reason}, and ${hole}`);
  }
  segment.noteHole(hole);
  return hole;
}
