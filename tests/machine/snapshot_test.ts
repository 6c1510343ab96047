/** Snapshots: exactly the state as of their beginning, whatever is written meanwhile. */

import { Prng } from "../../src/base/mod.ts";
import { RdbError } from "../../src/keyspace/mod.ts";
import { BatchBuilder, Machine, Request, SnapshotLoader } from "../../src/machine/mod.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { arrivals, bitFlips, truncations } from "../support/codec_cases.ts";

/** A machine and the log that it has applied. */
class Member {
  machine = new Machine();
  #sequence = 0;
  #stampMs = 1_700_000_000_000;

  /** The payload of the next entry with one command. */
  entry(db: number, parts: readonly string[], stepMs = 1): Uint8Array {
    const builder = new BatchBuilder(0);
    builder.command(db, Request.of(...parts));
    this.#stampMs += stepMs;
    const payload = builder.finish({ origin: 1, incarnation: 3, sequence: ++this.#sequence });
    new DataView(payload.buffer, payload.byteOffset).setBigUint64(0, BigInt(this.#stampMs), true);
    return payload;
  }

  run(db: number, ...parts: string[]): void {
    applyTo(this.machine, this.entry(db, parts));
  }

  header() {
    return {
      last: { term: 7, index: this.machine.passedIndex },
      configuration: new Uint8Array([1, 2, 255]),
    };
  }
}

function applyTo(machine: Machine, payload: Uint8Array): void {
  const index = machine.passedIndex + 1;
  machine.apply(payload, index, () => undefined);
  machine.passed(index, index);
}

function wholeOf(member: Member, bytesMax = 1 << 16): Uint8Array {
  const walk = member.machine.beginSnapshot(member.header());
  const chunks: number[] = [];
  for (let slice = walk.next(bytesMax); slice !== undefined; slice = walk.next(bytesMax)) {
    assert(slice.length > 0 && slice.length <= bytesMax);
    for (const byte of slice) chunks.push(byte);
  }
  return new Uint8Array(chunks);
}

function load(...chunks: readonly Uint8Array[]) {
  const loader = new SnapshotLoader();
  for (const chunk of chunks) loader.push(chunk);
  return loader.finish();
}

/** What must be equal of two machines; forms and orders that a client can see included. */
function stateOf(machine: Machine): unknown {
  const queries: unknown[] = [];
  for (let db = 0; db < 3; db++) {
    for (let key = 0; key < 40; key++) {
      for (const parts of [["OBJECT", "ENCODING", `k${key}`], ["HGETALL", `k${key}`]]) {
        queries.push(machine.query(db, Request.of(...parts), machine.clockMs));
      }
    }
  }
  return {
    digest: machine.keyspace.digest(),
    origins: machine.origins.rows(),
    removed: machine.origins.removed(),
    clockMs: machine.clockMs,
    expired: machine.keyspace.expiredKeys,
    applied: [machine.batchesApplied, machine.commandsApplied, machine.passedIndex],
    hash: machine.stateHash,
    queries,
  };
}

function randomCommand(random: Prng): [number, string[]] {
  const key = () => `k${random.between(0, 39)}`;
  const field = () => `f${random.between(0, 900)}`;
  const value = () => random.pick(["1", "-70000", "text", "12345678901234", "x".repeat(70)]);
  const db = random.between(0, 2);
  switch (random.between(0, 19)) {
    case 0:
      return [db, ["SET", key(), value(), "PX", String(random.between(1, 400))]];
    case 1:
      return [db, ["APPEND", key(), value()]];
    case 2:
      return [db, ["SETRANGE", key(), String(random.between(0, 30)), "patch"]];
    case 3:
      return [db, ["INCRBYFLOAT", key(), "1"]];
    case 4:
      return [db, ["DEL", key()]];
    case 5:
      return [db, ["RENAME", key(), key()]];
    case 6:
      return [db, ["COPY", key(), key(), "DB", String(random.between(0, 2)), "REPLACE"]];
    case 7:
      return [db, ["MOVE", key(), String(random.between(0, 2))]];
    case 8:
      return [db, ["PEXPIRE", key(), String(random.between(1, 400))]];
    case 9:
      return [db, ["PERSIST", key()]];
    case 10:
      return [db, ["HDEL", key(), field(), field()]];
    case 11:
      if (random.chance(0.1)) return [db, ["FLUSHDB"]];
      return [db, ["SWAPDB", String(random.between(0, 2)), String(random.between(0, 2))]];
    case 12:
      return [db, ["SET", key(), "y".repeat(random.between(1000, 200_000))]];
    case 13: {
      const pairs: string[] = [];
      for (let i = 0; i < 700; i++) pairs.push(field(), value());
      return [db, ["HSET", key(), ...pairs]];
    }
    case 14:
    case 15:
      return [db, ["SET", key(), value()]];
    default:
      return [db, ["HSET", key(), field(), value(), field(), value()]];
  }
}

Deno.test("RedisRaft 150: snapshot: equal to the state at its beginning, whatever is written between the slices", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Prng(seed);
    const member = new Member();
    for (let i = 0; i < 300; i++) member.run(...flat(randomCommand(random)));
    member.machine.origins.remove(9);
    const before = stateOf(member.machine);
    const header = member.header();
    const walk = member.machine.beginSnapshot(header);
    const slices: Uint8Array[] = [];
    const tail: Uint8Array[] = [];
    for (;;) {
      for (let i = random.between(0, 6); i > 0; i--) {
        const payload = member.entry(...randomCommand(random), random.between(0, 20));
        tail.push(payload);
        applyTo(member.machine, payload);
      }
      const slice = walk.next(random.pick([1, 100, 5000, 100_000]));
      if (slice === undefined) break;
      slices.push(slice.slice());
    }
    const loaded = load(...slices);
    assertEquals(loaded.header, header);
    assertEquals(stateOf(loaded.machine), before, `seed ${seed}`);
    for (const payload of tail) applyTo(loaded.machine, payload);
    assertEquals(stateOf(loaded.machine), stateOf(member.machine), `seed ${seed}, the tail`);
  }
});

function flat([db, parts]: [number, string[]]): [number, ...string[]] {
  return [db, ...parts];
}

function small(): Member {
  const member = new Member();
  member.run(0, "SET", "k1", "text", "PX", "100000");
  member.run(1, "HSET", "k2", "f", "1", "g", "text");
  member.run(1, "SET", "k3", "9007199254740993");
  return member;
}

Deno.test("snapshot: a key whose deadline has passed stays until the log removes it", () => {
  const member = new Member();
  member.run(0, "SET", "k1", "v", "PX", "5");
  applyTo(member.machine, member.entry(0, ["SET", "other", "v"], 100));
  assertEquals(member.machine.keyspace.size, 2);
  const { machine } = load(wholeOf(member));
  assertEquals([machine.keyspace.size, machine.keyspace.expiredKeys], [2, 0]);
  assertEquals(machine.query(0, Request.of("GET", "k1"), machine.clockMs), null);
  assertEquals(stateOf(machine), stateOf(member.machine));
});

Deno.test("snapshot: loaded from bytes in any slices", () => {
  const member = small();
  const bytes = wholeOf(member);
  for (const { name, chunks } of arrivals(bytes)) {
    assertEquals(stateOf(load(...chunks).machine), stateOf(member.machine), name);
  }
});

Deno.test("snapshot: cut or with one bit flipped, it is never loaded", () => {
  const bytes = wholeOf(small());
  for (const { bytes: cut } of truncations(bytes)) {
    assertThrows(() => load(cut), RdbError);
  }
  for (const { bytes: flipped } of bitFlips(bytes)) {
    assertThrows(() => load(flipped), RdbError);
  }
});

Deno.test("snapshot: one at a time, at the last entry, and an abandoned one leaves nothing behind", () => {
  const member = small();
  assertThrows(() =>
    member.machine.beginSnapshot({ ...member.header(), last: { term: 1, index: 1 } })
  );
  const pairs = Array.from({ length: 2000 }, (_, i) => [`f${i}`, "v"]).flat();
  member.run(0, "HSET", "big", ...pairs);
  const walk = member.machine.beginSnapshot(member.header());
  assertThrows(() => member.machine.beginSnapshot(member.header()), Error, "not ended");
  walk.next(5000);
  member.run(0, "HSET", "big", "f1", "changed");
  walk.abandon();
  assertEquals(walk.next(100), undefined);
  member.run(0, "HDEL", "big", "f2");
  assertEquals(stateOf(load(wholeOf(member)).machine), stateOf(member.machine));
});

Deno.test("state hash: a value changed behind the machine's back is found", () => {
  const members = [small(), small()];
  assertEquals(members[0].machine.stateHash, members[1].machine.stateHash);
  members[1].machine.keyspace.db(0).replace("k1", "other");
  let entries = 0;
  while (members[0].machine.stateHash === members[1].machine.stateHash) {
    for (const member of members) member.run(2, "SET", "k9", "v");
    assert(++entries <= 4096 * 256, "the change was not found");
  }
});

Deno.test("state hash: a counter that differs is found by its next reply", () => {
  const members = [small(), small()];
  for (const member of members) member.run(0, "INCR", "hits");
  members[1].machine.keyspace.db(0).replace("hits", 5);
  assertEquals(members[0].machine.stateHash, members[1].machine.stateHash);
  for (const member of members) member.run(0, "INCR", "hits");
  assert(members[0].machine.stateHash !== members[1].machine.stateHash);
});

Deno.test("origins: a removed member's late batch is skipped", () => {
  const member = small();
  const late = member.entry(0, ["SET", "late", "v"]);
  member.machine.origins.remove(1);
  applyTo(member.machine, late);
  assertEquals([member.machine.keyspace.size, member.machine.origins.rows()], [3, []]);
});
