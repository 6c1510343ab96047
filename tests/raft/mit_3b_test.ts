/** The MIT 6.5840 labs, part 3B: replication. Names and limits as there, in virtual time. */

import { ELECTION_MS, MitLab } from "./lab/mit_lab.ts";
import { assert, assertEquals, assertLessOrEqual } from "../support/assert.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

function lab(name: string, size: number, play: (lab: MitLab) => void): void {
  Deno.test(name, () => {
    for (const seed of SEEDS) play(new MitLab(size, seed));
  });
}

lab("TestBasicAgree3B", 3, (lab) => {
  for (let ordinal = 1; ordinal <= 3; ordinal++) {
    assertEquals(lab.nCommitted(ordinal).count, 0, "some have committed before the submission");
    assertEquals(lab.one(`c${ordinal * 100}`, 3, false), ordinal);
  }
});

Deno.test("TestRPCBytes3B", () => {
  let most = 0;
  const payloadBytes = 10 * 5000;
  for (const seed of SEEDS) {
    const lab = new MitLab(3, seed);
    lab.one("99", 3, false);
    const before = lab.network.bytes;
    for (let at = 0; at < 10; at++) {
      assertEquals(lab.one(String(at % 10).repeat(5000), 3, false), at + 2);
    }
    most = Math.max(most, lab.network.bytes - before);
  }
  console.log(`  TestRPCBytes3B: ${most} bytes at most, limit ${3 * payloadBytes + 50_000}`);
  assertLessOrEqual(most, 3 * payloadBytes + 50_000);
});

lab("TestFollowerFailure3B", 3, (lab) => {
  lab.one("101", 3, false);
  const first = lab.checkOneLeader();
  lab.disconnect(1 + first.id % 3);
  lab.one("102", 2, false);
  lab.run(ELECTION_MS);
  lab.one("103", 2, false);

  const second = lab.checkOneLeader();
  lab.disconnect(1 + second.id % 3);
  lab.disconnect(1 + (second.id + 1) % 3);
  const submitted = lab.start(second.id, "104");
  assertEquals(submitted?.ordinal, 4, `seed ${lab.seed}: the leader must take the command`);
  lab.run(2 * ELECTION_MS);
  assertEquals(lab.nCommitted(4).count, 0, `seed ${lab.seed}: committed without a majority`);
});

lab("TestLeaderFailure3B", 3, (lab) => {
  lab.one("101", 3, false);
  lab.disconnect(lab.checkOneLeader().id);
  lab.one("102", 2, false);
  lab.run(ELECTION_MS);
  lab.one("103", 2, false);

  lab.disconnect(lab.checkOneLeader().id);
  for (let id = 1; id <= 3; id++) lab.start(id, "104");
  lab.run(2 * ELECTION_MS);
  assertEquals(lab.nCommitted(4).count, 0, `seed ${lab.seed}: committed without a majority`);
});

lab("TestFailAgree3B", 3, (lab) => {
  lab.one("101", 3, false);
  const cut = 1 + lab.checkOneLeader().id % 3;
  lab.disconnect(cut);
  lab.one("102", 2, false);
  lab.one("103", 2, false);
  lab.run(ELECTION_MS);
  lab.one("104", 2, false);
  lab.one("105", 2, false);
  lab.connect(cut);
  lab.one("106", 3, true);
  lab.run(ELECTION_MS);
  lab.one("107", 3, true);
});

lab("TestFailNoAgree3B", 5, (lab) => {
  lab.one("10", 5, false);
  const leader = lab.checkOneLeader().id;
  const cut = [1, 2, 3].map((offset) => 1 + (leader - 1 + offset) % 5);
  for (const id of cut) lab.disconnect(id);
  const submitted = lab.start(leader, "20");
  assertEquals(submitted?.ordinal, 2, `seed ${lab.seed}`);
  lab.run(2 * ELECTION_MS);
  assertEquals(lab.nCommitted(2).count, 0, `seed ${lab.seed}: committed without a majority`);

  for (const id of cut) lab.connect(id);
  // The cut-off majority may have chosen a leader and forgotten index 2.
  const again = lab.start(lab.checkOneLeader().id, "30");
  assert(again !== undefined && [2, 3].includes(again.ordinal), `seed ${lab.seed}: ${again}`);
  lab.one("1000", 5, true);
});

