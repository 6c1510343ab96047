/**
 * Hashes: fields with string values. Up to 512 fields a JavaScript `Map`, which keeps the order of
 * insertion as Redis's listpack does; above that a `HashTable`, whose walk has stable cursors.
 */

import { assert } from "../base/mod.ts";
import { addUnordered, type DigestLanes, digestOfText, newDigest } from "./digest.ts";
import { hashCode } from "./hash_code.ts";
import { HASH_SPACE, HashTable } from "./hash_table.ts";
import { copyOfString, stringLength, stringText, type StringValue } from "./string_value.ts";
import { TableWalk } from "./table_walk.ts";
import { Collection } from "./value.ts";

/** Redis's `hash-max-listpack-entries` and `hash-max-listpack-value`. */
const LISTPACK_ENTRIES_MAX = 512;
const LISTPACK_BYTES_MAX = 64;
/** Fields of a table that one summary takes. */
const FIELDS_A_ROUND = 512;

/**
 * How a hash is held. `listpack` and `ordered` keep the order of insertion, `ordered` because it was
 * a listpack once and has met a long field or value; `table` has the order of a walk.
 */
export type HashForm = "listpack" | "ordered" | "table";

/** The fields of a hash as they were when it began; see `TableWalk`. */
export class FieldWalk {
  readonly table: TableWalk<StringValue>;
  /** Number of fields when it began, and so of pairs that `next` gives. */
  readonly count: number;
  readonly #changed: (readonly [string, StringValue])[] = [];
  readonly #onEnd: () => void;

  constructor(fields: HashTable<StringValue>, onEnd: () => void) {
    this.table = new TableWalk(fields);
    this.count = fields.size;
    this.#onEnd = onEnd;
  }

  /** `field` is about to be set or removed. */
  beforeChange(field: string): void {
    const value = this.table.take(field);
    if (value !== undefined) this.#changed.push([field, value]);
  }

  /** A field and its value; undefined at the end. */
  next(): readonly [string, StringValue] | undefined {
    const changed = this.#changed.pop();
    if (changed !== undefined) return changed;
    return this.table.next() ? [this.table.key, this.table.value] : undefined;
  }

  /** The hash forgets the walk. */
  end(): void {
    this.#onEnd();
  }
}

export class HashValue extends Collection {
  override readonly typeName = "hash";
  #fields: Map<string, StringValue> | HashTable<StringValue>;
  /** Redis would hold it as a listpack. Never true again once false. */
  #listpack: boolean;
  /** While a snapshot takes the fields as they were. */
  #walk: FieldWalk | undefined;

  /** An empty hash; any form but the first is for one that is restored as it was. */
  constructor(form: HashForm = "listpack") {
    super();
    this.#fields = form === "table" ? new HashTable() : new Map();
    this.#listpack = form === "listpack";
  }

  get form(): HashForm {
    if (this.#fields instanceof HashTable) return "table";
    return this.#listpack ? "listpack" : "ordered";
  }

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
    if (this.#walk !== undefined) this.#walk.beforeChange(field);
    const before = this.#fields.size;
    this.#fields.set(field, value);
    if (this.#listpack && tooLong(field, value)) this.#listpack = false;
    if (this.#fields.size > LISTPACK_ENTRIES_MAX && this.#fields instanceof Map) this.#outgrow();
    return this.#fields.size !== before;
  }

  delete(field: string): boolean {
    const walk = this.#walk;
    if (walk === undefined) return this.#fields.delete(field);
    walk.beforeChange(field);
    walk.table.forget(field);
    return this.#fields.delete(field);
  }

  /** The fields of a table as of now, to be taken one by one while the hash changes. One at a time. */
  beginWalk(): FieldWalk {
    assert(this.#walk === undefined, "Cannot walk a hash: a walk of it has not ended");
    const table = this.#fields;
    assert(table instanceof HashTable, `Cannot walk a hash: its form is ${this.form}`);
    return this.#walk = new FieldWalk(table, () => this.#walk = undefined);
  }

  /** Calls `visit` with every field: in the order of insertion while small, then of a walk. */
  forEach(visit: (value: StringValue, field: string) => void): void {
    if (this.#fields instanceof HashTable) this.#fields.forEachInOrder(visit);
    else this.#fields.forEach(visit);
  }

  /**
   * Visits all fields of a small hash, or about `FIELDS_A_ROUND` of a table, in no order to rely on:
   * which ones depends on `round` and the number of fields, and every field has its turn.
   */
  forSomeFields(round: number, visit: (value: StringValue, field: string) => void): void {
    const fields = this.#fields;
    if (!(fields instanceof HashTable)) return fields.forEach(visit);
    const parts = Math.ceil(fields.size / FIELDS_A_ROUND);
    const from = Math.floor(HASH_SPACE / parts * (round % parts));
    const to = Math.floor(HASH_SPACE / parts * (round % parts + 1));
    for (let position = from; position < to;) {
      const { entries, end } = fields.stretch(position);
      entries.forEach((value, field) => {
        const hash = hashCode(field);
        if (hash >= from && hash < to) visit(value, field);
      });
      position = end;
    }
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
    const copy = new HashValue(this.form);
    this.#fields.forEach((value, field) => copy.#fields.set(field, copyOfString(value)));
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
