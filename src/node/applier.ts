/**
 * Feeds committed entries to the machine in order, in slices short enough that heartbeats and other
 * clients never wait long. Entries come from the core's memory, or from disk after a restart.
 */

import { assert, LogIndex } from "../base/mod.ts";
import type { LogEntry } from "../raft/mod.ts";

export interface ApplySource {
  readonly commitIndex: LogIndex;
  /**
   * From here on entries are in memory, and only there: what the disk holds at their place may be a
   * suffix that was replaced and not overwritten yet.
   */
  readonly firstInMemory: LogIndex;
  /** From memory; undefined when they are only on disk. */
  entriesInMemory(
    first: LogIndex,
    last: LogIndex,
    bytesMax: number,
  ): readonly LogEntry[] | undefined;
  entriesOnDisk(first: LogIndex, last: LogIndex, bytesMax: number): Promise<readonly LogEntry[]>;
}

export interface ApplyTarget {
  /** One committed entry, in order and without gaps. */
  apply(entry: LogEntry): void;
  /** The slice is over. */
  onApplied(index: LogIndex): void;
  /** More is committed than this slice has applied: call `advance` again in a later turn. */
  onMoreToApply(): void;
  /** The disk does not give back an entry that was committed: waits for `retryRead`. */
  onReadFailed(error: unknown): void;
}

/** Bytes read at once; also the least a slice applies. */
const READ_BYTES_MAX = 1 << 20;
/** A slice ends after this time. */
const SLICE_MS = 5;

export class Applier {
  readonly #source: ApplySource;
  readonly #target: ApplyTarget;
  readonly #nowMs: () => number;
  #appliedIndex: LogIndex;
  #reading = false;
  /** Rises when another machine takes over: what was read for the last one is of no use. */
  #generation = 0;

  /** `appliedIndex`: where the machine is. */
  constructor(
    source: ApplySource,
    target: ApplyTarget,
    nowMs: () => number,
    appliedIndex: LogIndex,
  ) {
    this.#source = source;
    this.#target = target;
    this.#nowMs = nowMs;
    this.#appliedIndex = appliedIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The machine is another one now, which has applied up to `appliedIndex`. */
  restartAt(appliedIndex: LogIndex): void {
    this.#generation++;
    this.#reading = false;
    this.#appliedIndex = appliedIndex;
  }

  /** What could not be read may be readable now. */
  retryRead(): void {
    if (!this.#reading) return;
    this.#generation++;
    this.#reading = false;
    this.#target.onMoreToApply();
  }

  /** Applies what is committed, as far as the time of one slice reaches. */
  advance(): void {
    const before = this.#appliedIndex;
    const endMs = this.#nowMs() + SLICE_MS;
    while (!this.#reading && this.#appliedIndex < this.#source.commitIndex) {
      if (this.#appliedIndex > before && this.#nowMs() >= endMs) break;
      const first = LogIndex(this.#appliedIndex + 1);
      const last = this.#source.commitIndex;
      const entries = this.#source.entriesInMemory(first, last, READ_BYTES_MAX);
      if (entries === undefined) {
        this.#read(first, LogIndex(Math.min(last, this.#source.firstInMemory - 1)));
        break;
      }
      this.#apply(entries, endMs);
    }
    if (this.#appliedIndex > before) this.#target.onApplied(this.#appliedIndex);
    if (!this.#reading && this.#appliedIndex < this.#source.commitIndex) {
      this.#target.onMoreToApply();
    }
  }

  #apply(entries: readonly LogEntry[], endMs: number): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry.index !== this.#appliedIndex + 1) {
        const expected = this.#appliedIndex + 1;
        assert(false, `Cannot apply entry: found index ${entry.index}, expected ${expected}`);
      }
      this.#target.apply(entry);
      this.#appliedIndex = entry.index;
      if ((i & 15) === 15 && this.#nowMs() >= endMs) return;
    }
  }

  #read(first: LogIndex, last: LogIndex): void {
    this.#reading = true;
    const generation = this.#generation;
    this.#source.entriesOnDisk(first, last, READ_BYTES_MAX).then(
      (entries) => {
        if (generation !== this.#generation) return;
        this.#reading = false;
        this.#apply(entries, Infinity);
        this.#target.onApplied(this.#appliedIndex);
        this.#target.onMoreToApply();
      },
      (error) => {
        if (generation === this.#generation) this.#target.onReadFailed(error);
      },
    );
  }
}
