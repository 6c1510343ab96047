/**
 * One numbered database: keys, values and deadlines. Looking a key up applies the rules of
 * `KeyspaceClock`: an expired key is missing, and a write that meets one removes it.
 */

import type { KeyspaceClock } from "./clock.ts";
import { DeadlineEntry, DeadlineHeap, type DeadlineMs } from "./deadline_heap.ts";
import { addUnordered, type DigestLanes, digestOfText, digestOfWord, newDigest } from "./digest.ts";
import { hashCode } from "./hash_code.ts";
import { HASH_SPACE, HashTable } from "./hash_table.ts";
import type { StateSummary } from "./state_summary.ts";
import type { DatabaseWalk } from "./database_walk.ts";
import { digestOfValue, typeOfValue, type Value } from "./value.ts";

export class Database {
  readonly #clock: KeyspaceClock;
  #values = new HashTable<Value>();
  #deadlines = new HashTable<DeadlineEntry>();
  #heap = new DeadlineHeap();
  /** While a snapshot takes the keys as they were: it is told before a key changes. */
  #walk: DatabaseWalk | undefined;
  /** Its number; changed by SWAPDB alone. */
  index: number;

  constructor(index: number, clock: KeyspaceClock) {
    this.index = index;
    this.#clock = clock;
  }

  /** Keys, those expired but not yet removed included, as DBSIZE counts them. */
  get size(): number {
    return this.#values.size;
  }

  /** Keys with a deadline. */
  get expires(): number {
    return this.#heap.size;
  }

  get nextDeadlineMs(): DeadlineMs | undefined {
    return this.#heap.nearest?.deadlineMs;
  }

