/**
 * A map from byte strings that is walked in the order of a seedless hash. It is not a JavaScript
 * `Map`, because that one ends at 16.7 million entries, stops the world while it grows, and has no
 * cursor that outlives a change. Extendible hashing (Fagin et al. 1979): a directory of 2^depth
 * slots, indexed by the top bits of the hash, points at small buckets; a full bucket splits in two.
 *
 * Invariants: slot s points at the bucket of all hashes whose top bits are s; a bucket of depth d
 * fills 2^(depth - d) neighbouring slots; growth touches one bucket, and now and then the directory
 * (a pointer a bucket).
 *
 * Cursor: a position in hash space, 0 to 2^32. A walk that asks for the entries from `next` on until
 * it gets `HASH_SPACE` returns every entry that was present all the while exactly once, whatever
 * was added, removed or split meanwhile.
 */

import { assert } from "../base/mod.ts";
import { hashCode } from "./hash_code.ts";

/** One past the largest hash: where a walk ends. */
export const HASH_SPACE = 0x1_0000_0000;

const BUCKET_ENTRIES_MAX = 384;
const DEPTH_MAX = 26;
/** 2^16 buckets: room for 25 million entries. */
const RESERVED_DEPTH_MAX = 16;
/** The directory doubles only while it has fewer slots than entries / this: no growth by collision. */
const ENTRIES_A_SLOT_MIN = 24;

class Bucket<V> {
  readonly entries = new Map<string, V>();
  depth: number;
  /** Size at which to try the next split; raised when a split is refused. */
  splitAt = BUCKET_ENTRIES_MAX;
  constructor(depth: number) {
    this.depth = depth;
  }
}

/** The entries of one bucket: all whose hash is at least `start` and below `end`, in no order. */
export interface TableStretch<V> {
  readonly entries: ReadonlyMap<string, V>;
  readonly start: number;
  readonly end: number;
}

/** Entries of one stretch of hash space, in the order of their hashes. */
export interface TablePage<V> {
  readonly entries: readonly (readonly [string, V])[];
  /** Where to go on; `HASH_SPACE` at the end. */
  readonly next: number;
}

