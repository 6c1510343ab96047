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

  /** Forgets the entries from `index` on; the record of `index` was at `offset`. */
  forgetFrom(index: LogIndex, offset: number): void {
    this.generation++;
    while (this.#sparseIndices.length > 0 && this.#sparseIndices.at(-1)! >= index) {
      this.#sparseIndices.pop();
      this.#sparseOffsets.pop();
    }
    this.last = LogIndex(index - 1);
    this.end = offset;
    this.recordsEnd = Math.min(this.recordsEnd, offset);
    this.synced = Math.min(this.synced, offset);
    this.marked = Math.min(this.marked, offset);
  }

  /** The position of the record of `index`, or of where it would begin for `last` + 1. */
  async locate(index: LogIndex): Promise<number> {
    if (index === this.last + 1) return this.end;
    let at = this.#floorOffset(index);
    const header = new Uint8Array(RECORD_HEADER_BYTES);
    while (true) {
      const length = await this.file.read(header, at);
      if (length === MARK_BYTES && this.#isMark(header, 0, at)) {
        at += MARK_BYTES;
        continue;
      }
      const found = this.#header(header, 0, length, at);
      if (found.index === index) return at;
      if (found.index > index) throw this.#misplaced(found, index, at);
      at += RECORD_HEADER_BYTES + found.payloadBytes;
    }
  }

  /**
   * Entries `first` to `last`, both in this segment, as many as fit in `bytesMax` but at least
   * one; verified and consecutive. Throws `CorruptionError`. Their records share one buffer.
   */
  async read(first: LogIndex, last: LogIndex, bytesMax: number): Promise<LogEntry[]> {
    let at = this.#floorOffset(first);
    // Room for what comes before `first`, and for marks between the records.
    let bytes = Math.min(this.end - at, bytesMax + 2 * SPARSE_BYTES);
    while (true) {
      const buffer = new Uint8Array(bytes);
      const length = await this.file.read(buffer, at);
      const step = this.#collect(buffer, length, at, { first, last, bytesMax });
      if (step.entries.length > 0) return step.entries;
      at = step.at;
      bytes = Math.max(step.needBytes, Math.min(this.end - at, bytesMax + SPARSE_BYTES));
    }
  }

  /**
   * Decodes records of a buffer read at `base`. When the first wanted entry is not whole in it,
   * says where to read again and how much that needs.
   */
  #collect(
    buffer: Uint8Array,
    length: number,
    base: number,
    want: { readonly first: LogIndex; readonly last: LogIndex; readonly bytesMax: number },
  ): { entries: LogEntry[]; at: number; needBytes: number } {
    const entries: LogEntry[] = [];
    let at = 0;
    let expected: number | undefined;
    let bytes = 0;
    while (true) {
      const whole = length - at >= RECORD_HEADER_BYTES;
      if (!whole && base + at + RECORD_HEADER_BYTES <= this.end && length === buffer.length) {
        return { entries, at: base + at, needBytes: RECORD_HEADER_BYTES };
      }
      if (whole && this.#isMark(buffer, at, base + at)) {
        at += MARK_BYTES;
        continue;
      }
      const header = this.#header(buffer, at, length, base + at, expected);
      const recordBytes = RECORD_HEADER_BYTES + header.payloadBytes;
      if (header.index !== (expected ?? header.index) || header.index > want.last) {
        throw this.#misplaced(header, expected ?? want.first, base + at);
      }
      expected = header.index + 1;
      if (header.index < want.first && at + recordBytes > length && length === buffer.length) {
        return { entries, at: base + at + recordBytes, needBytes: RECORD_HEADER_BYTES };
      }
      if (header.index >= want.first) {
        if (entries.length > 0 && bytes + recordBytes > want.bytesMax) break;
        if (at + recordBytes > length && length === buffer.length) {
          return { entries, at: base + at, needBytes: recordBytes };
        }
        entries.push(this.#entry(buffer, at, length, base + at, header.index));
        bytes += recordBytes;
        if (header.index === want.last) break;
      }
      at += recordBytes;
    }
    return { entries, at: base + at, needBytes: 0 };
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
    index?: number,
  ): RecordHeader {
    return this.#checked(offset, index, () => readRecordHeader(buffer, at, end));
  }

  #entry(
    buffer: Uint8Array,
    at: number,
    end: number,
    offset: number,
    index: LogIndex,
  ): LogEntry {
    return this.#checked(offset, index, () => decodeEntry(buffer, at, end));
  }

  #checked<T>(offset: number, index: number | undefined, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const damaged = index === undefined ? this.#indexAt(offset) : LogIndex(index);
      throw new CorruptionError(this.path, offset, error.message, damaged);
    }
  }

  /** The entry whose record begins at `offset`, where the sparse index tells. */
  #indexAt(offset: number): LogIndex | undefined {
    const at = this.#sparseOffsets.indexOf(offset);
    return at < 0 ? undefined : LogIndex(this.#sparseIndices[at]);
  }

  #misplaced(header: RecordHeader, expected: number, offset: number): CorruptionError {
    const reason = `found entry ${header.index}, expected entry ${expected}`;
    return new CorruptionError(this.path, offset, reason);
  }

  /** A position at or before the record of `index` where a record or mark begins. */
  #floorOffset(index: LogIndex): number {
    let low = 0;
    let high = this.#sparseIndices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sparseIndices[middle] <= index) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? SEGMENT_HEADER_BYTES : this.#sparseOffsets[low - 1];
  }
}
