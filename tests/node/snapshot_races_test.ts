/** Snapshots of a peer that arrive while this node is at something else. */

import { Term } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Answer, type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const answered = (answers: readonly Answer[]) => () =>
  answers.every(({ text }) => text !== undefined);

async function load(cluster: VirtualCluster, by: LiveNode, count: number) {
  const lane = by.node.openLane();
  for (let i = 0; i < count; i++) {
    const answer = send(lane, "SET", `key${i % 50}`, `${i}`.padEnd(300, "x"));
    await cluster.clock.runUntil(answered([answer]), 10_000);
    assertEquals(answer.text, "OK");
  }
}

/** Until the log of `live` begins behind what the others need that are away. */
async function compact(cluster: VirtualCluster, live: LiveNode): Promise<void> {
  const before = live.node.raft.logStart.index;
  for (let i = 0; i < 2; i++) {
    await load(cluster, live, 150);
    const taken = await cluster.finish(live.node.operations.takeSnapshot());
    assertEquals(taken.kind, "done");
  }
  assert(live.node.raft.logStart.index > before + 100);
}

/** A follower was away for so long that it needs a snapshot, and starts again. */
async function startedTooLate() {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const [away, other] = cluster.followers().map(({ node }) => node.options.id);
  cluster.kill(away);
  await compact(cluster, leader);
  await cluster.converge();
  const { node } = await cluster.start(away);
  return { cluster, leader, away, other, node, disk: cluster.disks.get(away)! };
}

Deno.test("a snapshot whose leader fell while it was loaded makes nobody a leader", async () => {
  const { cluster, leader, away, other, node, disk } = await startedTooLate();
  // 1. The node has all chunks and reads them back; that takes its time.
  const { promise, resolve } = Promise.withResolvers<void>();
  let loads = false;
  disk.fault = ({ kind, path }) => {
    if (kind !== "read" || !path.endsWith(".part")) return undefined;
    loads = true;
    return { kind: "hang", until: promise };
  };
  await cluster.clock.runUntil(() => loads, 10_000);
  // 2. The leader dies; this node hears that the other one wants its vote, and nothing else.
  const term = Term(node.raft.term + 1);
  cluster.hub.silence(other, away, true);
  cluster.kill(leader.node.options.id);
  cluster.live.get(away)!.network.deliver({
    kind: "requestVote",
    from: other,
    to: away,
    term,
    preVote: false,
    transfer: true,
    last: leader.node.raft.lastEntry,
  });
  await cluster.clock.run(10);
  assertEquals(node.raft.term, term);
  assertEquals(node.raft.leaderId, undefined);
  // 3. Now the snapshot is loaded.
  resolve();
  await cluster.clock.run(0);
  assertEquals(node.counters.snapshotsInstalled, 1);
  assertEquals(node.raft.leaderId, undefined);
  cluster.hub.silence(other, away, false);
  await cluster.elect();
  await cluster.converge();
});

Deno.test("a snapshot of the leader overtakes one that this node is finishing", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const leaderId = leader.node.options.id;
  const [behind] = cluster.followers();
  const { id } = behind.node.options;
  await load(cluster, leader, 100);
  await cluster.converge();
  // 1. It has one snapshot, and begins another one whose last sync is slow.
  await cluster.finish(behind.node.operations.takeSnapshot());
  await load(cluster, leader, 100);
  await cluster.converge();
  const { promise, resolve } = Promise.withResolvers<void>();
  let syncs = false;
  cluster.disks.get(id)!.fault = ({ kind, path }) => {
    if (kind !== "sync" || !path.endsWith(".new") || syncs) return undefined;
    syncs = true;
    return { kind: "hang", until: promise };
  };
  const taken = behind.node.operations.takeSnapshot();
  await cluster.clock.runUntil(() => syncs, 1000);
  // 2. Meanwhile it is cut off, and takes over a snapshot.
  cluster.hub.silence(leaderId, id, true);
  await compact(cluster, leader);
  cluster.hub.silence(leaderId, id, false);
  await cluster.clock.runUntil(() => behind.node.counters.snapshotsInstalled === 1, 20_000);
  await cluster.clock.run(100);
  // 3. Its own is finished, older than what is there.
  resolve();
  await cluster.finish(taken);
  await load(cluster, leader, 5);
  await cluster.converge();
  assertEquals(cluster.fatal.size, 0);
  assertEquals(behind.storage.snapshots.newest?.last, behind.node.raft.logStart);
});

