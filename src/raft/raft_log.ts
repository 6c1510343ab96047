/**
 * The Raft log as the core sees it: the terms of all entries behind `start`, the bodies of those
 * that may still be needed at once, and the positions that matter. It is not the disk: entries that
 * are on disk and applied may be gone from here, and are then read back by the driver. What is at
 * or before `start` is in a snapshot: committed, and so equal to what any leader has there.
 *
 * Invariants: `start.index <= commitIndex <= last.index`, `appliedIndex <= commitIndex`,
 * `stableIndex <= takenIndex <= last.index`; bodies are held for a contiguous tail of the log, and
 * always for entries that are not applied or not durable and that this process has seen.
 */

import { assert, type LogIndex, type Term } from "../base/mod.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";
import type { TermRun } from "./ready.ts";
import { TermRuns } from "./term_runs.ts";

/** Freed slots at the front of the body array that are worth moving the rest for. */
const SLOTS_FREE_MAX = 1024;

/** What a restart finds of the log. */
export interface RecoveredPositions {
  /** The entry before the first one on disk. */
  readonly start: EntryId;
  /** The last one on disk, `start` when there is none. */
  readonly last: EntryId;
  readonly termRuns: readonly TermRun[];
  /** What the machine has from its snapshot. */
  readonly appliedIndex: LogIndex;
}

export class RaftLog {
  readonly #runs: TermRuns;
  readonly #cacheBytesMax: number;
  #last: EntryId;
  /** Bodies from `#head` on belong to `#firstCached` and up; slots before it are free. */
  #bodies: (LogEntry | undefined)[] = [];
  #head = 0;
  #firstCached: number;
  #appliedBytes = 0;
  #uncommittedBytes = 0;
  #startIndex: number;
  #commitIndex: number;
  #appliedIndex: number;
  #stableIndex: number;
  #takenIndex: number;
  /** Committed entries up to here cannot all be read, and no member gives them back. */
  #lostIndex = 0;

  constructor(recovered: RecoveredPositions, cacheBytesMax: number) {
    const { start, last, termRuns, appliedIndex } = recovered;
    this.#runs = new TermRuns(start, termRuns);
    this.#last = last;
    this.#cacheBytesMax = cacheBytesMax;
    this.#firstCached = last.index + 1;
    this.#stableIndex = last.index;
    this.#takenIndex = last.index;
    this.#startIndex = start.index;
    this.#appliedIndex = appliedIndex;
    this.#commitIndex = Math.max(start.index, appliedIndex);
    assert(
      start.index <= last.index && appliedIndex <= last.index,
      `Cannot open log: it begins behind ${start.index}, ends with ${last.index}, and ${appliedIndex} is applied`,
    );
    assert(
      this.#runs.termAt(last.index) === last.term,
      `Cannot open log: its term runs do not end at term ${last.term} of entry ${last.index}`,
    );
  }

  /** The entry before the first one. */
  get start(): EntryId {
    return this.#runs.start;
  }
  get startIndex(): LogIndex {
    return this.#startIndex as LogIndex;
  }
  get last(): EntryId {
    return this.#last;
  }
  /** The machine lacks what is here no more: it can only go on from a snapshot of a peer. */
  get needsSnapshot(): boolean {
    return this.#appliedIndex < this.snapshotIndexMin;
  }
  /**
   * Up to here entries cannot be given to anybody: the least that a snapshot must cover for a machine
   * to go on from it with the log.
   */
  get snapshotIndexMin(): LogIndex {
    return Math.max(this.#startIndex, this.#lostIndex) as LogIndex;
  }
  get commitIndex(): LogIndex {
    return this.#commitIndex as LogIndex;
  }
  get appliedIndex(): LogIndex {
    return this.#appliedIndex as LogIndex;
  }
  /** Everything up to here is durable on this node. */
  get stableIndex(): LogIndex {
    return this.#stableIndex as LogIndex;
  }
  /** Everything up to here has been handed out to be persisted. */
  get takenIndex(): LogIndex {
    return this.#takenIndex as LogIndex;
  }
  /** Records seen by this process and not committed. */
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }
  /** The first index whose body is in memory; `last.index + 1` when there is none. */
  get firstCached(): LogIndex {
    return this.#firstCached as LogIndex;
  }

  /** The term at `index`, from `start.index` to `last.index`. */
  termAt(index: LogIndex): Term {
    return index === this.#last.index ? this.#last.term : this.#runs.termAt(index);
  }

