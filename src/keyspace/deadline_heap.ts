/**
 * The deadlines of one database, nearest first. Every key with a deadline has one entry that knows
 * its own place, so that a change or a removal leaves nothing behind: memory follows the live
 * deadlines. A heap of four children a node, in chunks, because growing one long array copies it.
 */

import { assert } from "../base/mod.ts";

/** ms since 1970; a bigint only beyond 2^53 - 1, which Redis accepts and reports exactly. */
export type DeadlineMs = number | bigint;

export class DeadlineEntry {
  readonly key: string;
  deadlineMs: DeadlineMs;
  /** Place in the heap. */
  at = -1;
  constructor(key: string, deadlineMs: DeadlineMs) {
    this.key = key;
    this.deadlineMs = deadlineMs;
  }
}

const CHUNK_BITS = 12;
const CHUNK = 1 << CHUNK_BITS;
const CHILDREN = 4;

export class DeadlineHeap {
  #chunks: DeadlineEntry[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The entry with the nearest deadline. */
  get nearest(): DeadlineEntry | undefined {
    return this.#size === 0 ? undefined : this.#chunks[0][0];
  }

  add(entry: DeadlineEntry): void {
    if (this.#size === this.#chunks.length * CHUNK) this.#chunks.push([]);
    this.#size++;
    this.#rise(entry, this.#size - 1);
  }

  /** Moves an entry of the heap to where its new deadline belongs. */
  change(entry: DeadlineEntry, deadlineMs: DeadlineMs): void {
    const later = deadlineMs > entry.deadlineMs;
    entry.deadlineMs = deadlineMs;
    if (later) this.#sink(entry, entry.at);
    else this.#rise(entry, entry.at);
  }

  remove(entry: DeadlineEntry): void {
    const at = entry.at;
    assert(
      at >= 0 && at < this.#size && this.#get(at) === entry,
      `Cannot remove a deadline: its place ${at} holds another`,
    );
    entry.at = -1;
    this.#size--;
    const last = this.#get(this.#size);
    this.#chunks[this.#size >> CHUNK_BITS].pop();
    if (this.#size <= (this.#chunks.length - 2) * CHUNK) this.#chunks.pop();
    if (last === entry) return;
    if (last.deadlineMs < entry.deadlineMs) this.#rise(last, at);
    else this.#sink(last, at);
  }

  /** Entries with a deadline of at most `nowMs`, `limit` of them at most, in no particular order. */
  due(nowMs: number, limit: number): DeadlineEntry[] {
    const found: DeadlineEntry[] = [];
    const open: number[] = this.#size > 0 ? [0] : [];
    while (open.length > 0 && found.length < limit) {
      const at = open.pop() as number;
      const entry = this.#get(at);
      if (entry.deadlineMs > nowMs) continue;
      found.push(entry);
      const first = at * CHILDREN + 1;
      for (let child = Math.min(first + CHILDREN, this.#size) - 1; child >= first; child--) {
        open.push(child);
      }
    }
    return found;
  }

  #get(at: number): DeadlineEntry {
    return this.#chunks[at >> CHUNK_BITS][at & (CHUNK - 1)];
  }

  #put(entry: DeadlineEntry, at: number): void {
    this.#chunks[at >> CHUNK_BITS][at & (CHUNK - 1)] = entry;
    entry.at = at;
  }

  #rise(entry: DeadlineEntry, from: number): void {
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 2;
      const parent = this.#get(parentAt);
      if (parent.deadlineMs <= entry.deadlineMs) break;
      this.#put(parent, at);
      at = parentAt;
    }
    this.#put(entry, at);
  }

  #sink(entry: DeadlineEntry, from: number): void {
    let at = from;
    for (;;) {
      const first = at * CHILDREN + 1;
      const end = Math.min(first + CHILDREN, this.#size);
      let least: DeadlineEntry | undefined;
      for (let child = first; child < end; child++) {
        const candidate = this.#get(child);
        if (least === undefined || candidate.deadlineMs < least.deadlineMs) least = candidate;
      }
      if (least === undefined || least.deadlineMs >= entry.deadlineMs) break;
      const next = least.at;
      this.#put(least, at);
      at = next;
    }
    this.#put(entry, at);
  }
}
