/** The part of a snapshot's walk that one database sees. */

import type { DeadlineEntry, DeadlineMs } from "./deadline_heap.ts";
import type { HashTable } from "./hash_table.ts";
import { type FieldWalk, HashValue } from "./hash_value.ts";
import { TableWalk } from "./table_walk.ts";
import { copyOfValue, type Value } from "./value.ts";

/**
 * A key as it was when the walk began, until the walk goes on. The value must be used before the next
 * change of any key.
 */
export interface WalkedKey {
  /** Number of its database when the walk began. */
  readonly db: number;
  readonly key: string;
  /** A large hash is a walk over its fields, which its taker ends. */
  readonly value: Value | FieldWalk;
  readonly deadlineMs: DeadlineMs | undefined;
}

class CurrentKey implements WalkedKey {
  readonly db: number;
  key = "";
  value: Value | FieldWalk = "";
  deadlineMs: DeadlineMs | undefined;
  constructor(db: number) {
    this.db = db;
  }
}

export class DatabaseWalk {
  readonly db: number;
  readonly size: number;
  readonly expires: number;
  readonly #table: TableWalk<Value>;
  readonly #deadlines: HashTable<DeadlineEntry>;
  readonly #onTaken: (taken: WalkedKey) => void;
  readonly #current: CurrentKey;

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
    this.#current = new CurrentKey(db);
  }

  /** `key` or what it holds is about to change. */
  beforeChange(key: string): void {
    const value = this.#table.take(key);
    if (value === undefined) return;
    const frozen = isTable(value) ? value.beginWalk() : copyOfValue(value);
    this.#onTaken({ db: this.db, key, value: frozen, deadlineMs: this.#deadlineMs(key) });
  }

  beforeRemoval(key: string): void {
    this.beforeChange(key);
    this.#table.forget(key);
  }

  /** The next key that was not taken; undefined at the end. */
  next(): WalkedKey | undefined {
    if (!this.#table.next()) return undefined;
    const { key, value } = this.#table;
    const current = this.#current;
    current.key = key;
    current.value = isTable(value) ? value.beginWalk() : value;
    current.deadlineMs = this.#deadlineMs(key);
    return current;
  }

  #deadlineMs(key: string): DeadlineMs | undefined {
    return this.#deadlines.size === 0 ? undefined : this.#deadlines.get(key)?.deadlineMs;
  }
}

function isTable(value: Value): value is HashValue {
  return value instanceof HashValue && value.form === "table";
}
