/**
 * The bytes of a segment file beside its records: a header, and marks between batches. Pure.
 *
 * A segment is: header, then records (raft/log_entry.ts) and marks back to back, then possibly
 * zeros, which are free space written ahead so that a sync need not also change the file's size.
 *
 * A mark says how much of the file was durable when the mark was written. It is what tells a torn
 * tail from corruption: damage before a position that any mark calls durable cannot come from a
 * crash. It also names the entry before it, so that entries are known by their ids even where their
 * headers cannot be read. Its checksum is seeded with the header's and covers its position, so a
 * copy of log bytes inside a value that a client stored is no mark.
 */

import { crc32, getU32, getU64, LogIndex, putU32, putU64, Term } from "../base/mod.ts";
import { type EntryId, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import { type BlockResult, magicOf, openBlock, sealBlock } from "./checked_block.ts";
import { CLUSTER_ID_BYTES, clusterIdOf, putClusterId } from "./cluster_id.ts";

const MAGIC = magicOf("LBSG");
const VERSION = 1;
export const SEGMENT_HEADER_BYTES = 64;

/** As long as a record's header, and told from one by the byte that holds a record's kind. */
export const MARK_BYTES = RECORD_HEADER_BYTES;
export const MARK_MAGIC = magicOf("MARK");
const MARK_KIND_AT = 13;
const MARK_KIND = 0xff;

export interface SegmentHeader {
  readonly clusterId: string;
  /** Index of the first entry that the segment holds or will hold. */
  readonly first: LogIndex;
  /** The entry before it: the last of the segment before, zeros at the start of the log. */
  readonly previous: EntryId;
}

const NAME = /^(\d{20})\.log$/;

/** A segment's file name: its first index in 20 digits, so that names sort as the log does. */
export function segmentName(first: LogIndex): string {
  return `${String(first).padStart(20, "0")}.log`;
}

/** The first index in a segment's file name; undefined for any other name. */
export function segmentFirstOf(name: string): LogIndex | undefined {
  const digits = NAME.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const first = Number(digits);
  return Number.isSafeInteger(first) && first > 0 ? LogIndex(first) : undefined;
}

/**
 * Layout: frame, zeros (4), cluster id (16), first index (8), previous term and index (8, 8),
 * zeros.
 */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  putClusterId(block, 16, header.clusterId);
  putU64(block, 32, header.first);
  putU64(block, 40, header.previous.term);
  putU64(block, 48, header.previous.index);
  sealBlock(block, MAGIC, VERSION);
  return block;
}

export function decodeSegmentHeader(block: Uint8Array): BlockResult<SegmentHeader> {
  const expected = { magic: MAGIC, version: VERSION, bytes: SEGMENT_HEADER_BYTES };
  return openBlock(block, expected, (fields) => {
    fields.u32();
    return {
      clusterId: clusterIdOf(fields.bytes(CLUSTER_ID_BYTES)),
      first: LogIndex(fields.u64()),
      previous: { term: Term(fields.u64()), index: LogIndex(fields.u64()) },
    };
  });
}

/** The number that ties marks to their segment: the header's checksum. */
export function markSeedOf(headerBlock: Uint8Array): number {
  return getU32(headerBlock, 0);
}

export interface MarkPosition {
  readonly seed: number;
  /** Where in the file the mark is. */
  readonly offset: number;
}

export interface Mark {
  /** Everything in the file before this position is durable; not behind the mark itself. */
  readonly durableBytes: number;
  /** The entry before the mark: the last one in the file, or of the segment before. */
  readonly last: EntryId;
}

/**
 * Layout: checksum (4), magic (4), bytes before the mark that are not durable (4), record version 1
 * (1), 0xff (1), zeros (2), last term (8), last index (8).
 */
export function putMark(into: Uint8Array, at: number, position: MarkPosition, mark: Mark): void {
  putU32(into, at + 4, MARK_MAGIC);
  putU32(into, at + 8, position.offset - mark.durableBytes);
  putU32(into, at + 12, 1 | (MARK_KIND << 8));
  putU64(into, at + 16, mark.last.term);
  putU64(into, at + 24, mark.last.index);
  putU32(into, at, checksumOfMark(into, at, position));
}

function checksumOfMark(buffer: Uint8Array, at: number, position: MarkPosition): number {
  const placed = (position.seed ^ Math.imul(position.offset, 0x9e3779b1)) >>> 0;
  return crc32(buffer, at + 4, at + MARK_BYTES, placed);
}

/** Whether the bytes at `at` claim to be a mark; `readMark` says whether they are a good one. */
export function looksLikeMark(buffer: Uint8Array, at: number): boolean {
  return buffer[at + MARK_KIND_AT] === MARK_KIND;
}

/** The mark at `at`; undefined unless it is whole and in its place. */
export function readMark(
  buffer: Uint8Array,
  at: number,
  position: MarkPosition,
): Mark | undefined {
  if (getU32(buffer, at + 4) !== MARK_MAGIC) return undefined;
  if (getU32(buffer, at) !== checksumOfMark(buffer, at, position)) return undefined;
  const durableBytes = position.offset - getU32(buffer, at + 8);
  if (durableBytes < 0) return undefined;
  const last = { term: Term(getU64(buffer, at + 16)), index: LogIndex(getU64(buffer, at + 24)) };
  return { durableBytes, last };
}
