/**
 * Reads a segment's records and marks in order, verifying everything, up to the first place that
 * is neither. Shared by recovery, `log verify` and `log dump`. Modifies nothing.
 */

import { crc32, DecodeError } from "../base/mod.ts";
import type { DiskFile } from "../platform/mod.ts";
import {
  type EntryId,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "../raft/mod.ts";
import { FileWindow } from "./file_window.ts";
import { orderProblem } from "./log_serializer.ts";
import type { PlaceFound } from "./recovery_table.ts";
import { looksLikeMark, MARK_BYTES, MARK_MAGIC, readMark } from "./segment_format.ts";

export interface ScanOptions {
  readonly file: DiskFile;
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
  /** Where the next record would begin, when the header here is good. */
  readonly next: number | undefined;
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

type Stop = Omit<BadPlace, "bytes">;

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
      const durable = readMark(window.buffer, within, { seed: markSeed, offset: at });
      if (durable === undefined) {
        stop = { found: "header", reason: "no valid record or mark", next: undefined };
        break;
      }
      durableBytes = Math.max(durableBytes, durable);
      at += MARK_BYTES;
      continue;
    }
    const header = tryHeader(window.buffer, within, window.length);
    if (typeof header === "string") {
      stop = { found: "header", reason: header, next: undefined };
      break;
    }
    const bytes = RECORD_HEADER_BYTES + header.payloadBytes;
    if (at + bytes > fileBytes) {
      stop = {
        found: "short",
        reason: shortReason(header, fileBytes - at, bytes),
        next: undefined,
      };
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
  const tail = await readTail(file, at, fileBytes, markSeed);
  if (tail.bytes === 0) stop = { found: "zeros", reason: "only zeros follow", next: undefined };
  durableBytes = Math.max(durableBytes, tail.durableBytes);
  // Where the file ends within a record there is no free space: every byte was part of it.
  const isCut = stop.found === "short" || fileBytes - at < RECORD_HEADER_BYTES;
  const bytes = tail.bytes > 0 && isCut ? fileBytes - at : tail.bytes;
  return { ...common, durableBytes, bad: { ...stop, bytes } };
}

function tryHeader(buffer: Uint8Array, at: number, end: number): RecordHeader | string {
  try {
    return readRecordHeader(buffer, at, end);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
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
    return { found: "payload", reason, next };
  }
  const problem = orderProblem(last, header);
  return problem === undefined ? undefined : { found: "misplaced", reason: problem, next };
}

/** What is behind a bad place: how far it is not zero, and what any mark there says. */
async function readTail(
  file: DiskFile,
  from: number,
  fileBytes: number,
  markSeed: number,
): Promise<{ bytes: number; durableBytes: number }> {
  const window = new FileWindow(file, fileBytes);
  let lastNonZero = from - 1;
  let durableBytes = 0;
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
      const durable = readMark(window.buffer, within - 4, { seed: markSeed, offset });
      if (durable !== undefined) durableBytes = Math.max(durableBytes, durable);
    }
    // The next window overlaps this one by the length of a mark.
    if (at + length >= fileBytes) break;
    at += length - (MARK_BYTES - 1);
  }
  return { bytes: lastNonZero + 1 - from, durableBytes };
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
  const length = await file.read(bytes, from);
  for (let at = 0; at + RECORD_HEADER_BYTES <= length; at++) {
    if (bytes[at + 12] !== 1) continue;
    const header = tryHeader(bytes, at, length);
    if (typeof header === "string" || header.index < indexMin) continue;
    const end = at + RECORD_HEADER_BYTES + header.payloadBytes;
    if (end > length) continue;
    if (crc32(bytes, at + RECORD_HEADER_BYTES, end) === header.payloadChecksum) return from + at;
  }
  return undefined;
}
