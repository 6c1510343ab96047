/** Model and property tests of the table against `Map`, and of what a walk promises. */

import { Prng } from "../../src/base/mod.ts";
import { HASH_SPACE, hashCode, HashTable } from "../../src/keyspace/mod.ts";
import { assert, assertEquals, assertLess } from "../support/assert.ts";

function walk(table: HashTable<number>, count: number, between: () => void = () => {}): string[] {
  const seen: string[] = [];
  for (let cursor = 0; cursor < HASH_SPACE;) {
    const page = table.page(cursor, count);
    assert(page.next > cursor, `a page must go on: ${page.next} after ${cursor}`);
    for (const [key] of page.entries) seen.push(key);
    cursor = page.next;
    between();
  }
  return seen;
}

Deno.test("model: a table does what a Map does, through splits and emptying", () => {
  for (const seed of [1, 2, 3]) {
    const random = new Prng(seed);
    const table = new HashTable<number>();
    const model = new Map<string, number>();
    const keys = 20_000;
    for (let i = 0; i < 120_000; i++) {
      const key = `key:${random.between(0, keys)}`;
      // First mostly inserts, then mostly deletes, so that it grows, shrinks and empties.
      if (random.chance(i < 60_000 ? 0.8 : 0.1)) {
        table.set(key, i);
        model.set(key, i);
      } else {
        assertEquals(table.delete(key), model.delete(key), `seed ${seed}`);
      }
      if (i % 1000 === 0) assertEquals(table.get(key), model.get(key), `seed ${seed}`);
    }
    assertEquals(table.size, model.size, `seed ${seed}`);
    assertEquals(new Map([...table].sort()), new Map([...model].sort()), `seed ${seed}`);
    assertEquals(walk(table, 10).sort(), [...model.keys()].sort(), `seed ${seed}`);
    for (const key of [...model.keys()]) assert(table.delete(key));
    assertEquals([table.size, [...table].length, table.has("key:1")], [0, 0, false]);
  }
});

Deno.test("a walk returns what stays exactly once, whatever is added and removed meanwhile", () => {
  for (const count of [1, 7, 1000]) {
    const random = new Prng(count);
    const table = new HashTable<number>();
    const stays = Array.from({ length: 3000 }, (_, i) => `stays:${i}`);
    for (const key of stays) table.set(key, 0);
    for (let i = 0; i < 2000; i++) table.set(`goes:${i}`, 0);
    let added = 0;
    const seen = walk(table, count, () => {
      for (let i = 0; i < 30 && added < 40_000; i++) table.set(`new:${added++}`, 0);
      for (let i = 0; i < 5; i++) table.delete(`goes:${random.between(0, 1999)}`);
    });
    assertEquals(seen.filter((key) => key.startsWith("stays:")).sort(), [...stays].sort());
    assertEquals(new Set(seen).size, seen.length, "an entry came twice");
  }
});

Deno.test("the order of a walk depends on the keys alone, not on how the table came about", () => {
  const keys = Array.from({ length: 5000 }, (_, i) => `k${i}`);
  const grown = new HashTable<number>();
  for (const key of keys) grown.set(key, 1);
  const shrunk = new HashTable<number>();
  for (let i = 0; i < 50_000; i++) shrunk.set(`other${i}`, 1);
  for (const key of keys.toReversed()) shrunk.set(key, 1);
  for (let i = 0; i < 50_000; i++) shrunk.delete(`other${i}`);
  assertEquals(walk(shrunk, 10), walk(grown, 10));
  const inOrder = (table: HashTable<number>) => {
    const seen: string[] = [];
    table.forEachInOrder((_value, key) => seen.push(key));
    return seen;
  };
  assertEquals(inOrder(shrunk), walk(grown, 10));
  assertEquals(shrunk.keysInOrder(() => true), walk(grown, 10));
  const few = (key: string) => key.endsWith("7");
  assertEquals(shrunk.keysInOrder(few), walk(grown, 10).filter(few));
  // As when a write meets keys that have expired.
  const emptied = shrunk.keysInOrder((key) => few(key) || !shrunk.delete(key));
  assertEquals(emptied, walk(grown, 10).filter(few));
  assertEquals(shrunk.size, emptied.length);
  assertEquals(shrunk.keysInOrder((key) => !shrunk.delete(key)), []);
  for (const key of keys.toReversed()) shrunk.set(key, 1);
  // Draws too: a member that was restored from a snapshot must draw what the others draw.
  const draws = (table: HashTable<number>) => {
    const random = new Prng(3);
    return Array.from({ length: 200 }, () => table.sample(() => random.unit())?.[0]);
  };
  assertEquals(draws(shrunk), draws(grown));
});

