/** E21: an election that needs a node whose disk has no room for entries. */

import { NodeId } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const isFull = ({ node }: LiveNode) => node.view().notReadyReason === "the disk is full";

/** Nothing more fits on the disk of `node`, which finds it out from what the leader sends. */
async function fill(cluster: VirtualCluster, filled: LiveNode, by: LiveNode): Promise<void> {
  const disk = cluster.disks.get(filled.node.options.id)!;
  disk.capacityBytes = disk.usedBytes;
  const lane = by.node.openLane();
  for (let i = 0; i < 100 && !isFull(filled); i++) {
    send(lane, "SET", `fill:${i}`, "x".repeat(1000));
    await cluster.clock.run(20);
  }
  assert(isFull(filled), "the disk never got full");
}

Deno.test("E21: an election succeeds that needs the vote of a node whose disk is full", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const [filled, next] = cluster.followers();
  await fill(cluster, filled, leader);
  await cluster.clock.run(1000);
  cluster.kill(leader.node.options.id);
  await cluster.clock.runUntil(() => next.node.raft.role === "leader", 5000);
  // It leads on, because the full node answers it, and can commit nothing.
  const { term } = next.node.raft;
  const waiting = send(next.node.openLane(), "SET", "k", "v");
  await cluster.clock.run(3000);
  assert(isFull(filled));
  assertEquals([next.node.raft.role, next.node.raft.term, waiting.text], [
    "leader",
    term,
    undefined,
  ]);
  assertEquals(filled.node.raft.leaderId, next.node.options.id);
  cluster.disks.get(filled.node.options.id)!.capacityBytes = Infinity;
  await cluster.clock.runUntil(() => waiting.text !== undefined, 2000);
  assertEquals(waiting.text, "OK");
  await cluster.converge();
  assertEquals(cluster.fatal.size, 0);
});

Deno.test("E21: what a full disk could not take keeps nobody from being elected", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const [filled, next] = cluster.followers();
  const ids = [leader, filled, next].map(({ node }) => node.options.id);
  // Only the full node hears of the last entries.
  cluster.hub.silence(ids[0], ids[2], true);
  await fill(cluster, filled, leader);
  cluster.kill(ids[0]);
  assert(filled.node.raft.lastEntry.index > next.node.raft.lastEntry.index);
  await cluster.clock.runUntil(() => next.node.raft.role === "leader", 5000);
  assert(isFull(filled));
  cluster.disks.get(ids[1])!.capacityBytes = Infinity;
  await cluster.converge();
});

Deno.test("E21: a vote that a full node gave survives its crash, with and without power", async () => {
  for (const how of ["kill", "cutPower"] as const) {
    const cluster = new VirtualCluster(3);
    await cluster.startAll();
    const leader = await cluster.elect();
    const [filled, next] = cluster.followers();
    const id = filled.node.options.id;
    await fill(cluster, filled, leader);
    await cluster.clock.run(1000);
    cluster.kill(leader.node.options.id);
    await cluster.clock.runUntil(() => next.node.raft.role === "leader", 5000);
    const { term } = next.node.raft;
    cluster[how](id);
    cluster.disks.get(id)!.capacityBytes = Infinity;
    const again = await cluster.start(id);
    assertEquals(again.storage.recovered.hardState, { term, votedFor: next.node.options.id }, how);
    await cluster.converge();
  }
});

Deno.test("a leader goes on serving reads where every disk is full", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const lane = leader.node.openLane();
  const before = send(lane, "SET", "k", "v");
  await cluster.clock.runUntil(() => before.text !== undefined, 1000);
  for (const id of cluster.ids) {
    const disk = cluster.disks.get(id)!;
    disk.capacityBytes = disk.usedBytes;
  }
  for (let i = 0; i < 100 && ![...cluster.live.values()].every(isFull); i++) {
    send(lane, "SET", `fill:${i}`, "x".repeat(1000));
    await cluster.clock.run(1);
  }
  await cluster.clock.run(5000);
  const { leaderId } = cluster;
  const read = send(cluster.live.get(leaderId)!.node.openLane(), "GET", "k");
  await cluster.clock.runUntil(() => read.text !== undefined, 1000);
  assertEquals(read.text, "v");
  await cluster.clock.run(5000);
  assertEquals(cluster.leaderId, leaderId, "it still leads");
  for (const id of cluster.ids) cluster.disks.get(NodeId(id))!.capacityBytes = Infinity;
  await cluster.converge();
});

Deno.test("E21: entries that get room after a vote are acknowledged to no older leader", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const old = await cluster.elect();
  const [filled, next] = cluster.followers();
  const [oldId, filledId, nextId] = [old, filled, next].map(({ node }) => node.options.id);
  // Only the full node hears of the last entries, and then of nothing more from that leader.
  cluster.hub.silence(oldId, nextId, true);
  await fill(cluster, filled, old);
  cluster.hub.silence(oldId, filledId, true);
  cluster.hub.silence(nextId, oldId, true);
  const late: number[] = [];
  const carry = cluster.hub.carry.bind(cluster.hub);
  cluster.hub.carry = (message) => {
    if (message.kind === "appendEntriesReply" && message.from === filledId) {
      if (message.term < filled.node.raft.term) late.push(message.index);
    }
    carry(message);
  };
  await cluster.clock.runUntil(() => filled.node.raft.votedFor === nextId, 5000);
  // The room is there before the vote is on its way, or some time after.
  cluster.disks.get(filledId)!.capacityBytes = Infinity;
  await cluster.clock.runUntil(() => next.node.raft.role === "leader", 5000);
  await cluster.clock.run(1000);
  assertEquals(late, []);
  for (const from of cluster.ids) {
    for (const to of cluster.ids) cluster.hub.silence(from, to, false);
  }
  await cluster.converge();
});
