/** What is at and behind a bad place of a segment. Modifies nothing. */

import type { DiskFile } from "../platform/mod.ts";
import { FileWindow } from "./file_window.ts";
import { type Mark, MARK_BYTES, MARK_MAGIC, readMark } from "./segment_format.ts";

/** A disk writes this much whole or not at all. */
const SECTOR_BYTES = 512;

export interface PlacedMark extends Mark {
  readonly offset: number;
}

export interface SegmentTail {
  /** Bytes from the place to the last one that is not zero. */
  readonly bytes: number;
  /** The most that a mark there calls durable. */
  readonly durableBytes: number;
  /** The first mark there. */
  readonly mark: PlacedMark | undefined;
}

export async function readTail(
  file: DiskFile,
  from: number,
  markSeed: number,
): Promise<SegmentTail> {
  const fileBytes = await file.size();
  const window = new FileWindow(file, fileBytes);
  let lastNonZero = from - 1;
  let durableBytes = 0;
  let first: PlacedMark | undefined;
  for (let at = from; at < fileBytes;) {
    const length = await window.load(at, MARK_BYTES);
    if (length === 0) break;
    for (let within = 0; within < length; within++) {
      if (window.buffer[within] === 0) continue;
      lastNonZero = at + within;
      // A mark's magic is four bytes into it.
      if (window.buffer[within] !== (MARK_MAGIC & 0xff) || within < 4) continue;
      if (within - 4 + MARK_BYTES > length) continue;
      const offset = lastNonZero - 4;
      const mark = readMark(window.buffer, within - 4, { seed: markSeed, offset });
      if (mark === undefined) continue;
      durableBytes = Math.max(durableBytes, mark.durableBytes);
      first ??= { ...mark, offset };
    }
    // The next window overlaps this one by the length of a mark.
    if (at + length >= fileBytes) break;
    at += length - (MARK_BYTES - 1);
  }
  return { bytes: lastNonZero + 1 - from, durableBytes, mark: first };
}

/**
 * Whether a crash can have lost a part of what is at `at` to `end`: a sector of it is zeros, as free
 * space is, or its end and everything behind it. The last byte that is not zero is at
 * `nonZeroEnd` - 1.
 */
export async function isUnwritten(
  file: DiskFile,
  place: { readonly at: number; readonly end: number; readonly nonZeroEnd: number },
): Promise<boolean> {
  const { at, end, nonZeroEnd } = place;
  if (nonZeroEnd < end) return true;
  const window = new FileWindow(file, end + SECTOR_BYTES - at);
  for (let from = at; from < end;) {
    // What a lost sector would have held behind the place is missing with it.
    const next = from - from % SECTOR_BYTES + SECTOR_BYTES;
    if (!window.has(from, next - from)) await window.load(from, next - from);
    const start = from - window.start;
    const available = Math.min(next - from, window.length - start);
    if (window.buffer.subarray(start, start + available).every((byte) => byte === 0)) return true;
    from = next;
  }
  return false;
}