lab("TestConcurrentStarts3B", 3, (lab) => {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (attempt > 0) lab.run(3000);
    const leader = lab.checkOneLeader().id;
    const first = lab.start(leader, "1");
    if (first === undefined) continue;
    const others = [100, 101, 102, 103, 104].map((value) => lab.start(leader, String(value)));
    if (others.some((other) => other?.term !== first.term)) continue;
    const decided = others.map((other) => lab.wait(other?.ordinal ?? 0, 3, first.term));
    if (decided.includes(undefined)) continue;
    assertEquals(new Set(decided), new Set(["100", "101", "102", "103", "104"]));
    return;
  }
  lab.fail("the term changed too often");
});

lab("TestRejoin3B", 3, (lab) => {
  lab.one("101", 3, true);
  const first = lab.checkOneLeader().id;
  lab.disconnect(first);
  for (const junk of ["102", "103", "104"]) lab.start(first, junk);
  lab.one("103", 2, true);
  const second = lab.checkOneLeader().id;
  lab.disconnect(second);
  lab.connect(first);
  lab.one("104", 2, true);
  lab.connect(second);
  lab.one("105", 3, true);
  assertEquals(lab.node(first).applied, ["101", "103", "104", "105"], `seed ${lab.seed}: junk`);
});

lab("TestBackup3B", 5, (lab) => {
  let value = 1000;
  const submit50 = (id: number) => {
    for (let count = 0; count < 50; count++) lab.start(id, String(value++));
  };
  const others = (id: number) => [1, 2, 3, 4].map((offset) => 1 + (id - 1 + offset) % 5);
  lab.one("1", 5, true);

  // The leader and one follower in a partition, with entries that will not commit.
  const first = lab.checkOneLeader().id;
  const [a, b, c, d] = others(first);
  for (const id of [b, c, d]) lab.disconnect(id);
  submit50(first);
  lab.run(ELECTION_MS / 2);
  for (const id of [first, a]) lab.disconnect(id);

  // The other three agree on many entries.
  for (const id of [b, c, d]) lab.connect(id);
  for (let count = 0; count < 50; count++) lab.one(String(value++), 3, true);

  // One of them leaves; the new partition of two gets entries that will not commit.
  const second = lab.checkOneLeader().id;
  const other = [b, c, d].find((id) => id !== second) as number;
  lab.disconnect(other);
  submit50(second);
  lab.run(ELECTION_MS / 2);

  // The first two and the one that left: all good again.
  for (let id = 1; id <= 5; id++) lab.disconnect(id);
  for (const id of [first, a, other]) lab.connect(id);
  for (let count = 0; count < 50; count++) lab.one(String(value++), 3, true);

  const third = lab.checkOneLeader().id;
  submit50(third);
  lab.run(ELECTION_MS / 2);
  for (let id = 1; id <= 5; id++) lab.connect(id);
  lab.one(String(value++), 5, true);
  assertLessOrEqual(lab.nowMs, 120_000);
});

Deno.test("TestCount3B", () => {
  const most = { election: 0, entries: 0, idle: 0 };
  for (const seed of SEEDS) {
    const lab = new MitLab(3, seed);
    const leader = lab.checkOneLeader();
    const election = lab.network.requests;
    assert(election >= 1 && election <= 30, `seed ${seed}: ${election} calls to elect a leader`);

    const before = lab.network.requests;
    const first = lab.start(leader.id, "first");
    assert(first !== undefined);
    const submitted = Array.from({ length: 10 }, (_, at) => lab.start(leader.id, `x${at}`));
    for (const [at, start] of submitted.entries()) {
      assertEquals(start, { ordinal: first.ordinal + 1 + at, term: first.term });
      assertEquals(lab.wait(first.ordinal + 1 + at, 3, first.term), `x${at}`);
    }
    const entries = lab.network.requests - before;
    assertLessOrEqual(entries, 42, `seed ${seed}: ${entries} calls for 10 entries`);

    lab.run(ELECTION_MS);
    const idleBefore = lab.network.requests;
    lab.run(1000);
    const idle = lab.network.requests - idleBefore;
    assertLessOrEqual(idle, 60, `seed ${seed}: ${idle} calls in an idle second`);
    most.election = Math.max(most.election, election);
    most.entries = Math.max(most.entries, entries);
    most.idle = Math.max(most.idle, idle);
  }
  console.log(
    `  TestCount3B: election ${most.election} calls, limit 30; ` +
      `10 entries ${most.entries}, limit 42; idle second ${most.idle}, limit 60`,
  );
});
