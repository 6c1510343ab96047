/**
 * Takes every entry of a table as it was when the walk began, bucket by bucket, while the table
 * changes. The owner calls `take` before it changes an entry and `forget` when it removes one.
 *
 * Invariants: the hashes below `#position` are behind, but for the entries of the current bucket,
 * `[#start, #position)`, that were not given yet; of the hashes from `#position` on, the entries in
 * `#early` were given already or are new. So memory follows the table, not the number of changes.
 *
 * A step makes no object: a walk that leaves garbage for each entry makes the collector stop the
 * world, and that is longer than any step.
 */

import { hashCode } from "./hash_code.ts";
import { HASH_SPACE, HashTable } from "./hash_table.ts";

export class TableWalk<V> {
  readonly #table: HashTable<V>;
  readonly #early = new HashTable<true>();
  #start = 0;
  #position = 0;
  /** The current bucket, in the first `#count` places: those from `#at` on with a value are to come. */
  readonly #keys: string[] = [];
  readonly #values: (V | undefined)[] = [];
  #count = 0;
  #at = 0;
  #key = "";
  #value: V | undefined;

  constructor(table: HashTable<V>) {
    this.#table = table;
  }

  /** Gives the entry of `key`, which is about to change, unless it is new or was given before. */
  take(key: string): V | undefined {
    const hash = hashCode(key);
    if (hash < this.#start) return undefined;
    if (hash < this.#position) return this.#takeOfBucket(key);
    if (this.#early.has(key)) return undefined;
    this.#early.set(key, true);
    return this.#table.get(key);
  }

  /** `key`, which was taken, is removed. */
  forget(key: string): void {
    this.#early.delete(key);
  }

  /** Goes on to the next entry, `key` and `value`; false at the end. */
  next(): boolean {
    for (;;) {
      while (this.#at < this.#count) {
        const at = this.#at++;
        this.#value = this.#values[at];
        if (this.#value === undefined) continue;
        this.#key = this.#keys[at];
        this.#values[at] = undefined;
        return true;
      }
      if (this.#position >= HASH_SPACE) return false;
      this.#enter();
    }
  }

  /** Of the entry that `next` went to. */
  get key(): string {
    return this.#key;
  }

  get value(): V {
    return this.#value as V;
  }

  #takeOfBucket(key: string): V | undefined {
    const at = this.#keys.indexOf(key, this.#at);
    if (at === -1 || at >= this.#count) return undefined;
    const value = this.#values[at];
    this.#values[at] = undefined;
    return value;
  }

  #enter(): void {
    const position = this.#position;
    const { entries, start, end } = this.#table.stretch(position);
    // Buckets join when the table is emptied: what is new below the position was never there.
    const whole = start === position;
    let count = 0;
    entries.forEach((value, key) => {
      if (!whole && hashCode(key) < position) return;
      if (this.#early.size > 0 && this.#early.delete(key)) return;
      this.#keys[count] = key;
      this.#values[count++] = value;
    });
    this.#count = count;
    this.#at = 0;
    this.#start = position;
    this.#position = end;
  }
}
