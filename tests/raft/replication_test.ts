/** Replication, as scenarios named after the thesis (§3.5, §3.6.2, §10.2.1). */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import type { AppendEntriesArg, AppendEntriesReply, LogEntry } from "../../src/raft/mod.ts";
import { deliver, entry, HEARTBEAT_MS, id, makeRaft, propose, settle, Stage } from "./lab/stage.ts";
import { assert, assertEquals, assertLessOrEqual, assertThrows } from "../support/assert.ts";

function append(
  term: number,
  prev: { term: number; index: number },
  entries: readonly LogEntry[],
  commitIndex = 0,
): AppendEntriesArg {
  return {
    kind: "appendEntries",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(term),
    prev: id(prev.term, prev.index),
    entries,
    commitIndex: LogIndex(commitIndex),
  };
}

function acknowledge(from: number, term: number, index: number): AppendEntriesReply {
  return {
    kind: "appendEntriesReply",
    from: NodeId(from),
    to: NodeId(1),
    term: Term(term),
    index: LogIndex(index),
  };
}

Deno.test("§3.5: a follower acknowledges only what is durable", () => {
  const raft = makeRaft();
  deliver(raft, append(1, id(0, 0), [entry(1, 1), entry(1, 2)]));
  const ready = raft.takeReady();
  assertEquals(ready.messages, []);
  assertEquals(ready.entries.length, 2);
  assertEquals(ready.messagesAfterPersist, [{ ...acknowledge(1, 1, 2), to: NodeId(2) }]);
});

Deno.test("§3.5: a stale append shortens nothing and is answered with what matched", () => {
  const raft = makeRaft();
  deliver(raft, append(1, id(0, 0), [entry(1, 1), entry(1, 2), entry(1, 3)]));
  settle(raft);
  deliver(raft, append(1, id(0, 0), [entry(1, 1)]));
  const { ready } = settle(raft);
  assertEquals(ready.entries, []);
  assertEquals(ready.messagesAfterPersist, [{ ...acknowledge(1, 1, 3), to: NodeId(2) }]);
  assertEquals(raft.lastEntry, id(1, 3));
});

Deno.test("§3.5: conflicting entries are replaced, committed ones never", () => {
  const raft = makeRaft({ logTerms: [1, 1, 1] });
  deliver(raft, append(2, id(1, 1), [entry(2, 2)], 2));
  assertEquals([raft.lastEntry, raft.commitIndex], [id(2, 2), 2]);
  assertThrows(
    () => deliver(raft, append(3, id(1, 1), [entry(3, 2)])),
    Error,
    "Cannot truncate log at 2",
  );
});

Deno.test("§3.5: the commit index does not pass what matched", () => {
  const raft = makeRaft({ logTerms: [1, 1, 1] });
  deliver(raft, append(2, id(1, 1), [], 3));
  assertEquals(raft.commitIndex, 1, "entries 2 and 3 may not be the leader's");
});

Deno.test("async_storage_writes_append_aba_race: an older sync makes no newer entry stable", () => {
  const raft = makeRaft();
  // 1. The first write holds entries 1 to 3 of term 1.
  deliver(raft, append(1, id(0, 0), [entry(1, 1), entry(1, 2), entry(1, 3)]));
  const first = raft.takeReady();
  // 2. Another leader replaces 2 and 3; then this node leads, with a no-op at index 3.
  deliver(raft, append(2, id(1, 1), [entry(2, 2)]));
  const second = raft.takeReady();
  lead(raft, 2);
  const third = raft.takeReady();
  assertEquals(raft.lastEntry, id(3, 3));
  // 3. One follower has everything, and the first write is reported: its entry 3 is another one.
  raft.step({ kind: "persisted", number: first.number });
  deliver(raft, acknowledge(2, 3, 3));
  assertEquals(raft.commitIndex, 0);
  raft.step({ kind: "persisted", number: second.number });
  assertEquals(raft.commitIndex, 0);
  raft.step({ kind: "persisted", number: third.number });
  assertEquals(raft.commitIndex, 3);
});

Deno.test("§3.6.2: entries of older terms commit only with one of the leader's own", () => {
  const raft = makeRaft({ logTerms: [1, 2], term: 2 });
  deliver(raft, append(2, id(2, 2), []));
  settle(raft);
  lead(raft, 2);
  settle(raft);
  deliver(raft, acknowledge(2, 3, 2));
  assertEquals(raft.commitIndex, 0);
  deliver(raft, acknowledge(2, 3, 3));
  assertEquals(raft.commitIndex, 3);
});

Deno.test("the follower that awaits an entry learns of its commit at once, the others in time", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  propose(leader, "x", NodeId(2));
  stage.settle();
  assertEquals(stage.rafts.map((raft) => raft.commitIndex), [2, 2, 1]);
  const notices = stage.sent.filter((m) => m.kind === "heartbeat" && !m.wantsReply);
  assertEquals(notices.map(({ to }) => to), [NodeId(2)]);
  propose(leader, "y");
  stage.settle();
  assertEquals(stage.rafts.map((raft) => raft.commitIndex), [3, 2, 2], "an append carries it");
  stage.run(HEARTBEAT_MS);
  assertEquals(stage.rafts.map((raft) => raft.commitIndex), [3, 3, 3], "and so does a heartbeat");
});

Deno.test("§6.4: a follower that reads commits up to the index it was given", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  propose(leader, "x");
  stage.settle();
  const follower = stage.raft(3);
  assertEquals([leader.commitIndex, follower.commitIndex], [2, 1]);
  follower.step({ kind: "read", readId: 1 });
  stage.settle();
  assertEquals(follower.commitIndex, 2);
});

