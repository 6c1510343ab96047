/**
 * One segment file that is open: where its entries are, and reading them back.
 *
 * The index is sparse: one position each `SPARSE_BYTES` of file, so memory does not grow by the
 * entry; a search reads on from the nearest position before.
 */

import { assert, DecodeError, LogIndex } from "../base/mod.ts";
import type { DiskFile } from "../platform/mod.ts";
import {
  decodeEntry,
  type EntryId,
  type LogEntry,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "../raft/mod.ts";
import { CorruptionError } from "./errors.ts";
import type { Hole } from "./hole.ts";
import { readReadable } from "./readable.ts";
import { looksLikeMark, MARK_BYTES, readMark, SEGMENT_HEADER_BYTES } from "./segment_format.ts";

const SPARSE_BYTES = 1 << 16;

export interface SegmentOptions {
  readonly path: string;
  readonly file: DiskFile;
  readonly first: LogIndex;
  readonly previous: EntryId;
  readonly markSeed: number;
}

export class Segment {
  readonly path: string;
  readonly file: DiskFile;
  readonly first: LogIndex;
  readonly previous: EntryId;
  readonly markSeed: number;
  /** Index of the last entry here; `first` - 1 when there is none. */
  last: LogIndex;
  /** Where the next record or mark goes. */
  end = SEGMENT_HEADER_BYTES;
  /** Where the last record ends; marks may follow. */
  recordsEnd = SEGMENT_HEADER_BYTES;
  /** Length of the file: `end` and the free space written ahead. */
  allocated = SEGMENT_HEADER_BYTES;
  /** Everything before this position is durable. */
  synced = 0;
  /** What the newest mark in the file calls durable. */
  marked = 0;
  /** Rises when entries are cut off: what a reader found meanwhile may be gone. */
  generation = 0;
  /** What cannot be read, by rising position. */
  holes: readonly Hole[] = [];
  readonly #sparseIndices: number[] = [];
  readonly #sparseOffsets: number[] = [];

  constructor(options: SegmentOptions) {
    this.path = options.path;
    this.file = options.file;
    this.first = options.first;
    this.previous = options.previous;
    this.markSeed = options.markSeed;
    this.last = LogIndex(options.first - 1);
  }

  /** Takes note of a record that is, or is about to be, at `offset`. */
  note(index: LogIndex, offset: number): void {
    assert(
      index === this.last + 1,
      `Cannot add entry ${index} to ${this.path}: expected entry ${this.last + 1}`,
    );
    this.last = index;
    const count = this.#sparseOffsets.length;
    if (count > 0 && offset < this.#sparseOffsets[count - 1] + SPARSE_BYTES) return;
    this.#sparseIndices.push(index);
    this.#sparseOffsets.push(offset);
  }

  /** Takes note of a hole, which is behind everything noted before or among it. */
  noteHole(hole: Hole): void {
    this.last = LogIndex(Math.max(this.last, hole.last));
    this.#forgetPositionsIn(hole);
    this.holes = [...this.holes, hole].sort((a, b) => a.at - b.at);
  }

  /** A repair puts the records of a hole one after the other: none need be where it was. */
  #forgetPositionsIn({ at, end = Infinity }: Hole): void {
    const offsets = this.#sparseOffsets;
    const from = offsets.findIndex((offset) => offset > at);
    if (from < 0) return;
    let to = from;
    while (to < offsets.length && offsets[to] < end) to++;
    offsets.splice(from, to - from);
    this.#sparseIndices.splice(from, to - from);
  }

  forgetHole(hole: Hole): void {
    this.holes = this.holes.filter((other) => other !== hole);
  }

  /** The hidden hole with entries behind which this segment has nothing but marks. */
  get holeAtEnd(): Hole | undefined {
    const hole = this.holes.at(-1);
    const isAtEnd = hole !== undefined && hole.last === this.last && hole.first <= hole.last;
    return isAtEnd && !hole.hasHeader ? hole : undefined;
  }

  /**
   * Another segment says from now on what was in `hole`, which is at the end: it may be of any
   * length.
   */
  openHole(hole: Hole): void {
    this.forgetHole(hole);
    this.noteHole({ ...hole, end: undefined });
  }

  /** The file is this long now, to its last record. */
  grow(bytes: number): void {
    this.end = bytes;
    this.recordsEnd = bytes;
    this.allocated = bytes;
    this.synced = bytes;
  }

  /** Gives up what is in the file behind `end`. */
  async trim(): Promise<void> {
    await this.file.truncate(this.end);
    this.allocated = this.end;
  }

  /**
   * Forgets the entries from `index` on; the record of `index` was at `offset`, or the hole was that
   * hides it.
   */
  forgetFrom(index: LogIndex, offset: number): void {
    const hole = this.holeAround(index);
    this.generation++;
    while (this.#sparseIndices.length > 0 && this.#sparseIndices.at(-1)! >= index) {
      this.#sparseIndices.pop();
      this.#sparseOffsets.pop();
    }
    this.last = LogIndex(index - 1);
    this.holes = this.holes.filter((hole) => hole.at < offset);
    this.end = offset;
    this.recordsEnd = Math.min(this.recordsEnd, offset);
    this.synced = Math.min(this.synced, offset);
    this.marked = Math.min(this.marked, offset);
    if (hole !== undefined) this.noteHole({ ...hole, last: this.last, end: undefined });
  }

  /** The hole that hides where entry `index` begins: another one is before it there. */
  holeAround(index: LogIndex): Hole | undefined {
    return this.holes.find(({ first, last }) => first < index && index <= last);
  }

  /**
   * The position of the record of `index`, which no hole hides, or of where it would begin for
   * `last` + 1.
   */
  async locate(index: LogIndex): Promise<number> {
    if (index === this.last + 1) return this.end;
    let { offset: at, index: expected } = this.#floor(index);
    const header = new Uint8Array(RECORD_HEADER_BYTES);
    while (true) {
      const hole = this.#holeAt(at);
      if (hole !== undefined && index > hole.last) {
        at = this.#endOf(hole);
        expected = LogIndex(hole.last + 1);
        continue;
      }
      if (hole?.first === index) return at;
      assert(hole === undefined, `Cannot find entry ${index} in ${this.path}: a hole hides it`);
      const length = await readReadable(this.file, header, at);
      if (length === MARK_BYTES && this.#isMark(header, 0, at)) {
        at += MARK_BYTES;
        continue;
      }
      const found = this.#header(header, 0, length, at, index, false);
      assert(found !== undefined, `Cannot find entry ${index} in ${this.path}`);
      // A record of another place would hide those between.
      if (found.index !== expected) throw this.#misplaced(found, expected, at);
      if (expected === index) return at;
      at += RECORD_HEADER_BYTES + found.payloadBytes;
      expected = LogIndex(expected + 1);
    }
  }

  /**
   * Entries `first` to `last`, both in this segment, as many as fit in `bytesMax` but at least
   * one; verified and consecutive, up to the first that cannot be read. Throws `CorruptionError`
   * when that is `first`. Their records share one buffer.
   */
  async read(first: LogIndex, last: LogIndex, bytesMax: number): Promise<LogEntry[]> {
    let { offset: at, index } = this.#floor(first);
    // Room for what comes before `first`, and for marks between the records.
    let bytes = Math.min(this.end - at, bytesMax + 2 * SPARSE_BYTES);
    while (true) {
      const buffer = new Uint8Array(bytes);
      const length = await readReadable(this.file, buffer, at);
      const step = this.#collect(buffer, length, { at, index }, { first, last, bytesMax });
      if (step.entries.length > 0) return step.entries;
      ({ at, index } = step);
      bytes = Math.max(step.needBytes, Math.min(this.end - at, bytesMax + SPARSE_BYTES));
    }
  }

  /**
   * Decodes records of a buffer read at `from`, where entry `index` is. When the first wanted entry
   * is not whole in it, says where to read again and how much that needs.
   */
  #collect(
    buffer: Uint8Array,
    length: number,
    from: { readonly at: number; readonly index: LogIndex },
    want: { readonly first: LogIndex; readonly last: LogIndex; readonly bytesMax: number },
  ): { entries: LogEntry[]; at: number; index: LogIndex; needBytes: number } {
    const entries: LogEntry[] = [];
    const base = from.at;
    let { index } = from;
    let at = 0;
    let bytes = 0;
    while (true) {
      const hole = this.#holeAt(base + at);
      if (hole !== undefined) {
        if (entries.length > 0) break;
        if (want.first <= hole.last) throw this.#unreadable(hole, want.first);
        index = LogIndex(hole.last + 1);
        return { entries, at: this.#endOf(hole), index, needBytes: RECORD_HEADER_BYTES };
      }
      const whole = length - at >= RECORD_HEADER_BYTES;
      if (!whole && base + at + RECORD_HEADER_BYTES <= this.end && length === buffer.length) {
        return { entries, at: base + at, index, needBytes: RECORD_HEADER_BYTES };
      }
      if (whole && this.#isMark(buffer, at, base + at)) {
        at += MARK_BYTES;
        continue;
      }
      const isLater = entries.length > 0;
      const header = this.#header(buffer, at, length, base + at, index, isLater);
      if (header === undefined) break;
      const recordBytes = RECORD_HEADER_BYTES + header.payloadBytes;
      if (header.index !== index) throw this.#misplaced(header, index, base + at);
      if (header.index < want.first && at + recordBytes > length && length === buffer.length) {
        index = LogIndex(index + 1);
        return { entries, at: base + at + recordBytes, index, needBytes: RECORD_HEADER_BYTES };
      }
      if (header.index >= want.first) {
        if (entries.length > 0 && bytes + recordBytes > want.bytesMax) break;
        if (at + recordBytes > length && length === buffer.length) {
          return { entries, at: base + at, index, needBytes: recordBytes };
        }
        const entry = this.#entry(buffer, at, length, base + at, header.index, isLater);
        if (entry === undefined) break;
        entries.push(entry);
        bytes += recordBytes;
        if (header.index === want.last) break;
      }
      at += recordBytes;
      index = LogIndex(index + 1);
    }
    return { entries, at: base + at, index, needBytes: 0 };
  }

  #isMark(buffer: Uint8Array, at: number, offset: number): boolean {
    if (!looksLikeMark(buffer, at)) return false;
    return readMark(buffer, at, { seed: this.markSeed, offset }) !== undefined;
  }

  #header(
    buffer: Uint8Array,
    at: number,
    end: number,
    offset: number,
    index: LogIndex,
    isLater: boolean,
  ): RecordHeader | undefined {
    return this.#checked(offset, index, isLater, () => readRecordHeader(buffer, at, end));
  }

  #entry(
    buffer: Uint8Array,
    at: number,
    end: number,
    offset: number,
    index: LogIndex,
    isLater: boolean,
  ): LogEntry | undefined {
    return this.#checked(offset, index, isLater, () => decodeEntry(buffer, at, end));
  }

  /** Undefined for what is damaged but `isLater`: the entries before it are good. */
  #checked<T>(
    offset: number,
    index: LogIndex,
    isLater: boolean,
    decode: () => T,
  ): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (isLater) return undefined;
      throw new CorruptionError(this.path, offset, error.message, index);
    }
  }

  #holeAt(offset: number): Hole | undefined {
    if (this.holes.length === 0) return undefined;
    return this.holes.find(({ at }) => at === offset);
  }

  #endOf(hole: Hole): number {
    assert(
      hole.end !== undefined,
      `Cannot read behind entry ${hole.last} in ${this.path}: the segment ends there`,
    );
    return hole.end;
  }

  #unreadable(hole: Hole, index: LogIndex): CorruptionError {
    const reason = hole.hasHeader
      ? `the payload checksum of entry ${index} does not match`
      : `entries ${hole.first} to ${hole.last} cannot be read`;
    return new CorruptionError(this.path, hole.at, reason, index);
  }

  #misplaced(header: RecordHeader, expected: number, offset: number): CorruptionError {
    const reason = `found entry ${header.index}, expected entry ${expected}`;
    return new CorruptionError(this.path, offset, reason, LogIndex(expected));
  }

  /** A place at or before the record of `index` where a record, a mark or a hole begins. */
  #floor(index: LogIndex): { readonly offset: number; readonly index: LogIndex } {
    let low = 0;
    let high = this.#sparseIndices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sparseIndices[middle] <= index) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return { offset: SEGMENT_HEADER_BYTES, index: this.first };
    return { offset: this.#sparseOffsets[low - 1], index: LogIndex(this.#sparseIndices[low - 1]) };
  }
}
