/** All databases of a server and their common clock. */

import { assert } from "../base/mod.ts";
import { KeyspaceClock } from "./clock.ts";
import { Database } from "./database.ts";
import { KeyspaceWalk } from "./keyspace_walk.ts";
import { StateSummary } from "./state_summary.ts";
import { digestText, newDigest } from "./digest.ts";

/** A key whose time has come. */
export interface DueKey {
  readonly db: number;
  readonly key: string;
}

/** Databases Redis has unless told otherwise. */
export const DATABASES_DEFAULT = 16;

export class Keyspace {
  readonly #clock = new KeyspaceClock();
  readonly #databases: Database[];
  #walk: KeyspaceWalk | undefined;
  /** Where the next search for due keys begins, so that no database starves the others. */
  #dueFrom = 0;

  constructor(databases = DATABASES_DEFAULT) {
    assert(
      Number.isInteger(databases) && databases >= 1,
      `Cannot make a keyspace of ${databases} databases: want at least one`,
    );
    this.#databases = Array.from({ length: databases }, (_, i) => new Database(i, this.#clock));
  }

  /** How many databases there are. */
  get databases(): number {
    return this.#databases.length;
  }

  /** Database `index`; asserts that it exists. Ask again after SWAPDB. */
  db(index: number): Database {
    const database = this.#databases[index];
    assert(database !== undefined, `Cannot use database ${index}: there are ${this.databases}`);
    return database;
  }

  /** Write commands of an entry stamped `stampMs` run from here on. Stamps never decrease. */
  beginWrite(stampMs: number): void {
    const clock = this.#clock;
    assert(
      stampMs >= clock.logMs,
      `Cannot apply an entry stamped ${stampMs}: the log's time is ${clock.logMs} already`,
    );
    clock.logMs = stampMs;
    clock.leaderMs = stampMs;
    clock.writing = true;
    clock.behind = false;
  }

  /**
   * A read runs from here on: a key with a deadline up to `logMs` is missing; one with a deadline
   * after it and up to `leaderMs` sets `readBehind`, and then the reply must be thrown away.
   */
  beginRead(logMs: number, leaderMs: number): void {
    const clock = this.#clock;
    clock.logMs = Math.max(clock.logMs, logMs);
    clock.leaderMs = Math.max(clock.logMs, leaderMs);
    clock.writing = false;
    clock.behind = false;
  }

  /** Whether the read since `beginRead` met a key whose deadline the log has not reached yet. */
  get readBehind(): boolean {
    return this.#clock.behind;
  }

  /** The log's time: the last stamp, ms since 1970. */
  get logMs(): number {
    return this.#clock.logMs;
  }

  /** Keys removed since the start because their time had come. */
  get expiredKeys(): number {
    return this.#clock.expiredKeys;
  }

  /** Restores the counter of a snapshot. */
  set expiredKeys(count: number) {
    this.#clock.expiredKeys = count;
  }

  /** The nearest deadline of all, ms since 1970; undefined without any. */
  get nextDeadlineMs(): number | undefined {
    let nearest: number | undefined;
    for (const database of this.#databases) {
      const deadlineMs = database.nextDeadlineMs;
      if (deadlineMs === undefined) continue;
      if (nearest === undefined || deadlineMs < nearest) nearest = Number(deadlineMs);
    }
    return nearest;
  }

  /** Keys whose deadline is not after `nowMs`, at most `limit`, for a logged removal. */
  dueKeys(nowMs: number, limit: number): DueKey[] {
    const due: DueKey[] = [];
    const count = this.#databases.length;
    for (let i = 0; i < count && due.length < limit; i++) {
      const database = this.#databases[(this.#dueFrom + i) % count];
      if (database.expires === 0) continue;
      const keys = database.due(nowMs, limit - due.length);
      for (const key of keys) due.push({ db: database.index, key });
    }
    if (due.length === limit) this.#dueFrom = (this.#dueFrom + 1) % count;
    return due;
  }

  /** Removes `key` if its deadline is not after the log's time; true if it did. For a write. */
  removeIfExpired(db: number, key: string): boolean {
    return this.db(db).removeIfExpired(key);
  }

  /** Exchanges the contents of two databases. */
  swap(a: number, b: number): void {
    const first = this.db(a);
    const second = this.db(b);
    this.#databases[a] = second;
    this.#databases[b] = first;
    first.index = b;
    second.index = a;
  }

  /** Every key as of now, to be taken one by one while writes go on. One walk at a time. */
  beginWalk(): KeyspaceWalk {
    assert(this.#walk === undefined, "Cannot walk the keyspace: a walk has not ended");
    return this.#walk = new KeyspaceWalk(this.#databases, () => this.#walk = undefined);
  }

  /** Empties every database. */
  clear(): void {
    for (const database of this.#databases) database.clear();
  }

  /** Keys of all databases. */
  get size(): number {
    let size = 0;
    for (const database of this.#databases) size += database.size;
    return size;
  }

  /** A summary of the keys of every database whose hash is in `[from, to)`; see `StateSummary`. */
  summarize(from: number, to: number, round: number): StateSummary {
    const summary = new StateSummary(round);
    for (const database of this.#databases) {
      if (database.size > 0) database.summarize(from, to, summary);
    }
    return summary;
  }

  /**
   * 32 hexadecimal digits, the same for two keyspaces if and (but for chance) only if every database
   * has the same keys with the same types, values and deadlines. Walks everything.
   */
  digest(): string {
    const sum = newDigest();
    for (const database of this.#databases) database.digestInto(sum);
    return digestText(sum);
  }
}
