/**
 * Reads a segment's records and marks in order, verifying everything, up to the first place that
 * is neither. Shared by recovery, `log verify` and `log dump`. Modifies nothing. What a later release
 * wrote is no damage: that is thrown as "newerFormat".
 */

import { crc32, DecodeError, NewerFormatError } from "../base/mod.ts";
import type { DiskFile } from "../platform/mod.ts";
import {
  type EntryId,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "../raft/mod.ts";
import { StorageError } from "./errors.ts";
import { FileWindow } from "./file_window.ts";
import { orderProblem } from "./log_serializer.ts";
import type { PlaceFound } from "./recovery_table.ts";
import { looksLikeMark, MARK_BYTES, readMark } from "./segment_format.ts";
import { readReadable } from "./readable.ts";
import { isUnwritten, readTail } from "./segment_tail.ts";

export interface ScanOptions {
  readonly file: DiskFile;
  /** For messages. */
  readonly path: string;
  /** Where to begin: behind the header, or at a record found by `findRecord`. */
  readonly from: number;
  /** The entry that the first record must follow; undefined after damage, for a report. */
  readonly previous: EntryId | undefined;
  readonly markSeed: number;
  /** `record` is valid only during the call. */
  readonly onRecord: (header: RecordHeader, offset: number, record: Uint8Array) => void;
}

export interface BadPlace {
  readonly found: PlaceFound;
  readonly reason: string;
  /** Bytes from the place to where the file was cut, or else to the last one that is not zero. */
  readonly bytes: number;
  /** What the header says, when it is good and the record ends at `next`. */
  readonly header: RecordHeader | undefined;
  /** Where the next record would begin, when the header here is good. */
  readonly next: number | undefined;
  /** A part of it that a crash can lose is zeros, or past the end of the file. */
  readonly unwritten: boolean;
  /** The next place that says which entry is before it. */
  readonly bound: { readonly offset: number; readonly last: EntryId } | undefined;
}

export interface SegmentScan {
  /** Where the first bad place is, or the end of the file. */
  readonly end: number;
  /** Where the last record ends: `end`, or before the marks there. */
  readonly recordsEnd: number;
  readonly fileBytes: number;
  readonly last: EntryId | undefined;
  readonly records: number;
  /** How much of the file any mark in it, before or behind `end`, calls durable. */
  readonly durableBytes: number;
  readonly bad: BadPlace | undefined;
}

type Stop = Pick<BadPlace, "found" | "reason" | "next" | "header">;

export async function scanSegment(options: ScanOptions): Promise<SegmentScan> {
  const { file, markSeed } = options;
  const fileBytes = await file.size();
  const window = new FileWindow(file, fileBytes);
  let at = options.from;
  let last = options.previous;
  let records = 0;
  let recordsEnd = at;
  let durableBytes = 0;
  let stop: Stop | undefined;
  while (at < fileBytes) {
    if (!window.has(at, RECORD_HEADER_BYTES)) await window.load(at, RECORD_HEADER_BYTES);
    const within = at - window.start;
    const available = window.length - within;
    if (available >= MARK_BYTES && looksLikeMark(window.buffer, within)) {
      const mark = readMark(window.buffer, within, { seed: markSeed, offset: at });
      if (mark === undefined) {
        stop = badHeader("no valid record or mark");
        break;
      }
      durableBytes = Math.max(durableBytes, mark.durableBytes);
      at += MARK_BYTES;
      continue;
    }
    const header = tryHeader(window.buffer, within, window.length);
    if (header instanceof NewerFormatError) throw newerFormat(options.path, at, header);
    if (header instanceof DecodeError) {
      stop = badHeader(header.message);
      break;
    }
    const bytes = RECORD_HEADER_BYTES + header.payloadBytes;
    if (at + bytes > fileBytes) {
      const reason = shortReason(header, fileBytes - at, bytes);
      stop = { found: "short", reason, next: undefined, header: undefined };
      break;
    }
    if (!window.has(at, bytes)) await window.load(at, bytes);
    stop = recordProblem(window, at, header, bytes, last);
    if (stop !== undefined) break;
    const start = at - window.start;
    options.onRecord(header, at, window.buffer.subarray(start, start + bytes));
    last = { term: header.term, index: header.index };
    records++;
    at += bytes;
    recordsEnd = at;
  }
  const common = { end: at, recordsEnd, fileBytes, last, records };
  if (stop === undefined) return { ...common, durableBytes, bad: undefined };
  const tail = await readTail(file, at, markSeed);
  if (tail.bytes === 0) stop = { ...badHeader("only zeros follow"), found: "zeros" };
  durableBytes = Math.max(durableBytes, tail.durableBytes);
  // Where the file ends within a record there is no free space: every byte was part of it.
  const isCut = stop.found === "short" || fileBytes - at < RECORD_HEADER_BYTES;
  const bytes = tail.bytes > 0 && isCut ? fileBytes - at : tail.bytes;
  const end = stop.next ?? at + RECORD_HEADER_BYTES;
  const unwritten = isCut || await isUnwritten(file, { at, end, nonZeroEnd: at + tail.bytes });
  const wasMark = stop.found === "header" && await isFollowed(window, at + MARK_BYTES, last);
  const bound = wasMark ? { offset: at + MARK_BYTES, last: last! } : tail.mark;
  return { ...common, durableBytes, bad: { ...stop, bytes, unwritten, bound } };
}

function newerFormat(path: string, at: number, error: NewerFormatError): StorageError {
  return new StorageError("newerFormat", `Cannot use ${path} at byte ${at}: ${error.message}`);
}

/** Whether the entry behind `last` is at `at`: then what is before can only have been a mark. */
async function isFollowed(
  window: FileWindow,
  at: number,
  last: EntryId | undefined,
): Promise<boolean> {
  if (last === undefined) return false;
  await window.load(at, RECORD_HEADER_BYTES);
  const header = tryHeader(window.buffer, 0, window.length);
  if (header instanceof DecodeError) return false;
  const bytes = RECORD_HEADER_BYTES + header.payloadBytes;
  if (!window.has(at, bytes)) await window.load(at, bytes);
  return window.length >= bytes && recordProblem(window, at, header, bytes, last) === undefined;
}

function badHeader(reason: string): Stop {
  return { found: "header", reason, next: undefined, header: undefined };
}

function tryHeader(buffer: Uint8Array, at: number, end: number): RecordHeader | DecodeError {
  try {
    return readRecordHeader(buffer, at, end);
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

function shortReason(header: RecordHeader, found: number, expected: number): string {
  return `entry ${header.index} is cut short: found ${found} bytes, expected ${expected}`;
}

function recordProblem(
  window: FileWindow,
  at: number,
  header: RecordHeader,
  bytes: number,
  last: EntryId | undefined,
): Stop | undefined {
  const start = at - window.start;
  const next = at + bytes;
  const checksum = crc32(window.buffer, start + RECORD_HEADER_BYTES, start + bytes);
  if (checksum !== header.payloadChecksum) {
    const reason = `the payload checksum of entry ${header.index} does not match`;
    return { found: "payload", reason, next, header };
  }
  const problem = orderProblem(last, header);
  return problem === undefined ? undefined : { found: "misplaced", reason: problem, next, header };
}

/**
 * The first whole record at or behind `from` with an index of at least `indexMin`: where a report
 * goes on after damage. Undefined when there is none.
 */
export async function findRecord(
  file: DiskFile,
  from: number,
  indexMin: number,
): Promise<number | undefined> {
  const fileBytes = await file.size();
  const bytes = new Uint8Array(Math.max(0, fileBytes - from));
  const length = await readReadable(file, bytes, from);
  for (let at = 0; at + RECORD_HEADER_BYTES <= length; at++) {
    if (bytes[at + 12] !== 1) continue;
    const header = tryHeader(bytes, at, length);
    if (header instanceof DecodeError || header.index < indexMin) continue;
    const end = at + RECORD_HEADER_BYTES + header.payloadBytes;
    if (end > length) continue;
    if (crc32(bytes, at + RECORD_HEADER_BYTES, end) === header.payloadChecksum) return from + at;
  }
  return undefined;
}
