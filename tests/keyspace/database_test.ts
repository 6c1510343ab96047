/** Deadlines, the rules of time (architecture D5) and the digest. */

import { Prng } from "../../src/base/mod.ts";
import { HASH_SPACE, HashValue, Keyspace, stringValue } from "../../src/keyspace/mod.ts";
import { assert, assertEquals, assertNotEquals, assertThrows } from "../support/assert.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("a write that meets an expired key removes it and counts it", () => {
  const keyspace = new Keyspace();
  const db = keyspace.db(0);
  keyspace.beginWrite(1000);
  db.set("k", 1);
  db.setDeadline("k", 1500);
  keyspace.beginWrite(1499);
  assertEquals(db.get("k"), 1);
  keyspace.beginWrite(1500);
  assertEquals(db.get("k"), undefined);
  assertEquals([db.size, db.expires, keyspace.expiredKeys], [0, 0, 1]);
});

Deno.test("a read changes nothing: expired is missing, expired for the leader alone is behind", () => {
  const keyspace = new Keyspace();
  const db = keyspace.db(0);
  keyspace.beginWrite(1000);
  db.set("k", 1);
  db.setDeadline("k", 1500);
  const digest = keyspace.digest();
  const cases: [number, number, unknown, boolean][] = [
    [1000, 1499, 1, false],
    [1000, 1500, undefined, true],
    [1500, 1500, undefined, false],
    [1500, 9000, undefined, false],
  ];
  for (const [logMs, leaderMs, value, behind] of cases) {
    keyspace.beginRead(logMs, leaderMs);
    assertEquals([db.get("k"), keyspace.readBehind], [value, behind], `${logMs} ${leaderMs}`);
    keyspace.beginRead(logMs, leaderMs);
    assertEquals(db.page(0, 10).keys.length, value === undefined ? 0 : 1);
    assertEquals(keyspace.readBehind, behind);
  }
  assertEquals([db.size, keyspace.expiredKeys, keyspace.digest()], [1, 0, digest]);
});

Deno.test("stamps that go back are a bug", () => {
  const keyspace = new Keyspace();
  keyspace.beginWrite(1000);
  assertThrows(() => keyspace.beginWrite(999), Error, "stamped 999");
});

Deno.test("a logged removal removes only what is due by the log's time", () => {
  const keyspace = new Keyspace();
  keyspace.beginWrite(1000);
  for (const [db, key, deadlineMs] of [[0, "a", 1100], [3, "b", 1200], [3, "c", 9000]] as const) {
    keyspace.db(db).set(key, 1);
    keyspace.db(db).setDeadline(key, deadlineMs);
  }
  assertEquals(keyspace.nextDeadlineMs, 1100);
  assertEquals(keyspace.dueKeys(1050, 10), []);
  assertEquals(keyspace.dueKeys(1200, 10), [{ db: 0, key: "a" }, { db: 3, key: "b" }]);
  assertEquals(keyspace.dueKeys(1200, 1).length, 1);
  keyspace.beginWrite(1150);
  assertEquals(keyspace.removeIfExpired(0, "a"), true);
  assertEquals(keyspace.removeIfExpired(0, "a"), false);
  assertEquals(keyspace.removeIfExpired(3, "b"), false);
  assertEquals(keyspace.removeIfExpired(5, "none"), false);
  assertEquals([keyspace.expiredKeys, keyspace.size, keyspace.nextDeadlineMs], [1, 2, 1200]);
});

Deno.test("no database starves the others of their removals", () => {
  const keyspace = new Keyspace();
  keyspace.beginWrite(1);
  for (let i = 0; i < 100; i++) {
    for (const db of [0, 7]) {
      keyspace.db(db).set(`k${i}`, 1);
      keyspace.db(db).setDeadline(`k${i}`, 10 + i);
    }
  }
  const seen = new Set<number>();
  for (let i = 0; i < 16; i++) for (const due of keyspace.dueKeys(1000, 10)) seen.add(due.db);
  assertEquals([...seen].sort(), [0, 7]);
});

Deno.test("model: deadlines set, changed, dropped and due", () => {
  for (const seed of [1, 2, 3, 4]) {
    const random = new Prng(seed);
    const keyspace = new Keyspace(1);
    const db = keyspace.db(0);
    const model = new Map<string, number>();
    let nowMs = 0;
    keyspace.beginWrite(nowMs);
    for (let i = 0; i < 30_000; i++) {
      const key = `k${random.between(0, 6000)}`;
      const choice = random.unit();
      if (choice < 0.6) {
        db.set(key, 1);
        db.setDeadline(key, nowMs + random.between(1, 5000));
        model.set(key, Number(db.deadlineMs(key)));
      } else if (choice < 0.7) {
        assertEquals(db.persist(key), model.delete(key), `seed ${seed}`);
      } else if (choice < 0.8) {
        db.delete(key);
        model.delete(key);
      } else if (choice < 0.9) {
        db.set(key, 2);
        model.delete(key);
      } else if (i % 50 === 0) {
        nowMs += 300;
        keyspace.beginWrite(nowMs);
        const due = keyspace.dueKeys(nowMs, 1_000_000).map(({ key }) => key).sort();
        const expected = [...model].filter(([, at]) => at <= nowMs).map(([key]) => key).sort();
        assertEquals(due, expected, `seed ${seed}`);
        for (const key of due) {
          assert(keyspace.removeIfExpired(0, key), `seed ${seed}`);
          model.delete(key);
        }
      }
      assertEquals(db.expires, model.size, `seed ${seed}`);
    }
    const nearest = model.size === 0 ? undefined : Math.min(...model.values());
    assertEquals(keyspace.nextDeadlineMs, nearest, `seed ${seed}`);
  }
});