  /** The value, or undefined when the key is missing or expired. */
  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    if (this.#heap.size !== 0 && this.#isGone(key)) return undefined;
    // Collections and arrays may be changed in place by whoever gets them.
    if (this.#walk !== undefined && typeof value === "object" && this.#clock.writing) {
      this.#walk.beforeChange(key);
    }
    return value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** Stores a value and drops the key's deadline. */
  set(key: string, value: Value): void {
    if (this.#walk !== undefined) this.#walk.beforeChange(key);
    this.#values.set(key, value);
    if (this.#heap.size !== 0) this.persist(key);
  }

  /** Stores a value with a deadline; a deadline not after the log's time removes the key. */
  setUntil(key: string, value: Value, deadlineMs: DeadlineMs): void {
    if (this.#walk !== undefined) this.#walk.beforeChange(key);
    this.#values.set(key, value);
    this.setDeadline(key, deadlineMs);
  }

  /** Stores a value and leaves the deadline as it is. The key must not be expired: `get` it first. */
  replace(key: string, value: Value): void {
    if (this.#walk !== undefined) this.#walk.beforeChange(key);
    this.#values.set(key, value);
  }

  /** True if the key was there, expired or not. */
  delete(key: string): boolean {
    if (this.#walk !== undefined) this.#walk.beforeRemoval(key);
    if (!this.#values.delete(key)) return false;
    if (this.#heap.size !== 0) this.#dropDeadline(key);
    return true;
  }

  /** The deadline of a key that is there, or undefined when it has none. */
  deadlineMs(key: string): DeadlineMs | undefined {
    return this.#heap.size === 0 ? undefined : this.#deadlines.get(key)?.deadlineMs;
  }

  /** Sets the deadline of a key that is there; a deadline not after the log's time removes the key. */
  setDeadline(key: string, deadlineMs: DeadlineMs): void {
    if (deadlineMs <= this.#clock.logMs) {
      this.delete(key);
      return;
    }
    if (this.#walk !== undefined) this.#walk.beforeChange(key);
    const entry = this.#deadlines.get(key);
    if (entry !== undefined) {
      this.#heap.change(entry, deadlineMs);
      return;
    }
    this.#addDeadline(key, deadlineMs);
  }

  #addDeadline(key: string, deadlineMs: DeadlineMs): void {
    const added = new DeadlineEntry(key, deadlineMs);
    this.#deadlines.set(key, added);
    this.#heap.add(added);
  }

  /** Drops the deadline; true if there was one. */
  persist(key: string): boolean {
    if (this.#walk !== undefined) this.#walk.beforeChange(key);
    return this.#dropDeadline(key);
  }

  #dropDeadline(key: string): boolean {
    const entry = this.#deadlines.get(key);
    if (entry === undefined) return false;
    this.#deadlines.delete(key);
    this.#heap.remove(entry);
    return true;
  }

  /** Removes a key whose deadline is not after the log's time; true if it did. */
  removeIfExpired(key: string): boolean {
    const entry = this.#deadlines.get(key);
    if (entry === undefined || entry.deadlineMs > this.#clock.logMs) return false;
    this.delete(key);
    this.#clock.expiredKeys++;
    return true;
  }

  clear(): void {
    // A walk goes on over the tables that it knows, which nobody changes any more.
    this.#walk = undefined;
    this.#values = new HashTable();
    this.#deadlines = new HashTable();
    this.#heap = new DeadlineHeap();
  }

  /** Keys whose deadline is not after `nowMs`, `limit` of them at most. */
  due(nowMs: number, limit: number): string[] {
    return this.#heap.due(nowMs, limit).map((entry) => entry.key);
  }

  /**
   * A page of live keys in the order of their hashes, about `count` of them, and where to go on
   * (`HASH_SPACE` at the end). See `HashTable` for what a walk guarantees.
   */
  page(cursor: number, count: number): { keys: string[]; next: number } {
    const page = this.#values.page(cursor, count);
    const keys: string[] = [];
    for (const [key] of page.entries) {
      if (this.#heap.size === 0 || !this.#isGone(key)) keys.push(key);
    }
    return { keys, next: page.next };
  }

  /** Makes room in an empty database for what a snapshot holds. */
  reserve(keys: number, expires: number): void {
    this.#values.reserve(keys);
    this.#deadlines.reserve(expires);
  }

  /** Stores what a snapshot holds, a deadline that has passed included; false if the key is there. */
  restore(key: string, value: Value, deadlineMs: DeadlineMs | undefined): boolean {
    const before = this.#values.size;
    this.#values.set(key, value);
    if (this.#values.size === before) return false;
    if (deadlineMs !== undefined) this.#addDeadline(key, deadlineMs);
    return true;
  }

  /** `walkOf` makes a walk from the tables; it is told of every change from now on. */
  beginWalk(
    walkOf: (values: HashTable<Value>, deadlines: HashTable<DeadlineEntry>) => DatabaseWalk,
  ): DatabaseWalk {
    return this.#walk = walkOf(this.#values, this.#deadlines);
  }

  /** Forgets the walk. */
  endWalk(): void {
    this.#walk = undefined;
  }

  /** Adds a summary of the keys whose hash is in `[from, to)`; the order of keys does not matter. */
  summarize(from: number, to: number, summary: StateSummary): void {
    for (let position = from; position < to && this.size > 0;) {
      const { entries, start, end } = this.#values.stretch(position);
      const whole = start >= from && end <= to;
      entries.forEach((value, key) => {
        const hash = hashCode(key);
        if (!whole && (hash < from || hash >= to)) return;
        summary.addKey(this.index, hash, value, this.deadlineMs(key));
      });
      position = end;
    }
  }

  /** The live keys that `wanted`, which changes nothing, takes, in the order of a walk. */
  keys(wanted: (key: string) => boolean): string[] {
    return this.#values.keysInOrder((key) =>
      (this.#heap.size === 0 || !this.#isGone(key)) && wanted(key)
    );
  }

  /** A live key, each about equally likely; undefined when there is none. */
  randomKey(unit: () => number): string | undefined {
    for (let tries = 0; tries < 100; tries++) {
      const entry = this.#values.sample(unit);
      if (entry === undefined) return undefined;
      if (this.#heap.size === 0 || !this.#isGone(entry[0])) return entry[0];
    }
    for (let cursor = 0; cursor < HASH_SPACE;) {
      const page = this.page(cursor, 1000);
      if (page.keys.length > 0) return page.keys[0];
      cursor = page.next;
    }
    return undefined;
  }

  /** Every key, value and deadline, those expired but not yet removed included; for snapshots. */
  forEach(visit: (key: string, value: Value, deadlineMs: DeadlineMs | undefined) => void): void {
    this.#values.forEach((value, key) => visit(key, value, this.deadlineMs(key)));
  }

  /** Mean time to live over at most 100 of the keys with a deadline, in ms; 0 without any. */
  averageTtlMs(nowMs: number): number {
    let sum = 0;
    let count = 0;
    for (const [, entry] of this.#deadlines) {
      sum += Math.max(0, Number(entry.deadlineMs) - nowMs);
      if (++count === 100) break;
    }
    return count === 0 ? 0 : Math.round(sum / count);
  }

  /** Adds the logical contents to `sum`; the order of keys does not matter. */
  digestInto(sum: DigestLanes): void {
    this.#values.forEach((value, key) => {
      const element = newDigest();
      digestOfWord(this.index, element);
      digestOfText(key, element);
      digestOfText(typeOfValue(value), element);
      digestOfValue(value, element);
      digestOfText(String(this.deadlineMs(key) ?? "none"), element);
      addUnordered(sum, element);
    });
  }

  /** Whether the key has expired; a write removes it, a read may note that the log is behind. */
  #isGone(key: string): boolean {
    const entry = this.#deadlines.get(key);
    if (entry === undefined) return false;
    const clock = this.#clock;
    if (entry.deadlineMs > clock.logMs) {
      if (clock.writing || entry.deadlineMs > clock.leaderMs) return false;
      clock.behind = true;
      return true;
    }
    if (clock.writing) {
      this.delete(key);
      clock.expiredKeys++;
    }
    return true;
  }
}
