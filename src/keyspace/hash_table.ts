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

import { hashCode } from "./hash_code.ts";

/** One past the largest hash: where a walk ends. */
export const HASH_SPACE = 0x1_0000_0000;

const BUCKET_ENTRIES_MAX = 384;
const DEPTH_MAX = 26;
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

  clear(): void {
    this.#depth = 0;
    this.#directory = [new Bucket<V>(0)];
    this.#size = 0;
  }

  /** All entries, by bucket; the table must not change meanwhile. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (let slot = 0; slot < this.#directory.length;) {
      const bucket = this.#directory[slot];
      yield* bucket.entries;
      slot += 1 << (this.#depth - bucket.depth);
    }
  }

  /** Calls `visit` with every entry; quicker than iterating. The table must not change meanwhile. */
  forEach(visit: (value: V, key: string) => void): void {
    for (let slot = 0; slot < this.#directory.length;) {
      const bucket = this.#directory[slot];
      bucket.entries.forEach(visit);
      slot += 1 << (this.#depth - bucket.depth);
    }
  }

  /**
   * At least `count` entries whose hash is `cursor` or above, fewer only at the end. All entries of
   * one hash are in one page, so a page may be longer.
   */
  page(cursor: number, count: number): TablePage<V> {
    const entries: (readonly [string, V])[] = [];
    let position = cursor;
    while (position < HASH_SPACE) {
      const slot = this.#depth === 0 ? 0 : position >>> (32 - this.#depth);
      const bucket = this.#directory[slot];
      const width = HASH_SPACE / 2 ** bucket.depth;
      const end = Math.floor(position / width) * width + width;
      const found: { hash: number; key: string; value: V }[] = [];
      for (const [key, value] of bucket.entries) {
        const hash = hashCode(key);
        if (hash >= position) found.push({ hash, key, value });
      }
      found.sort((a, b) => a.hash - b.hash || (a.key < b.key ? -1 : 1));
      for (let i = 0; i < found.length; i++) {
        if (entries.length >= count && found[i].hash !== found[i - 1]?.hash) {
          return { entries, next: found[i].hash };
        }
        entries.push([found[i].key, found[i].value]);
      }
      position = end;
      if (entries.length >= count) break;
    }
    return { entries, next: position };
  }

  /**
   * An entry drawn with `unit` (numbers in [0, 1)): a slot with probability by its share of the hash
   * space and then of the fullest bucket, so that every entry is about equally likely.
   */
  sample(unit: () => number): [string, V] | undefined {
    if (this.#size === 0) return undefined;
    for (let tries = 0; tries < SAMPLE_TRIES; tries++) {
      const bucket = this.#directory[Math.floor(unit() * this.#directory.length)];
      // Rejection: a bucket of n entries in a slot's width is kept with probability n / limit.
      const share = 2 ** (this.#depth - bucket.depth);
      const limit = Math.max(BUCKET_ENTRIES_MAX, bucket.entries.size);
      if (this.#directory.length > 1 && unit() * limit * share >= bucket.entries.size) continue;
      const entry = nth(bucket.entries, Math.floor(unit() * bucket.entries.size));
      if (entry !== undefined) return entry;
    }
    // Nearly empty after mass deletion: the first entry from a random position on, or from the start.
    const page = this.page(Math.floor(unit() * HASH_SPACE), 1);
    const first = page.entries[0] ?? this.page(0, 1).entries[0];
    return [first[0], first[1]];
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

function nth<V>(entries: Map<string, V>, index: number): [string, V] | undefined {
  let at = 0;
  for (const entry of entries) if (at++ === index) return entry;
  return undefined;
}