Deno.test("deadlines beyond 2^53 keep their order and their last digit", () => {
  const keyspace = new Keyspace();
  const db = keyspace.db(0);
  keyspace.beginWrite(1);
  const deadlines = [9223372036854775807n, 9007199254740993n, 5000, 9007199254740992n];
  deadlines.forEach((deadlineMs, i) => {
    db.set(`k${i}`, 1);
    db.setDeadline(`k${i}`, deadlineMs);
  });
  assertEquals(deadlines.map((_, i) => db.deadlineMs(`k${i}`)), deadlines);
  assertEquals(keyspace.nextDeadlineMs, 5000);
  db.persist("k2");
  assertEquals(db.nextDeadlineMs, 9007199254740992n);
});

Deno.test("swapping databases takes their deadlines along", () => {
  const keyspace = new Keyspace();
  keyspace.beginWrite(1);
  keyspace.db(0).set("k", 1);
  keyspace.db(0).setDeadline("k", 100);
  keyspace.swap(0, 5);
  assertEquals([keyspace.db(0).size, keyspace.db(5).size, keyspace.db(5).index], [0, 1, 5]);
  assertEquals(keyspace.dueKeys(200, 5), [{ db: 5, key: "k" }]);
  keyspace.clear();
  assertEquals([keyspace.size, keyspace.nextDeadlineMs, keyspace.dueKeys(200, 5)], [
    0,
    undefined,
    [],
  ]);
});

Deno.test("the digest sees every difference of contents and no difference of history", () => {
  const build = (change: (keyspace: Keyspace) => void, reverse = false): string => {
    const keyspace = new Keyspace();
    keyspace.beginWrite(1);
    const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
    for (const key of reverse ? keys.toReversed() : keys) {
      keyspace.db(0).set(key, stringValue(bytes(key)));
    }
    const hash = new HashValue();
    for (const key of reverse ? keys.toReversed() : keys) hash.set(key, 7);
    keyspace.db(1).set("h", hash);
    keyspace.db(0).setDeadline("k1", 5000);
    change(keyspace);
    return keyspace.digest();
  };
  const original = build(() => {});
  assertEquals(build(() => {}, true), original);
  assertEquals(
    build((keyspace) => {
      keyspace.db(2).set("gone", 1);
      keyspace.db(2).delete("gone");
      keyspace.db(0).set("k5", bytes("k5"));
    }),
    original,
    "neither a removed key nor another encoding counts",
  );
  const changes: ((keyspace: Keyspace) => void)[] = [
    (keyspace) => keyspace.db(0).set("k3", "other"),
    (keyspace) => keyspace.db(0).set("extra", ""),
    (keyspace) => keyspace.db(0).delete("k3"),
    (keyspace) => keyspace.db(0).setDeadline("k1", 5001),
    (keyspace) => keyspace.db(0).persist("k1"),
    (keyspace) => keyspace.swap(0, 1),
    (keyspace) => (keyspace.db(1).get("h") as HashValue).set("k1", 8),
    (keyspace) => (keyspace.db(1).get("h") as HashValue).delete("k1"),
  ];
  const digests = changes.map((change) => build(change));
  for (const digest of digests) assertNotEquals(digest, original);
  assertEquals(new Set(digests).size, changes.length);
});

Deno.test("a random key is never an expired one", () => {
  const keyspace = new Keyspace();
  const db = keyspace.db(0);
  keyspace.beginWrite(1);
  for (let i = 0; i < 500; i++) {
    db.set(`k${i}`, 1);
    if (i !== 250) db.setDeadline(`k${i}`, 10);
  }
  const random = new Prng(5);
  keyspace.beginRead(20, 20);
  for (let i = 0; i < 50; i++) assertEquals(db.randomKey(() => random.unit()), "k250");
  keyspace.beginRead(20, 20);
  assertEquals(db.page(0, 1000), { keys: ["k250"], next: HASH_SPACE });
});

Deno.test("what INFO keyspace asks: keys, expires, mean time to live", () => {
  const keyspace = new Keyspace();
  const db = keyspace.db(0);
  keyspace.beginWrite(1000);
  db.set("a", 1);
  db.set("b", 1);
  db.set("c", 1);
  db.setDeadline("a", 3000);
  db.setDeadline("b", 5000);
  assertEquals([db.size, db.expires, db.averageTtlMs(1000)], [3, 2, 3000]);
});
