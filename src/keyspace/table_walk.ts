/**
 * Takes every entry of a table as it was when the walk began, bucket by bucket, while the table
 * changes. The owner calls `take` before it changes an entry and `forget` when it removes one.
 *
 * Invariants: the hashes below `#position` are behind, but for the entries in `#ahead`, which are
 * those of the current bucket that were not given yet; of the hashes from `#position` on, the entries
 * in `#early` were given already or are new. So memory follows the table, not the number of changes.
 */

import { hashCode } from "./hash_code.ts";
import { HASH_SPACE, HashTable } from "./hash_table.ts";

export class TableWalk<V> {
  readonly #table: HashTable<V>;
  readonly #early = new HashTable<true>();
  #position = 0;
  #ahead = new Map<string, V>();
  #iterator: IterableIterator<[string, V]> = this.#ahead.entries();

  constructor(table: HashTable<V>) {
    this.#table = table;
  }

  /** Gives the entry of `key`, which is about to change, unless it is new or was given before. */
  take(key: string): V | undefined {
    const value = this.#ahead.get(key);
    if (value !== undefined) {
      this.#ahead.delete(key);
      return value;
    }
    if (hashCode(key) < this.#position || this.#early.has(key)) return undefined;
    this.#early.set(key, true);
    return this.#table.get(key);
  }

  /** `key`, which was taken, is removed. */
  forget(key: string): void {
    this.#early.delete(key);
  }

  /** The next entry; undefined at the end. */
  next(): readonly [string, V] | undefined {
    for (;;) {
      const found = this.#iterator.next();
      if (!found.done) {
        this.#ahead.delete(found.value[0]);
        return found.value;
      }
      if (this.#position >= HASH_SPACE) return undefined;
      this.#enter();
    }
  }

  #enter(): void {
    const { entries, start, end } = this.#table.stretch(this.#position);
    const position = this.#position;
    // Buckets join when the table is emptied: what is new below the position was never there.
    const whole = start === position;
    const ahead = new Map<string, V>();
    entries.forEach((value, key) => {
      if (!whole && hashCode(key) < position) return;
      if (this.#early.size > 0 && this.#early.delete(key)) return;
      ahead.set(key, value);
    });
    this.#ahead = ahead;
    this.#iterator = ahead.entries();
    this.#position = end;
  }
}
