/**
 * A simulated disk: writes become durable in order, after a sync that takes time; one sync covers
 * everything written before it began. A crash loses what no sync has covered, except that a random
 * prefix of the writes of the sync under way may have made it.
 */

import { type Prng, Term } from "../../../src/base/mod.ts";
import {
  ENTRY_ID_ZERO,
  type EntryId,
  type HardState,
  type LogEntry,
  type TermRun,
} from "../../../src/raft/mod.ts";
import type { EventQueue } from "./event_queue.ts";

interface Write {
  readonly hardState: HardState | undefined;
  readonly entries: readonly LogEntry[];
  readonly done: () => void;
}

export class SimulatedDisk {
  /** Durable, as a restart finds it. */
  hardState: HardState = { term: Term(0), votedFor: undefined };
  readonly log: LogEntry[] = [];
  syncMs: { min: number; max: number };
  readonly #events: EventQueue;
  readonly #prng: Prng;
  #waiting: Write[] = [];
  #syncing: Write[] = [];
  #life = 0;

  constructor(events: EventQueue, prng: Prng, syncMs: { min: number; max: number }) {
    this.#events = events;
    this.#prng = prng;
    this.syncMs = syncMs;
  }

  get last(): EntryId {
    const last = this.log.at(-1);
    return last === undefined ? ENTRY_ID_ZERO : { term: last.term, index: last.index };
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
    return this.log[id.index - 1]?.term === id.term;
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
    for (let index = first; index <= Math.min(last, this.log.length); index++) {
      const entry = this.log[index - 1];
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
    if (write.hardState !== undefined) this.hardState = write.hardState;
    const first = write.entries.at(0);
    if (first === undefined) return;
    if (first.index > this.log.length + 1) {
      throw new Error(`Cannot write entry ${first.index}: gap`);
    }
    this.log.length = first.index - 1;
    this.log.push(...write.entries);
  }
}