export class HashTable<V> {
  #depth = 0;
  #directory: Bucket<V>[] = [new Bucket<V>(0)];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#bucketOf(key).entries.get(key);
  }

  has(key: string): boolean {
    return this.#bucketOf(key).entries.has(key);
  }

  set(key: string, value: V): void {
    const bucket = this.#bucketOf(key);
    const before = bucket.entries.size;
    bucket.entries.set(key, value);
    const after = bucket.entries.size;
    if (after === before) return;
    this.#size++;
    if (after > bucket.splitAt) this.#split(bucket, key);
  }

  delete(key: string): boolean {
    if (!this.#bucketOf(key).entries.delete(key)) return false;
    this.#size--;
    if (this.#size === 0 && this.#depth > 0) this.clear();
    return true;
  }

  /**
   * Makes an empty table ready for about `entries` entries: then none is moved to another bucket while
   * they come. The directory gets as large as it would grow; a number too large costs 16 MB.
   */
  reserve(entries: number): void {
    assert(this.#size === 0, `Cannot reserve room in a table of ${this.#size} entries: want none`);
    let depth = 0;
    while (depth < RESERVED_DEPTH_MAX && entries > BUCKET_ENTRIES_MAX * 2 ** depth) depth++;
    this.#depth = depth;
    this.#directory = Array.from({ length: 2 ** depth }, () => new Bucket<V>(depth));
  }

  clear(): void {
    this.#depth = 0;
    this.#directory = [new Bucket<V>(0)];
    this.#size = 0;
  }

  /** All entries, in no order to rely on; the table must not change meanwhile. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (let slot = 0; slot < this.#directory.length;) {
      const bucket = this.#directory[slot];
      yield* bucket.entries;
      slot += 1 << (this.#depth - bucket.depth);
    }
  }

  /** Calls `visit` with every entry, in no order to rely on. It may delete entries, and add none. */
  forEach(visit: (value: V, key: string) => void): void {
    for (let slot = 0; slot < this.#directory.length;) {
      const bucket = this.#directory[slot];
      bucket.entries.forEach(visit);
      slot += 1 << (this.#depth - bucket.depth);
    }
  }

  /**
   * Calls `visit` with every entry in the order of a walk, which depends on the entries alone. It may
   * delete entries, and add none.
   */
  forEachInOrder(visit: (value: V, key: string) => void): void {
    for (let position = 0; position < HASH_SPACE;) {
      const bucket = this.#bucketAt(position);
      position = endOf(bucket, position);
      for (const { value, key } of ordered(bucket, 0, HASH_SPACE)) visit(value, key);
    }
  }

  /**
   * The keys that `wanted` takes, in the order of a walk, which depends on the entries alone. Only
   * those are put in order. `wanted` may delete the entry at hand.
   */
  keysInOrder(wanted: (key: string) => boolean): string[] {
    const keys: string[] = [];
    for (let position = 0; position < HASH_SPACE;) {
      const bucket = this.#bucketAt(position);
      position = endOf(bucket, position);
      const found: { hash: number; key: string }[] = [];
      bucket.entries.forEach((_value, key) => {
        if (wanted(key)) found.push({ hash: hashCode(key), key });
      });
      for (const { key } of found.sort(byHash)) keys.push(key);
    }
    return keys;
  }

  /**
   * At least `count` entries whose hash is `cursor` or above, fewer only at the end. All entries of
   * one hash are in one page, so a page may be longer.
   */
  page(cursor: number, count: number): TablePage<V> {
    const entries: (readonly [string, V])[] = [];
    let last = -1;
    for (let position = cursor; position < HASH_SPACE;) {
      const bucket = this.#bucketAt(position);
      for (const { hash, key, value } of ordered(bucket, position, HASH_SPACE)) {
        // The next entry's hash, not the bucket's end: the cursor depends on the entries alone, so
        // that a member restored from a snapshot, whose buckets differ, answers the same one.
        if (entries.length >= count && hash !== last) return { entries, next: hash };
        entries.push([key, value]);
        last = hash;
      }
      position = endOf(bucket, position);
    }
    return { entries, next: HASH_SPACE };
  }

  /** The bucket that holds the hash `position`; to be read before the next change. */
  stretch(position: number): TableStretch<V> {
    const bucket = this.#bucketAt(position);
    const end = endOf(bucket, position);
    return { entries: bucket.entries, start: end - HASH_SPACE / 2 ** bucket.depth, end };
  }

  /**
   * An entry drawn with `unit` (numbers in [0, 1)), each about equally likely. Depends on the entries
   * alone, not on how the buckets came about, so that every member draws the same one.
   */
  sample(unit: () => number): readonly [string, V] | undefined {
    if (this.#size === 0) return undefined;
    const width = Math.ceil((HASH_SPACE * SAMPLE_WINDOW) / this.#size);
    if (width >= HASH_SPACE) {
      const all = this.#between(0, HASH_SPACE);
      return asPair(all[Math.floor(unit() * all.length)]);
    }
    let from = 0;
    for (let tries = 0; tries < SAMPLE_TRIES; tries++) {
      // A window of hash space, around the end if need be, holds 16 entries on average. A place in it
      // is drawn among twice as many, so that a full window counts for more than an empty one.
      from = Math.floor(unit() * HASH_SPACE);
      const place = Math.floor(unit() * SAMPLE_WINDOW * 2);
      const found = this.#between(from, Math.min(from + width, HASH_SPACE));
      if (place >= found.length && from + width > HASH_SPACE) {
        found.push(...this.#between(0, from + width - HASH_SPACE));
      }
      if (place < found.length) return asPair(found[place]);
    }
    return (this.page(from, 1).entries[0] ?? this.page(0, 1).entries[0]);
  }

  /** Entries with a hash from `from` up to, and not including, `to`, in the order of their hashes. */
  #between(from: number, to: number): Placed<V>[] {
    const found: Placed<V>[] = [];
    for (let position = from; position < to;) {
      const bucket = this.#bucketAt(position);
      for (const placed of ordered(bucket, position, to)) found.push(placed);
      position = endOf(bucket, position);
    }
    return found;
  }

  #bucketAt(position: number): Bucket<V> {
    return this.#directory[this.#depth === 0 ? 0 : position >>> (32 - this.#depth)];
  }

  #bucketOf(key: string): Bucket<V> {
    // A shift by 32 is a shift by 0 in JavaScript, hence the case of its own.
    return this.#depth === 0
      ? this.#directory[0]
      : this.#directory[hashCode(key) >>> (32 - this.#depth)];
  }

  #split(bucket: Bucket<V>, key: string): void {
    if (bucket.depth === this.#depth && !this.#growDirectory()) {
      bucket.splitAt = bucket.entries.size * 2;
      return;
    }
    const depth = bucket.depth + 1;
    const low = new Bucket<V>(depth);
    const high = new Bucket<V>(depth);
    for (const [entryKey, value] of bucket.entries) {
      const side = (hashCode(entryKey) >>> (32 - depth)) & 1 ? high : low;
      side.entries.set(entryKey, value);
    }
    for (const side of [low, high]) {
      side.splitAt = Math.max(BUCKET_ENTRIES_MAX, side.entries.size + 1);
    }
    const half = 1 << (this.#depth - depth);
    const slot = hashCode(key) >>> (32 - this.#depth);
    const first = slot - slot % (2 * half);
    for (let i = 0; i < half; i++) {
      this.#directory[first + i] = low;
      this.#directory[first + half + i] = high;
    }
  }

  /** False when the table has too few entries for it: they only share their first bits. */
  #growDirectory(): boolean {
    const slots = this.#directory.length;
    if (this.#depth >= DEPTH_MAX || slots * ENTRIES_A_SLOT_MIN > this.#size) return false;
    const doubled = new Array<Bucket<V>>(slots * 2);
    for (let i = 0; i < slots; i++) {
      doubled[2 * i] = this.#directory[i];
      doubled[2 * i + 1] = this.#directory[i];
    }
    this.#directory = doubled;
    this.#depth++;
    return true;
  }
}

const SAMPLE_TRIES = 64;
/** Entries in a window of hash space, on average. */
const SAMPLE_WINDOW = 16;

interface Placed<V> {
  readonly hash: number;
  readonly key: string;
  readonly value: V;
}

/** Entries of a bucket with a hash in `[from, to)`, in order. */
function ordered<V>(bucket: Bucket<V>, from: number, to: number): Placed<V>[] {
  const found: Placed<V>[] = [];
  bucket.entries.forEach((value, key) => {
    const hash = hashCode(key);
    if (hash >= from && hash < to) found.push({ hash, key, value });
  });
  return found.sort(byHash);
}

/** By hash and then by key; no two keys are equal. */
function byHash(a: { hash: number; key: string }, b: { hash: number; key: string }): number {
  return a.hash - b.hash || (a.key < b.key ? -1 : 1);
}

/** Where the bucket that holds `position` ends in hash space. */
function endOf<V>(bucket: Bucket<V>, position: number): number {
  const width = HASH_SPACE / 2 ** bucket.depth;
  return Math.floor(position / width) * width + width;
}

function asPair<V>(placed: Placed<V>): readonly [string, V] {
  return [placed.key, placed.value];
}