Deno.test("a removed node that learns it from a snapshot does not deny writes that took effect", async () => {
  const cluster = new VirtualCluster(4);
  await cluster.startAll();
  const leader = await cluster.elect();
  const leaderId = leader.node.options.id;
  const [behind] = cluster.followers();
  const { id } = behind.node.options;
  await cluster.converge();
  // 1. A write of its client is applied by the others; it hears nothing any more.
  cluster.hub.silence(leaderId, id, true);
  const write = send(behind.node.openLane(), "INCR", "n");
  await cluster.clock.runUntil(() => leader.node.machine.keyspace.size === 1, 1000);
  await load(cluster, leader, 300);
  await cluster.finish(leader.node.operations.takeSnapshot());
  await load(cluster, leader, 20);
  // 2. It is removed, and the log before that is given up.
  const removed = await cluster.finish(
    leader.node.operations.changeMembers({ kind: "remove", id }),
  );
  assertEquals(removed.kind, "done");
  await cluster.finish(leader.node.operations.takeSnapshot());
  cluster.hub.silence(leaderId, id, false);
  await load(cluster, leader, 1);
  await cluster.clock.runUntil(answered([write]), 3000);
  assertEquals(behind.node.counters.snapshotsInstalled, 1);
  assertEquals(write.text, "!maybeApplied");
});

Deno.test("a large snapshot of the leader that takes long to sync is no hung disk", async () => {
  const { cluster, away, node, disk } = await startedTooLate();
  const { promise, resolve } = Promise.withResolvers<void>();
  let syncs = 0;
  disk.fault = ({ kind, path }) =>
    kind === "sync" && path.endsWith(".part") && syncs++ === 0
      ? { kind: "hang", until: promise }
      : undefined;
  await cluster.clock.runUntil(() => syncs === 1, 5000);
  await cluster.clock.run(15_000);
  assertEquals(cluster.fatal.get(away), undefined);
  resolve();
  await cluster.converge();
  assertEquals(node.counters.snapshotsInstalled, 1);
});

Deno.test("a snapshot that is not needed any more leaves no file behind", async () => {
  const { cluster, leader, away, node, disk } = await startedTooLate();
  const unfinished = () => disk.paths().filter((path) => path.endsWith(".part")).length;
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.fault = ({ kind, path }) =>
    kind === "write" && path.endsWith(".part") ? { kind: "hang", until: promise } : undefined;
  await cluster.clock.runUntil(() => unfinished() > 0, 10_000);
  // Who leads next has the whole log.
  cluster.kill(leader.node.options.id);
  await cluster.elect();
  await cluster.converge();
  await cluster.clock.run(1000);
  resolve();
  await cluster.clock.run(1000);
  assertEquals(node.counters.snapshotsInstalled, 0);
  assertEquals([node.snapshots.isFetching, unfinished()], [false, 0]);
  assertEquals(cluster.fatal.get(away), undefined);
});

Deno.test("a snapshot that was loaded in vain and cannot be removed is a failed disk", async () => {
  const { cluster, leader, away, node, disk } = await startedTooLate();
  const { promise, resolve } = Promise.withResolvers<void>();
  let loads = false;
  disk.fault = ({ kind, path }) => {
    if (!path.endsWith(".part")) return undefined;
    if (kind === "remove") return { kind: "error", code: "EIO" };
    if (kind !== "read") return undefined;
    loads = true;
    return { kind: "hang", until: promise };
  };
  await cluster.clock.runUntil(() => loads, 10_000);
  // Who leads next has the whole log.
  cluster.kill(leader.node.options.id);
  await cluster.elect();
  await cluster.converge();
  resolve();
  await cluster.clock.run(1000);
  assertEquals(node.counters.snapshotsInstalled, 0);
  assertEquals(cluster.fatal.get(away)?.kind, "diskFailed");
});
