/**
 * A simulated disk: writes become durable in order, after a sync that takes time; one sync covers
 * everything written before it began. A crash loses what no sync has covered, except that a random
 * prefix of the writes of the sync under way may have made it.
 */

import { LogIndex, type Prng, Term } from "../../../src/base/mod.ts";
import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  ENTRY_ID_ZERO,
  type EntryId,
  type HardState,
  type LogEntry,
  type PlacedConfiguration,
  type TermRun,
} from "../../../src/raft/mod.ts";
import type { EventQueue } from "./event_queue.ts";

/** A whole snapshot: the commands applied up to `last` are the machine's state. */
export interface LabSnapshot {
  readonly last: EntryId;
  readonly configuration: Configuration;
  readonly applied: readonly string[];
}

interface Write {
  readonly snapshot: LabSnapshot | undefined;
  readonly hardState: HardState | undefined;
  readonly entries: readonly LogEntry[];
  readonly done: () => void;
}

export class SimulatedDisk {
  /** Durable, as a restart finds it. */
  hardState: HardState = { term: Term(0), votedFor: undefined };
  /** The entry before the first one in `log`. */
  start: EntryId = ENTRY_ID_ZERO;
  readonly log: LogEntry[] = [];
  snapshot: LabSnapshot | undefined;
  /** The members at the first start. */
  readonly bootstrap: Configuration;
  syncMs: { min: number; max: number };
  /** Hears of each entry that is durable, and of the term of the one before it. */
  onStored: (entry: LogEntry, prevTerm: number | undefined) => void = () => {};
  readonly #events: EventQueue;
  readonly #prng: Prng;
  #waiting: Write[] = [];
  #syncing: Write[] = [];
  #life = 0;

  constructor(
    events: EventQueue,
    prng: Prng,
    syncMs: { min: number; max: number },
    bootstrap: Configuration,
  ) {
    this.bootstrap = bootstrap;
    this.#events = events;
    this.#prng = prng;
    this.syncMs = syncMs;
  }

  get last(): EntryId {
    const last = this.log.at(-1);
    return last === undefined ? this.start : { term: last.term, index: last.index };
  }

  /** Records of the log, and nothing else. */
  get logBytes(): number {
    return this.log.reduce((bytes, { record }) => bytes + record.length, 0);
  }

  entryAt(index: number): LogEntry | undefined {
    return this.log[index - this.start.index - 1];
  }

  /** The members that a restart knows of. */
  configurations(): PlacedConfiguration[] {
    const { snapshot } = this;
    const base = snapshot === undefined
      ? { index: LogIndex(0), configuration: this.bootstrap }
      : { index: snapshot.last.index, configuration: snapshot.configuration };
    const later = this.log.filter(({ kind, index }) =>
      kind === "configuration" && index > base.index
    );
    return [
      base,
      ...later.map((entry) => ({
        index: entry.index,
        configuration: decodeConfiguration(commandOf(entry)),
      })),
    ];
  }

  /** Takes a snapshot of what is applied and durable. */
  save(snapshot: LabSnapshot): void {
    if (snapshot.last.index > (this.snapshot?.last.index ?? 0)) this.snapshot = snapshot;
  }

  /** Gives up the entries up to `index`, which a snapshot covers. */
  compact(index: number): void {
    const entry = this.entryAt(index);
    if (entry === undefined || index > (this.snapshot?.last.index ?? 0)) {
      throw new Error(`Cannot compact the disk to entry ${index}`);
    }
    this.log.splice(0, index - this.start.index);
    this.start = { term: entry.term, index: entry.index };
  }

  get isIdle(): boolean {
    return this.#syncing.length === 0 && this.#waiting.length === 0;
  }

  termRuns(): TermRun[] {
    const runs: TermRun[] = [];
    for (const { term, index } of this.log) {
      if (runs.at(-1)?.term !== term) runs.push({ first: index, term });
    }
    return runs;
  }

  has(id: EntryId): boolean {
    return id.index <= this.start.index || this.entryAt(id.index)?.term === id.term;
  }

  write(write: Write): void {
    this.#waiting.push(write);
    if (this.#syncing.length === 0) this.#sync();
  }

  /** Loses what is not durable; callbacks of the lost writes never come. */
  crash(): void {
    this.#life++;
    const kept = this.#prng.between(0, this.#syncing.length);
    for (const write of this.#syncing.slice(0, kept)) this.#store(write);
    this.#syncing = [];
    this.#waiting = [];
  }

  /** Durable entries from `first`, as a driver reads them back. */
  read(first: number, last: number, bytesMax: number): LogEntry[] {
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let index = first; index <= Math.min(last, this.last.index); index++) {
      const entry = this.entryAt(index);
      if (entry === undefined) break;
      bytes += entry.record.length;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  #sync(): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
    const life = this.#life;
    this.#events.after(this.#prng.between(this.syncMs.min, this.syncMs.max), () => {
      if (life !== this.#life) return;
      const writes = this.#syncing;
      this.#syncing = [];
      for (const write of writes) {
        this.#store(write);
        write.done();
        if (life !== this.#life) return;
      }
      if (this.#waiting.length > 0 && this.#syncing.length === 0) this.#sync();
    });
  }

  #store(write: Write): void {
    if (write.snapshot !== undefined) {
      const { last } = write.snapshot;
      this.save(write.snapshot);
      if (!this.has(last)) {
        this.log.length = 0;
        this.start = last;
      }
    }
    if (write.hardState !== undefined) this.hardState = write.hardState;
    const first = write.entries.at(0);
    if (first === undefined) return;
    if (first.index > this.last.index + 1) {
      throw new Error(`Cannot write entry ${first.index}: gap`);
    }
    this.log.length = first.index - 1 - this.start.index;
    for (const entry of write.entries) {
      this.onStored(entry, this.log.length > 0 ? this.last.term : undefined);
      this.log.push(entry);
    }
  }
}
