/** Linearizable reads (§6.4) and leadership transfer (§3.10), as scenarios. */

import { NodeId, Term } from "../../src/base/mod.ts";
import { deliver, ELECTION_MIN_MS, HEARTBEAT_MS, makeRaft, propose, Stage } from "./lab/stage.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("§6.4: reads of leader and followers get the commit index, confirmed by a round", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  propose(leader, "x");
  stage.settle();
  for (const node of [1, 2, 3]) stage.raft(node).step({ kind: "read", readId: node * 10 });
  stage.settle();
  assertEquals(stage.reads.map(({ readId, index }) => [readId, index]).sort(), [
    [10, 2],
    [20, 2],
    [30, 2],
  ]);
});

Deno.test("§6.4: no read before the term has committed an entry", () => {
  const stage = Stage.of(3);
  stage.carries = (message) => message.kind !== "appendEntriesReply";
  const leader = stage.elect(1);
  leader.step({ kind: "read", readId: 1 });
  stage.run(3 * HEARTBEAT_MS);
  assertEquals(stage.reads, []);
  stage.carries = () => true;
  stage.run(3 * HEARTBEAT_MS);
  assertEquals(stage.reads, [{ node: 1, readId: 1, index: 1 }]);
});

Deno.test("§6.4: a read that arrives during a round is confirmed by a later round only", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  leader.step({ kind: "read", readId: 1 });
  const first = leader.takeReady().messages.find((m) => m.kind === "heartbeat");
  assert(first?.kind === "heartbeat");
  leader.step({ kind: "read", readId: 2 });
  const answer = (readRound: number, from = 2) =>
    deliver(leader, {
      kind: "heartbeatReply",
      leaseMs: 0,
      from: NodeId(from),
      to: NodeId(1),
      term: leader.term,
      readRound,
    });
  answer(first.readRound);
  const ready = leader.takeReady();
  assertEquals(ready.reads.map(({ readId }) => readId), [1]);
  for (const from of [2, 3]) answer(first.readRound, from);
  assertEquals(leader.takeReady().reads, [], "an answer to the old round confirms nothing");
  answer(first.readRound + 1);
  assertEquals(leader.takeReady().reads.map(({ readId }) => readId), [2]);
});

Deno.test("§6.4: reads come back unanswered when the leader loses its rank", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.isolate(1);
  leader.step({ kind: "read", readId: 1 });
  stage.settle();
  stage.run(3 * ELECTION_MIN_MS);
  assertEquals(stage.reads, [{ node: 1, readId: 1, index: undefined }]);
  assertEquals(leader.step({ kind: "read", readId: 2 }), { kind: "refused", reason: "noLeader" });
});

Deno.test("a follower's lost question is asked again; a leader that stepped down says so", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.carries = (message) => message.kind !== "readIndex";
  stage.raft(2).step({ kind: "read", readId: 5 });
  stage.settle();
  stage.carries = () => true;
  stage.run(3 * HEARTBEAT_MS);
  assertEquals(stage.reads, [{ node: 2, readId: 5, index: 1 }]);

  leader.step({ kind: "stepDown", reason: "the disk hangs" });
  stage.raft(2).step({ kind: "read", readId: 6 });
  stage.settle();
  assertEquals(stage.reads.at(-1), { node: 2, readId: 6, index: undefined });
  assertEquals(stage.raft(2).leaderId, undefined);
});

Deno.test("a read that waits long is asked for by each heartbeat and answered once", () => {
  const stage = Stage.of(3);
  const counts = { readIndex: 0, readIndexReply: 0 };
  stage.carries = (message) => {
    if (message.kind === "readIndex" || message.kind === "readIndexReply") counts[message.kind]++;
    return message.kind !== "appendEntriesReply";
  };
  stage.elect(1);
  stage.raft(2).step({ kind: "read", readId: 5 });
  stage.run(20 * HEARTBEAT_MS);
  assert(counts.readIndex > 10, `found ${counts.readIndex} questions, expected one a heartbeat`);
  stage.carries = (message) => {
    if (message.kind === "readIndexReply") counts.readIndexReply++;
    return true;
  };
  stage.run(3 * HEARTBEAT_MS);
  assertEquals(stage.reads, [{ node: 2, readId: 5, index: 1 }]);
  assertEquals(counts.readIndexReply, 1);
});

Deno.test("a read that nobody waits for any more is not asked for again", () => {
  const stage = Stage.of(3);
  stage.carries = (message) => message.kind !== "appendEntriesReply";
  const leader = stage.elect(1);
  for (const node of [1, 2]) stage.raft(node).step({ kind: "read", readId: node });
  stage.run(2 * HEARTBEAT_MS);
  for (const node of [1, 2]) stage.raft(node).step({ kind: "abandonRead", readId: node });
  let asked = 0;
  stage.carries = (message) => {
    if (message.kind === "readIndex") asked++;
    return message.kind !== "appendEntriesReply";
  };
  stage.run(5 * HEARTBEAT_MS);
  assertEquals(asked, 0);
  stage.carries = () => true;
  stage.run(3 * HEARTBEAT_MS);
  assert(leader.commitIndex > 0);
  assertEquals(stage.reads, []);
});

Deno.test("§6.4: an answer of an older term confirms no read", () => {
  const raft = makeRaft({ voters: [1, 2, 3], term: 3 });
  const result = deliver(raft, {
    kind: "heartbeatReply",
    leaseMs: 0,
    from: NodeId(2),
    to: NodeId(1),
    term: Term(2),
    readRound: 1,
  });
  assertEquals(result.kind, "ignored");
});

Deno.test("§3.10: leadership goes to the target, and the lease does not stand in the way", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  assertEquals(leader.step({ kind: "transfer", to: NodeId(3) }).kind, "done");
  assertEquals(propose(leader, "x"), { kind: "refused", reason: "transferring" });
  stage.settle();
  assertEquals(stage.rafts.map((raft) => Number(raft.leaderId)), [3, 3, 3]);
  assertEquals(propose(stage.raft(3), "x").kind, "proposed");
});

Deno.test("§3.10: a target that lags is caught up first", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.isolate(3);
  for (let count = 0; count < 5; count++) propose(leader, `${count}`);
  stage.settle();
  leader.step({ kind: "transfer", to: NodeId(3) });
  stage.settle();
  assertEquals(leader.role, "leader");
  stage.isolate(undefined);
  stage.run(4 * HEARTBEAT_MS);
  assertEquals(stage.raft(3).role, "leader");
  assertEquals(stage.raft(3).commitIndex, 7);
});

Deno.test("§3.10: a transfer to a dead node is given up after an election timeout", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.isolate(3);
  leader.step({ kind: "transfer", to: NodeId(3) });
  stage.run(ELECTION_MIN_MS - HEARTBEAT_MS);
  assertEquals(propose(leader, "x"), { kind: "refused", reason: "transferring" });
  stage.run(2 * HEARTBEAT_MS);
  assertEquals(propose(leader, "x").kind, "proposed");
  assertEquals(leader.role, "leader");
});

Deno.test("§3.10: without a target the most caught-up voter leads; strangers are refused", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.isolate(2);
  propose(leader, "x");
  stage.settle();
  assertEquals(leader.step({ kind: "transfer", to: NodeId(9) }), {
    kind: "refused",
    reason: "noSuchVoter",
  });
  leader.step({ kind: "transfer", to: undefined });
  stage.settle();
  assertEquals(stage.raft(3).role, "leader");
  assertEquals(stage.raft(2).step({ kind: "transfer", to: undefined }), {
    kind: "refused",
    reason: "notLeader",
  });
});