  /**
   * Whether the log has the entry `id` of a leader, and so the same prefix as it has. What was
   * compacted away is committed: every leader has it.
   */
  has(id: EntryId): boolean {
    return id.index < this.#startIndex ||
      (id.index <= this.#last.index && this.termAt(id.index) === id.term);
  }

  /** Whether a log that ends in `last` has everything that could be committed here (§3.6.1). */
  isUpToDate(last: EntryId): boolean {
    return isAtLeast(last, this.#last);
  }

  /**
   * The same of what is durable here. What was durable and has been replaced could not be committed;
   * behind a snapshot that is not durable yet nobody can say.
   */
  isStableUpToDate(last: EntryId): boolean {
    const index = this.stableIndex;
    if (index < this.#startIndex) return false;
    return isAtLeast(last, { index, term: this.termAt(index) });
  }

  /**
   * The largest entry at or before `at.index`, which is behind `start`, whose term is at most
   * `at.term` (§3.5); `start` when there is none.
   */
  lastUpToTerm(at: EntryId): EntryId {
    const from = Math.min(at.index, this.#last.index) as LogIndex;
    const index = this.#runs.lastIndexUpToTerm(from, at.term);
    return { index, term: this.termAt(index) };
  }

  /**
   * Where the entries begin that a follower may lack whose log can only match up to `conflict`; at
   * or before `start` when entries are among them that are here no more.
   */
  nextBehind(conflict: EntryId): LogIndex {
    const { start } = this;
    if (conflict.index < start.index) return (conflict.index + 1) as LogIndex;
    const { index } = this.lastUpToTerm(conflict);
    if (index === start.index && start.term > conflict.term) return start.index;
    return (index + 1) as LogIndex;
  }

  append(entry: LogEntry): void {
    if (entry.index !== this.#last.index + 1) {
      assert(
        false,
        `Cannot append entry ${entry.index}: found last index ${this.#last.index}, expected ${
          entry.index - 1
        }`,
      );
    }
    if (entry.term !== this.#last.term || this.#last.index === this.#startIndex) {
      this.#runs.extend(entry.index, entry.term);
    }
    this.#bodies.push(entry);
    this.#last = { term: entry.term, index: entry.index };
    this.#uncommittedBytes += entry.record.length;
  }

  /** Forgets the entries from `first` on, which another leader's entries are about to replace. */
  truncateFrom(first: LogIndex): void {
    assert(
      first > this.#commitIndex && first <= this.#last.index,
      `Cannot truncate log at ${first}: commit index is ${this.#commitIndex}, last is ${this.#last.index}`,
    );
    for (let at = Math.max(first, this.#firstCached); at <= this.#last.index; at++) {
      this.#uncommittedBytes -= (this.#bodies.pop() as LogEntry).record.length;
    }
    this.#runs.truncateFrom(first);
    this.#last = this.#entryIdAt(first - 1);
    if (this.#firstCached > first) this.#firstCached = first;
    if (this.#stableIndex >= first) this.#stableIndex = first - 1;
    if (this.#takenIndex >= first) this.#takenIndex = first - 1;
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    if (index > this.#last.index) {
      assert(
        false,
        `Cannot commit entry ${index}: found last index ${this.#last.index}; was this node's data directory replaced?`,
      );
    }
    const from = Math.max(this.#commitIndex + 1, this.#firstCached);
    for (let at = from; at <= index; at++) this.#uncommittedBytes -= this.#body(at).record.length;
    this.#commitIndex = index;
  }

  /** The disk's log begins behind `start`, which is applied and durable. */
  compactTo(start: EntryId): void {
    if (start.index <= this.#startIndex) return;
    assert(
      start.index <= this.#appliedIndex && start.index <= this.#stableIndex,
      `Cannot compact log to ${start.index}: applied index is ${this.#appliedIndex}, stable index is ${this.#stableIndex}`,
    );
    assert(
      this.termAt(start.index) === start.term,
      `Cannot compact log: entry ${start.index} has term ${
        this.termAt(start.index)
      }, expected ${start.term}`,
    );
    this.#runs.compactTo(start, this.#last.index);
    this.#startIndex = start.index;
    while (this.#firstCached <= start.index && this.#firstCached <= this.#last.index) this.#drop();
    this.#trim();
  }

  /**
   * The machine's state comes from a snapshot that ends with `last`. A log that has this entry
   * stays; else the log is empty now and begins behind it. Returns whether it was emptied.
   */
  restore(last: EntryId): boolean {
    const { index } = last;
    assert(index > this.#appliedIndex, `Cannot restore ${index}: that is applied already`);
    if (this.has(last)) {
      this.commitTo(index);
      this.appliedTo(index);
      return false;
    }
    assert(
      index > this.#commitIndex,
      `Cannot restore ${index} of term ${last.term}: commit index is ${this.#commitIndex}`,
    );
    this.#runs.reset(last);
    this.#startIndex = index;
    this.#last = last;
    this.#bodies = [];
    this.#head = 0;
    this.#firstCached = index + 1;
    this.#appliedBytes = 0;
    this.#uncommittedBytes = 0;
    this.#commitIndex = index;
    this.#appliedIndex = index;
    // Durable when the snapshot is.
    this.#stableIndex = 0;
    this.#takenIndex = index;
    return true;
  }

  /**
   * Committed entries up to `index`, known by their ids, come back from no member: who has not applied
   * them goes on from a snapshot.
   */
  lose(index: LogIndex): void {
    assert(
      index <= this.#commitIndex,
      `Cannot lose entry ${index}: commit index is ${this.#commitIndex}`,
    );
    this.#lostIndex = Math.max(this.#lostIndex, index);
  }

  /** The machine has applied up to `index`: bodies beyond the cache's bound are let go. */
  appliedTo(index: LogIndex): void {
    assert(
      index >= this.#appliedIndex && index <= this.#commitIndex,
      `Cannot set applied index to ${index}: it is ${this.#appliedIndex}, commit index is ${this.#commitIndex}`,
    );
    const from = Math.max(this.#appliedIndex + 1, this.#firstCached);
    for (let at = from; at <= index; at++) this.#appliedBytes += this.#body(at).record.length;
    this.#appliedIndex = index;
    this.#evict();
  }

  stableTo(index: LogIndex): void {
    if (index <= this.#stableIndex) return;
    assert(index <= this.#takenIndex, "Cannot set stable index beyond what was handed out");
    this.#stableIndex = index;
    this.#evict();
  }

  /** The entries that nobody was asked to persist yet; from now on they count as handed out. */
  take(): readonly LogEntry[] {
    const first = this.#takenIndex + 1;
    this.#takenIndex = this.#last.index;
    return this.#bodies.slice(this.#slot(first)) as LogEntry[];
  }

  /**
   * Consecutive entries from `first`, at most up to `last`, as many as fit in `bytesMax` and at
   * least one; undefined when the first is not in memory.
   */
  entries(first: LogIndex, last: LogIndex, bytesMax: number): readonly LogEntry[] | undefined {
    const end = Math.min(last, this.#last.index);
    if (first < this.#firstCached || first > end) return undefined;
    let bytes = this.#body(first).record.length;
    let at = first + 1;
    for (; at <= end; at++) {
      bytes += this.#body(at).record.length;
      if (bytes > bytesMax) break;
    }
    return this.#bodies.slice(this.#slot(first), this.#slot(at)) as LogEntry[];
  }

  #slot(index: number): number {
    return this.#head + index - this.#firstCached;
  }

  #body(index: number): LogEntry {
    return this.#bodies[this.#head + index - this.#firstCached] as LogEntry;
  }

  #entryIdAt(index: number): EntryId {
    return { index: index as LogIndex, term: this.#runs.termAt(index as LogIndex) };
  }

  #evict(): void {
    const evictable = Math.min(this.#appliedIndex, this.#stableIndex);
    while (this.#appliedBytes > this.#cacheBytesMax && this.#firstCached <= evictable) this.#drop();
    this.#trim();
  }

  /** Lets the first body go, which is applied and durable. */
  #drop(): void {
    this.#appliedBytes -= (this.#bodies[this.#head] as LogEntry).record.length;
    this.#bodies[this.#head] = undefined;
    this.#head++;
    this.#firstCached++;
  }

  #trim(): void {
    if (this.#head > SLOTS_FREE_MAX && this.#head * 2 > this.#bodies.length) {
      this.#bodies = this.#bodies.slice(this.#head);
      this.#head = 0;
    }
  }
}

function isAtLeast(a: EntryId, b: EntryId): boolean {
  return a.term !== b.term ? a.term > b.term : a.index >= b.index;
}
