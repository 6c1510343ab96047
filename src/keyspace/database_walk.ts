/** The part of a snapshot's walk that one database sees. */

import type { DeadlineEntry, DeadlineMs } from "./deadline_heap.ts";
import type { HashTable } from "./hash_table.ts";
import { type FieldWalk, HashValue } from "./hash_value.ts";
import { TableWalk } from "./table_walk.ts";
import { copyOfValue, type Value } from "./value.ts";

/** A key as it was when the walk began. The value must be used before the next change of any key. */
export interface WalkedKey {
  /** Number of its database when the walk began. */
  readonly db: number;
  readonly key: string;
  /** A large hash is a walk over its fields, which its taker ends. */
  readonly value: Value | FieldWalk;
  readonly deadlineMs: DeadlineMs | undefined;
}

export class DatabaseWalk {
  readonly db: number;
  readonly size: number;
  readonly expires: number;
  readonly #table: TableWalk<Value>;
  readonly #deadlines: HashTable<DeadlineEntry>;
  readonly #onTaken: (taken: WalkedKey) => void;

  /** `onTaken` gets the keys that are about to change. */
  constructor(
    db: number,
    values: HashTable<Value>,
    deadlines: HashTable<DeadlineEntry>,
    onTaken: (taken: WalkedKey) => void,
  ) {
    this.db = db;
    this.size = values.size;
    this.expires = deadlines.size;
    this.#table = new TableWalk(values);
    this.#deadlines = deadlines;
    this.#onTaken = onTaken;
  }

  /** `key` or what it holds is about to change. */
  beforeChange(key: string): void {
    const value = this.#table.take(key);
    if (value === undefined) return;
    const frozen = isTable(value) ? value.beginWalk() : copyOfValue(value);
    this.#onTaken(this.#walked(key, frozen));
  }

  beforeRemoval(key: string): void {
    this.beforeChange(key);
    this.#table.forget(key);
  }

  /** The next key that was not taken; undefined at the end. */
  next(): WalkedKey | undefined {
    const entry = this.#table.next();
    if (entry === undefined) return undefined;
    const [key, value] = entry;
    return this.#walked(key, isTable(value) ? value.beginWalk() : value);
  }

  #walked(key: string, value: Value | FieldWalk): WalkedKey {
    const deadlineMs = this.#deadlines.size === 0
      ? undefined
      : this.#deadlines.get(key)?.deadlineMs;
    return { db: this.db, key, value, deadlineMs };
  }
}

function isTable(value: Value): value is HashValue {
  return value instanceof HashValue && value.form === "table";
}