Deno.test("keys of one hash are in one page", () => {
  const byHash = new Map<number, string[]>();
  for (let i = 0; i < 400_000; i++) {
    const hash = hashCode(`c${i}`);
    byHash.set(hash, [...byHash.get(hash) ?? [], `c${i}`]);
  }
  const colliding = [...byHash.values()].filter((keys) => keys.length > 1);
  assert(colliding.length > 3, "400,000 keys must collide now and then");
  const table = new HashTable<number>();
  for (const key of colliding.flat()) table.set(key, 1);
  for (let cursor = 0; cursor < HASH_SPACE;) {
    const page = table.page(cursor, 1);
    const hashes = page.entries.map(([key]) => hashCode(key));
    for (const hash of hashes) {
      assertEquals(hashes.filter((other) => other === hash).length, byHash.get(hash)?.length);
    }
    cursor = page.next;
  }
});

Deno.test("keys chosen to share their first bits do not blow the directory up", () => {
  const table = new HashTable<number>();
  const chosen: string[] = [];
  for (let i = 0; chosen.length < 2000; i++) {
    if (hashCode(`x${i}`) >>> 22 === 5) chosen.push(`x${i}`);
  }
  for (const key of chosen) table.set(key, 1);
  const heapBefore = table.size;
  assertEquals(heapBefore, 2000);
  assertEquals(walk(table, 10).sort(), [...chosen].sort());
  for (let i = 0; i < 20_000; i++) table.set(`more${i}`, 1);
  assertEquals(walk(table, 10).length, 22_000);
});

Deno.test("a sample is about uniform", () => {
  const table = new HashTable<number>();
  for (let i = 0; i < 5000; i++) table.set(`k${i}`, i);
  const random = new Prng(11);
  const quarters = [0, 0, 0, 0];
  const drawn = new Set<number>();
  for (let i = 0; i < 20_000; i++) {
    const [, value] = table.sample(() => random.unit()) as readonly [string, number];
    quarters[Math.floor(value / 1250)]++;
    drawn.add(value);
  }
  for (const quarter of quarters) assertLess(Math.abs(quarter - 5000), 400, String(quarters));
  assert(drawn.size > 4700, `drew only ${drawn.size} of 5000`);
  for (let i = 0; i < 4999; i++) table.delete(`k${i}`);
  assertEquals(table.sample(() => random.unit())?.[0], "k4999");
  table.delete("k4999");
  assertEquals(table.sample(() => random.unit()), undefined);
});

Deno.test("a page and its cursor depend on the entries alone, not on how the buckets came about", () => {
  const shrunk = new HashTable<number>();
  const fresh = new HashTable<number>();
  for (let i = 0; i < 20_000; i++) shrunk.set(`key ${i}`, i);
  for (let i = 300; i < 20_000; i++) shrunk.delete(`key ${i}`);
  for (let i = 0; i < 300; i++) fresh.set(`key ${i}`, i);
  for (const count of [1, 7, 50]) {
    for (let cursor = 0; cursor < HASH_SPACE;) {
      const page = fresh.page(cursor, count);
      assertEquals(shrunk.page(cursor, count), page);
      cursor = page.next;
    }
  }
});

Deno.test("a table with room for more or fewer entries than come holds what any other holds", () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `key:${i}`);
  const plain = new HashTable<number>();
  for (const [i, key] of keys.entries()) plain.set(key, i);
  for (const room of [0, 1, 100, 3000, 1_000_000, Number.MAX_SAFE_INTEGER]) {
    const table = new HashTable<number>();
    table.reserve(room);
    for (const [i, key] of keys.entries()) table.set(key, i);
    assertEquals(walk(table, 10), walk(plain, 10), `room for ${room}`);
    for (const key of keys) assert(table.delete(key));
    assertEquals([table.size, [...table].length], [0, 0], `room for ${room}`);
  }
});
