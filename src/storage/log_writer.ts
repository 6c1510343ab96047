/**
 * Changes the log: appends, cuts, begins segments, syncs. One operation at a time, in the caller's
 * order; `RaftStorage` queues and groups them.
 *
 * An error other than `StorageError` "full" leaves the disk in a state that only recovery may
 * judge: the caller makes no more changes (fsyncgate: a second sync after a failed one succeeds
 * although the data is gone).
 */

import { assert, LogIndex, type Term } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import type { EntryId, HardState, LogEntry } from "../raft/mod.ts";
import { LOG_DIRECTORY_NAME } from "./data_directory.ts";
import { fullError } from "./disk_space.ts";
import type { StorageError } from "./errors.ts";
import { segmentPath } from "./log_recovery.ts";
import { checkOrder, LogSerializer } from "./log_serializer.ts";
import type { PersistRecordFile } from "./persistence_file.ts";
import type { Segment } from "./segment.ts";
import { markEnd, recordEnd } from "./segment_end.ts";
import { makeSegment } from "./segment_file.ts";
import {
  encodeSegmentHeader,
  MARK_BYTES,
  putMark,
  SEGMENT_HEADER_BYTES,
} from "./segment_format.ts";
import type { StateFiles } from "./state_files.ts";
import type { StoredState } from "./state_format.ts";
import type { TermRuns } from "./term_runs.ts";

export interface LogWriterOptions {
  readonly disk: Disk;
  /** The data directory. */
  readonly path: string;
  readonly segments: readonly Segment[];
  readonly terms: TermRuns;
  readonly stateFiles: StateFiles;
  readonly persistRecord: PersistRecordFile;
  /** As both files hold it. */
  readonly state: StoredState;
  readonly segmentBytes: number;
  readonly preallocateBytes: number;
}

/** Larger writes leave the event loop. */
const SYNCHRONOUS_WRITE_BYTES_MAX = 1 << 18;
const REWRITE_BYTES = 1 << 20;

const serializer = new LogSerializer();