Deno.test("§10.2.1: messages and bytes in flight to one follower are limited", () => {
  const limits = { inflightMessagesMax: 3, appendBytesMax: 1 };
  const stage = Stage.of(3, limits);
  const leader = stage.elect(1);
  stage.isolate(3);
  const before = stage.sent.length;
  for (let count = 0; count < 10; count++) {
    propose(leader, `${count}`);
    stage.settle();
  }
  const toThird = stage.sent.slice(before).filter((m) => m.kind === "appendEntries" && m.to === 3);
  assertEquals(toThird.length, 3);
  assertEquals(leader.commitIndex, 11);
  stage.isolate(undefined);
  stage.run(5 * HEARTBEAT_MS);
  assertEquals(stage.raft(3).commitIndex, 11, "the stuck window frees itself");

  const bytes = Stage.of(3, { inflightBytesMax: 150, appendBytesMax: 1 });
  const second = bytes.elect(1);
  bytes.isolate(3);
  const start = bytes.sent.length;
  for (let count = 0; count < 10; count++) {
    propose(second, "x".repeat(68));
    bytes.settle();
  }
  const sent = bytes.sent.slice(start).filter((m) => m.kind === "appendEntries" && m.to === 3);
  assertEquals(sent.length, 2, "two records of 100 bytes reach the bound of 150");
});

Deno.test("lost appends and lost acknowledgements are repaired by the heartbeat", () => {
  for (const lost of ["appendEntries", "appendEntriesReply"]) {
    const stage = Stage.of(3);
    const leader = stage.elect(1);
    stage.carries = (message) => message.kind !== lost;
    for (const text of ["a", "b", "c"]) {
      propose(leader, text);
      stage.settle();
    }
    assertEquals(leader.commitIndex, 1);
    stage.carries = () => true;
    stage.run(4 * HEARTBEAT_MS);
    assertEquals(stage.rafts.map((raft) => raft.commitIndex), [4, 4, 4], lost);
  }
});

Deno.test("uncommitted bytes are limited, one entry always goes", () => {
  const stage = Stage.of(3, { uncommittedBytesMax: 300 });
  const leader = stage.elect(1);
  stage.isolate(1);
  assertEquals(propose(leader, new Uint8Array(1000)).kind, "proposed");
  assertEquals(propose(leader, "x"), { kind: "refused", reason: "uncommittedLimit" });
  assertEquals(leader.uncommittedBytes, 1032);
  stage.isolate(undefined);
  stage.run(4 * HEARTBEAT_MS);
  assertEquals(leader.uncommittedBytes, 0);
  assertEquals(propose(leader, "x").kind, "proposed");
});

Deno.test("§3.5: the common prefix is found in at most one round trip a term", () => {
  const good = [1, 1, 1, ...Array(50).fill(4), ...Array(50).fill(6)];
  const junk = [1, 1, 1, ...Array(60).fill(2), ...Array(60).fill(3), ...Array(60).fill(5)];
  const stage = new Stage([
    makeRaft({ id: 1, logTerms: good }),
    makeRaft({ id: 2, logTerms: good }),
    makeRaft({ id: 3, logTerms: junk, term: 6 }),
  ]);
  const leader = stage.elect(1);
  const rejections = stage.sent.filter((m) =>
    m.kind === "appendEntriesReply" && m.from === 3 && m.conflict !== undefined
  );
  assert(rejections.length > 0);
  assertLessOrEqual(rejections.length, 5, "one for each term of either log");
  assertEquals(stage.fetches.map(({ peer, first }) => [peer, first]), [[3, 4]]);
  const entries = good.slice(3).map((term, at) => entry(term, at + 4));
  leader.step({ kind: "fetched", peer: NodeId(3), first: LogIndex(4), entries });
  stage.run(4 * HEARTBEAT_MS);
  assertEquals(stage.raft(3).lastEntry, leader.lastEntry);
  assertEquals(stage.raft(3).commitIndex, leader.commitIndex);
});

Deno.test("memory holds a bounded tail of what is applied; the rest is fetched from disk", () => {
  const stage = Stage.of(3, { cacheBytesMax: 500 });
  const leader = stage.elect(1);
  const log: LogEntry[] = [];
  stage.isolate(3);
  for (let count = 0; count < 50; count++) {
    propose(leader, "x".repeat(68));
    log.push(...(leader.entries(leader.lastEntry.index, leader.lastEntry.index, 1) ?? []));
    stage.settle();
  }
  assertEquals(leader.entries(LogIndex(2), LogIndex(3), 1000), undefined);
  assert(leader.firstInMemory > 40);
  stage.isolate(undefined);
  stage.run(4 * HEARTBEAT_MS);
  const fetch = stage.fetches.at(-1);
  assert(fetch !== undefined && stage.fetches.length === 1, "one at a time");
  assert(fetch.last < leader.firstInMemory, "only what is surely on disk");
  const entries = log.filter(({ index }) => index >= fetch.first && index <= fetch.last);
  assertEquals(
    leader.step({ kind: "fetched", peer: NodeId(2), first: LogIndex(fetch.first), entries }).kind,
    "ignored",
  );
  leader.step({ kind: "fetched", peer: NodeId(3), first: LogIndex(fetch.first), entries });
  stage.run(4 * HEARTBEAT_MS);
  assertEquals(stage.raft(3).commitIndex, 51);
});

/** Makes a follower of term `term` leader of the next one by its peers' votes. */
function lead(raft: ReturnType<typeof makeRaft>, term: number): void {
  deliver(raft, {
    kind: "timeoutNow",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(term),
  });
  for (const from of [2, 3]) {
    deliver(raft, {
      kind: "requestVoteReply",
      from: NodeId(from),
      to: NodeId(1),
      term: Term(term + 1),
      preVote: false,
      granted: true,
    });
  }
}
