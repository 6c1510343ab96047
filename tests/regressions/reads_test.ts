/** Reads that other Raft stores for Redis have answered wrongly. */

import { NodeId } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { HEARTBEAT_MS, propose, Stage } from "../raft/lab/stage.ts";
import { Answer, send, VirtualCluster } from "../node/virtual_cluster.ts";

Deno.test("RedisRaft 18: after a restart of all nodes no read finds an empty store", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new VirtualCluster(3, seed);
    await cluster.startAll();
    await cluster.elect();
    const written = send(cluster.followers()[0].node.openLane(), "SET", "k", "v");
    await cluster.clock.runUntil(() => written.text !== undefined, 2000);
    assertEquals(written.text, "OK");
    for (const id of cluster.ids) cluster.cutPower(id);
    await cluster.startAll();
    const reads: Answer[] = [];
    // From before anybody leads until long after.
    for (let step = 0; step < 150; step++) {
      for (const { node } of cluster.live.values()) reads.push(send(node.openLane(), "GET", "k"));
      await cluster.clock.run(10);
    }
    await cluster.clock.runUntil(() => reads.every(({ text }) => text !== undefined), 6000);
    assertEquals(new Set(reads.map(({ text }) => text)), new Set(["v"]), `seed ${seed}`);
  }
});

Deno.test("RedisRaft 19: neither a leader that was paused nor a new one gives a stale read", () => {
  const stage = Stage.of(3);
  const old = stage.elect(1);
  propose(old, "before");
  stage.settle();
  // Node 1 neither hears nor runs; the others go on.
  stage.isolate(1);
  const others = [stage.raft(2), stage.raft(3)];
  while (others.every(({ role }) => role !== "leader")) {
    stage.nowMs += HEARTBEAT_MS / 4;
    for (const raft of others) raft.step({ kind: "tick", nowMs: stage.nowMs });
    stage.settle();
  }
  const next = others.find(({ role }) => role === "leader")!;
  propose(next, "after");
  stage.settle();
  const committed = next.commitIndex;
  assert(old.role === "leader" && old.commitIndex < committed, "the old leader knows of nothing");
  old.step({ kind: "read", readId: 1 });
  stage.settle();
  assertEquals(stage.reads, [], "nobody has confirmed it");
  stage.isolate(undefined);
  stage.settle();
  stage.run(200);
  assertEquals(stage.reads, [{ node: 1, readId: 1, index: undefined }], "it is to be asked again");

  // The next leader has everything, but does not know yet what of it is committed.
  stage.carries = ({ kind }) => kind !== "appendEntriesReply";
  const to = NodeId(stage.rafts.findIndex((raft) => raft !== next && raft !== old) + 1);
  const last = stage.raft(to);
  next.step({ kind: "transfer", to });
  stage.run(300);
  assert(last.role === "leader" && last.commitIndex < last.lastEntry.index, "it has handed over");
  last.step({ kind: "read", readId: 2 });
  stage.run(300);
  assertEquals(stage.reads.slice(1), []);
  stage.carries = () => true;
  stage.run(300);
  const [{ index = 0 }] = stage.reads.slice(1);
  assert(index > committed, `found ${index}, expected more than ${committed}`);
});