export class LogWriter {
  readonly segments: Segment[];
  readonly #options: LogWriterOptions;
  readonly #logDirectory: string;
  readonly #terms: TermRuns;
  readonly #zeros: Uint8Array;
  #state: StoredState;
  #scratch = new Uint8Array(1 << 16);

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#logDirectory = `${options.path}/${LOG_DIRECTORY_NAME}`;
    this.segments = options.segments.slice();
    this.#terms = options.terms;
    this.#state = options.state;
    this.#zeros = new Uint8Array(options.preallocateBytes);
  }

  /** The segment that takes the next entry. */
  get tail(): Segment {
    const segment = this.segments.at(-1);
    assert(segment !== undefined, "Cannot use the log: found no segment, expected one");
    return segment;
  }

  termAt(index: LogIndex): Term {
    return this.#terms.termAt(index);
  }

  get last(): EntryId {
    const { first, last, previous } = this.tail;
    return last < first ? previous : { term: this.#terms.lastTerm, index: last };
  }

  /** The entry before the first one. */
  get start(): EntryId {
    return this.segments[0].previous;
  }

  /** The next entry's index, also while the log begins anew. */
  get nextIndex(): LogIndex {
    const tail = this.segments.at(-1);
    return tail === undefined ? this.#state.firstSegment : LogIndex(tail.last + 1);
  }

  /** Whether the log holds `id`, or begins right behind it. */
  has(id: EntryId): boolean {
    const { start, last } = this;
    if (id.index === start.index) return id.term === start.term;
    if (id.index < start.index || id.index > last.index) return false;
    return this.#terms.termAt(id.index) === id.term;
  }

  /** Entries whose sync is still to come. */
  get dirty(): boolean {
    return this.tail.synced < this.tail.end;
  }

  /** A record is durable that no mark in the file calls so. */
  get markDue(): boolean {
    const { synced, recordsEnd, marked } = this.tail;
    return Math.min(synced, recordsEnd) > Math.max(marked, SEGMENT_HEADER_BYTES);
  }

  /** Makes the first segment of a log without any; the state names it already. */
  async begin(start: EntryId): Promise<void> {
    assert(this.segments.length === 0, "Cannot begin a log: found segments, expected none");
    assert(this.#state.lastSegment === 0, "Cannot begin a log: the state names a segment");
    await this.#addSegment(LogIndex(start.index + 1), start);
  }

  /**
   * Begins the log anew behind `start`. A state without a last segment says that no entry of any
   * segment file counts, so a crash at any step leaves the old log or an empty new one.
   */
  async reset(start: EntryId): Promise<void> {
    const firstSegment = LogIndex(start.index + 1);
    await this.persistRecord.clear();
    await this.#writeState({ ...this.#state, firstSegment, lastSegment: LogIndex(0) });
    while (this.segments.length > 0) await this.#removeTail();
    this.#terms.clear();
    await this.begin(start);
  }

  /**
   * Removes whole segments whose entries are all <= `through`, oldest first; the last one stays.
   * The state names the new first one before: what is left of the others is removed at the start.
   */
  async compact(through: LogIndex): Promise<void> {
    let count = 0;
    while (count < this.segments.length - 1 && this.segments[count].last <= through) count++;
    if (count === 0) return;
    await this.#writeState({ ...this.#state, firstSegment: this.segments[count].first });
    for (; count > 0; count--) {
      const segment = this.segments.shift();
      assert(segment !== undefined, "Cannot compact: found no segment");
      segment.generation++;
      await segment.file.close();
      await this.#options.disk.remove(segment.path);
    }
    await this.#options.disk.syncDirectory(this.#logDirectory);
  }

  /** Durable when it resolves. */
  async writeHardState(hardState: HardState): Promise<void> {
    await this.#writeState({ ...this.#state, hardState });
  }

  /** Begins a new segment unless `bytes` more fit in this one. */
  needsSegment(bytes: number): boolean {
    const { end, last, first } = this.tail;
    return last >= first && end + MARK_BYTES + bytes > this.#options.segmentBytes;
  }

  /** Ends the last segment, durable as a whole, and makes the next. */
  async roll(): Promise<void> {
    const tail = this.tail;
    await tail.trim();
    await this.sync();
    // Until the next segment is there, nothing else says of this one that it was durable.
    await this.persistRecord.sync();
    await this.#addSegment(LogIndex(tail.last + 1), this.last);
  }

  /**
   * Writes entries that follow the last one, in batches that share one write. Throws "full" when
   * there is no space; then none of them was added.
   */
  append(batches: readonly (readonly LogEntry[])[], bytes: number): void | Promise<void> {
    const tail = this.tail;
    checkOrder(this.last, batches);
    const markBytes = this.markDue ? MARK_BYTES : 0;
    const total = markBytes + bytes;
    const buffer = this.#scratchOf(total);
    if (markBytes > 0) this.#putMark(buffer);
    let at = markBytes;
    for (const entries of batches) at = serializer.serializeInto(entries, buffer, at);
    assert(at === total, `Cannot append ${at} bytes: expected ${total}`);
    const view = buffer.subarray(0, total);
    const start = tail.end;
    if (total > SYNCHRONOUS_WRITE_BYTES_MAX) {
      return this.#writeLarge(view).then(() => this.#noteAll(batches, start + markBytes));
    }
    try {
      tail.file.writeSync(view, start);
      this.#afterWrite(total);
    } catch (error) {
      return this.#cutBack(error);
    }
    this.#noteAll(batches, start + markBytes);
  }

  /** Puts a mark behind the last entry, not synced. A full disk can do without. */
  async #writeMark(): Promise<void> {
    const buffer = this.#scratchOf(MARK_BYTES);
    this.#putMark(buffer);
    try {
      this.tail.file.writeSync(buffer.subarray(0, MARK_BYTES), this.tail.end);
      this.#afterWrite(MARK_BYTES);
    } catch (error) {
      await this.#removePartialWrite(error);
    }
  }

  /** All that was written before is durable when it resolves, and the persist record says so. */
  async sync(): Promise<void> {
    const tail = this.tail;
    const end = tail.end;
    await tail.file.sync();
    tail.synced = end;
    this.#options.persistRecord.write({
      segment: tail.first,
      markSeed: tail.markSeed,
      durableBytes: end,
      last: this.last,
    });
  }

  get persistRecord(): PersistRecordFile {
    return this.#options.persistRecord;
  }

  /**
   * Removes entry `index` and all after it; durable when it resolves. Throws "full" when that takes
   * space. What stays was durable, which the persist record says from then on. Where a hole hides
   * the place of `index`, a new segment begins with it and alone says what stays of the hole; until
   * it is durable, a mark says what was there.
   */
  async truncateFrom(index: LogIndex): Promise<void> {
    const target = this.#segmentOf(index);
    const hole = target.holeAround(index);
    const offset = hole?.at ?? await target.locate(index);
    if (hole !== undefined) await markEnd(target, this.#terms.termAt(target.last));
    const keeps = hole === undefined ? { index, offset, terms: this.#terms } : undefined;
    await recordEnd(this.persistRecord, target, keeps);
    if (target !== this.tail) {
      await this.#writeState({ ...this.#state, lastSegment: target.first });
      while (this.tail !== target) await this.#removeTail();
    }
    if (hole !== undefined) {
      await this.#addSegment(index, { term: hole.term, index: LogIndex(index - 1) });
    }
    target.forgetFrom(index, offset);
    this.#terms.truncateFrom(index);
    await target.trim();
    await target.file.sync();
    target.synced = offset;
  }

  /**
   * Cuts what recovery judged to be the remains of an unfinished write, and writes again what no
   * mark calls durable: that it can be read back is no proof that it is on the disk.
   */
  async settleTail(trim: boolean): Promise<void> {
    const tail = this.tail;
    if (trim) await tail.trim();
    let at = tail.synced > SEGMENT_HEADER_BYTES ? tail.synced : 0;
    const buffer = new Uint8Array(Math.min(REWRITE_BYTES, Math.max(0, tail.end - at)));
    while (at < tail.end) {
      const part = buffer.subarray(0, Math.min(buffer.length, tail.end - at));
      const length = await tail.file.read(part, at);
      assert(length === part.length, `Cannot read ${tail.path} at ${at}: found ${length} bytes`);
      await tail.file.write(part, at);
      at += length;
    }
    await this.sync();
    await this.#options.disk.syncDirectory(this.#logDirectory);
  }

  /** Leaves the files whole and without free space, marked as durable to the end. */
  async finish(): Promise<void> {
    const tail = this.tail;
    if (this.dirty) await this.sync();
    if (this.markDue) await this.#writeMark();
    if (tail.allocated > tail.end) await tail.trim();
    if (this.dirty) await this.sync();
    await this.#options.persistRecord.sync();
  }

  async close(): Promise<void> {
    for (const segment of this.segments) await segment.file.close();
    await this.#options.stateFiles.close();
    await this.#options.persistRecord.close();
  }

  #segmentOf(index: LogIndex): Segment {
    const segment = this.segments.findLast(({ first }) => first <= index);
    assert(
      segment !== undefined,
      `Cannot cut the log at entry ${index}: it begins with entry ${this.segments[0].first}`,
    );
    return segment;
  }

  async #writeState(state: StoredState): Promise<void> {
    const next = { ...state, version: this.#state.version + 1 };
    await this.#options.stateFiles.write(next);
    this.#state = next;
  }

  async #removeTail(): Promise<void> {
    const segment = this.tail;
    segment.generation++;
    this.segments.pop();
    await segment.file.close();
    await this.#options.disk.remove(segment.path);
    await this.#options.disk.syncDirectory(this.#logDirectory);
    this.#terms.truncateFrom(segment.first);
  }

  async #addSegment(first: LogIndex, previous: EntryId): Promise<void> {
    const { disk, path } = this.#options;
    const header = encodeSegmentHeader({
      clusterId: this.#state.clusterId,
      first,
      previous,
    });
    const file = segmentPath(path, first);
    const segment = await makeSegment(disk, { path: file, header, first, previous });
    await segment.file.sync();
    segment.synced = segment.end;
    await disk.syncDirectory(this.#logDirectory);
    await this.#writeState({ ...this.#state, lastSegment: first });
    this.segments.push(segment);
  }

  #scratchOf(bytes: number): Uint8Array {
    if (bytes <= this.#scratch.length) return this.#scratch;
    const buffer = new Uint8Array(bytes);
    if (bytes <= SYNCHRONOUS_WRITE_BYTES_MAX) this.#scratch = buffer;
    return buffer;
  }

  #putMark(buffer: Uint8Array): void {
    const { markSeed, end, synced } = this.tail;
    putMark(buffer, 0, { seed: markSeed, offset: end }, { durableBytes: synced, last: this.last });
  }

  async #writeLarge(view: Uint8Array): Promise<void> {
    try {
      await this.tail.file.write(view, this.tail.end);
      this.#afterWrite(view.length);
    } catch (error) {
      await this.#cutBack(error);
    }
  }

  /** Moves `end` on, and writes zeros ahead when the free space is used up. */
  #afterWrite(bytes: number): void {
    const tail = this.tail;
    const end = tail.end + bytes;
    if (end > tail.allocated && this.#zeros.length > 0) {
      const aheadEnd = Math.min(end + this.#zeros.length, this.#options.segmentBytes);
      if (aheadEnd > end) tail.file.writeSync(this.#zeros.subarray(0, aheadEnd - end), end);
      tail.allocated = Math.max(end, aheadEnd);
    } else {
      tail.allocated = Math.max(tail.allocated, end);
    }
    if (this.markDue) tail.marked = tail.synced;
    tail.end = end;
  }

  #noteAll(batches: readonly (readonly LogEntry[])[], at: number): void {
    for (const entries of batches) {
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index];
        this.tail.note(entry.index, at);
        this.#terms.append(entry.index, entry.term);
        at += entry.record.length;
      }
    }
    this.tail.recordsEnd = at;
  }

  /** After a failed write of entries: throws, "full" when there was no space. */
  async #cutBack(error: unknown): Promise<never> {
    throw await this.#removePartialWrite(error);
  }

  /** After a failed write: when there was no space, removes what landed and returns "full". */
  async #removePartialWrite(error: unknown): Promise<StorageError> {
    const full = fullError(error);
    if (full === undefined) throw error;
    const tail = this.tail;
    await tail.trim();
    return full;
  }
}
