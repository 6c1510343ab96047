/**
 * Feeds committed entries to the machine in order, in slices short enough that heartbeats and other
 * clients never wait long. Entries come from the core's memory, or from disk after a restart.
 */

import { assert, LogIndex } from "../base/mod.ts";
import { commandOf, type LogEntry } from "../raft/mod.ts";

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
  /** One committed command, in order and without gaps. */
  applyCommand(payload: Uint8Array, index: LogIndex): void;
  /** The slice is over. */
  onApplied(index: LogIndex): void;
  /** More is committed than this slice has applied: call `advance` again in a later turn. */
  onMoreToApply(): void;
  /** The disk does not give back an entry that was committed. */
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
  #appliedIndex: LogIndex = LogIndex(0);
  #reading = false;

  constructor(source: ApplySource, target: ApplyTarget, nowMs: () => number) {
    this.#source = source;
    this.#target = target;
    this.#nowMs = nowMs;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
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
      const expected = this.#appliedIndex + 1;
      assert(
        entry.index === expected,
        `Cannot apply entry: found index ${entry.index}, expected ${expected}`,
      );
      if (entry.kind === "command") this.#target.applyCommand(commandOf(entry), entry.index);
      this.#appliedIndex = entry.index;
      if ((i & 15) === 15 && this.#nowMs() >= endMs) return;
    }
  }

  #read(first: LogIndex, last: LogIndex): void {
    this.#reading = true;
    this.#source.entriesOnDisk(first, last, READ_BYTES_MAX).then(
      (entries) => {
        this.#reading = false;
        this.#apply(entries, Infinity);
        this.#target.onApplied(this.#appliedIndex);
        this.#target.onMoreToApply();
      },
      (error) => this.#target.onReadFailed(error),
    );
  }
}
