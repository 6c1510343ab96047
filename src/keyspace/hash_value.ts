/**
 * Hashes: fields with string values. Up to 512 fields a JavaScript `Map`, which keeps the order of
 * insertion as Redis's listpack does; above that a `HashTable`, whose walk has stable cursors.
 */

import { addUnordered, type DigestLanes, digestOfText, newDigest } from "./digest.ts";
import { HASH_SPACE, HashTable } from "./hash_table.ts";
import { copyOfString, stringLength, stringText, type StringValue } from "./string_value.ts";
import { Collection } from "./value.ts";

/** Redis's `hash-max-listpack-entries` and `hash-max-listpack-value`. */
const LISTPACK_ENTRIES_MAX = 512;
const LISTPACK_BYTES_MAX = 64;

export class HashValue extends Collection {
  override readonly typeName = "hash";
  #fields: Map<string, StringValue> | HashTable<StringValue> = new Map();
  /** Redis would hold it as a listpack. Never true again once false. */
  #listpack = true;

  override get size(): number {
    return this.#fields.size;
  }

  override encoding(): string {
    return this.#listpack ? "listpack" : "hashtable";
  }

  get(field: string): StringValue | undefined {
    return this.#fields.get(field);
  }

  has(field: string): boolean {
    return this.#fields.has(field);
  }

  /** True if the field is new. */
  set(field: string, value: StringValue): boolean {
    const before = this.#fields.size;
    this.#fields.set(field, value);
    if (this.#listpack && tooLong(field, value)) this.#listpack = false;
    if (this.#fields.size > LISTPACK_ENTRIES_MAX && this.#fields instanceof Map) this.#outgrow();
    return this.#fields.size !== before;
  }

  delete(field: string): boolean {
    return this.#fields.delete(field);
  }

  /** Calls `visit` with every field: in the order of insertion while small, then of a walk. */
  forEach(visit: (value: StringValue, field: string) => void): void {
    if (this.#fields instanceof HashTable) this.#fields.forEachInOrder(visit);
    else this.#fields.forEach(visit);
  }

  /**
   * A page of a walk: all fields at once while small, else about `count` in the order of their
   * hashes. `next` is `HASH_SPACE` at the end.
   */
  page(
    cursor: number,
    count: number,
  ): { entries: Iterable<readonly [string, StringValue]>; next: number } {
    if (this.#fields instanceof HashTable) return this.#fields.page(cursor, count);
    return { entries: this.#fields, next: HASH_SPACE };
  }

  /** A field, each about equally likely. The hash must not be empty. */
  sample(unit: () => number): readonly [string, StringValue] {
    if (this.#fields instanceof HashTable) {
      return this.#fields.sample(unit) as readonly [string, StringValue];
    }
    let skip = Math.floor(unit() * this.#fields.size);
    for (const entry of this.#fields) if (skip-- === 0) return entry;
    throw new RangeError("Cannot draw a field: the hash is empty");
  }

  override copy(): HashValue {
    const copy = new HashValue();
    if (this.#fields instanceof HashTable) copy.#fields = new HashTable();
    this.#fields.forEach((value, field) => copy.#fields.set(field, copyOfString(value)));
    copy.#listpack = this.#listpack;
    return copy;
  }

  override digestInto(lanes: DigestLanes): void {
    this.#fields.forEach((value, field) => {
      const element = newDigest();
      digestOfText(field, element);
      digestOfText(stringText(value), element);
      addUnordered(lanes, element);
    });
  }

  #outgrow(): void {
    const table = new HashTable<StringValue>();
    this.#fields.forEach((value, field) => table.set(field, value));
    this.#fields = table;
    this.#listpack = false;
  }
}

function tooLong(field: string, value: StringValue): boolean {
  return field.length > LISTPACK_BYTES_MAX || stringLength(value) > LISTPACK_BYTES_MAX;
}
