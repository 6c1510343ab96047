/** Releases side by side: what the cluster uses rises when all support it, and never sinks. */

import { LogIndex, type NodeId } from "../../src/base/mod.ts";
import { recordWithPayload, sealEntry } from "../../src/raft/mod.ts";
import { StorageError } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const idOf = ({ node }: LiveNode) => node.options.id;

async function started(size: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size);
  await cluster.startAll();
  await cluster.elect();
  return cluster;
}

/** Starts a node again with the program of another release. */
async function restart(cluster: VirtualCluster, id: NodeId, level: number): Promise<LiveNode> {
  if (cluster.live.has(id)) cluster.kill(id);
  await cluster.clock.run(20);
  cluster.levels.set(id, level);
  const live = await cluster.start(id);
  await cluster.elect();
  return live;
}

async function write(cluster: VirtualCluster): Promise<void> {
  for (const { node } of cluster.live.values()) {
    const answer = send(node.openLane(), "INCR", "n");
    await cluster.clock.runUntil(() => answer.text !== undefined, 5000);
    assertMatch(answer.text!, /^\d+$/);
  }
}

const levels = (cluster: VirtualCluster) =>
  [...cluster.live.values()].map(({ node }) => node.raft.committedConfiguration.featureLevel);

async function risen(cluster: VirtualCluster, level: number): Promise<void> {
  await cluster.clock.runUntil(() => levels(cluster).every((found) => found === level), 5000);
  for (const { node } of cluster.live.values()) assertEquals(node.view().featureLevel, level);
}

Deno.test("a rolling update raises the feature level once the last member is done", async () => {
  const cluster = await started(3);
  for (const [at, id] of cluster.ids.entries()) {
    await restart(cluster, id, 2);
    await write(cluster);
    if (at === cluster.ids.length - 1) break;
    await cluster.clock.run(5000);
    assertEquals(levels(cluster), [1, 1, 1], `after ${at + 1} of 3`);
  }
  await risen(cluster, 2);
  await write(cluster);
  await cluster.converge();
  // It is in the log: a start changes nothing.
  for (const id of cluster.ids) cluster.cutPower(id);
  await cluster.clock.run(20);
  await cluster.startAll();
  await cluster.elect();
  await write(cluster);
  await risen(cluster, 2);
});

Deno.test("a member of an older release, or one that is away, keeps the level down until it is replaced", async () => {
  const cluster = await started(3);
  const [, second, old] = cluster.ids;
  for (const id of cluster.ids) if (id !== old) await restart(cluster, id, 2);
  await cluster.clock.run(10_000);
  assertEquals(levels(cluster), [1, 1, 1]);
  // Who is away may come back with either release.
  cluster.kill(old);
  await cluster.elect();
  await cluster.clock.run(10_000);
  assertEquals(levels(cluster), [1, 1]);
  cluster.levels.set(4 as NodeId, 2);
  const newcomer = await cluster.join(cluster.leader!, "voter", old);
  await cluster.voters(1, second, newcomer);
  await risen(cluster, 2);
  await write(cluster);
  await cluster.converge();
});

Deno.test("what a member said before it went away does not count: it may come back as another release", async () => {
  const cluster = await started(3);
  const [first, second, third] = cluster.ids;
  await restart(cluster, first, 2);
  await restart(cluster, second, 2);
  cluster.kill(second);
  await restart(cluster, third, 2);
  if (cluster.leaderId !== first) {
    const { operations } = cluster.leader!.node;
    assertEquals((await cluster.finish(operations.transferLeadership(first))).kind, "done");
  }
  assertEquals(cluster.leader!.node.membership.featureLevelOf(second), 2);
  await cluster.clock.run(10_000);
  assertEquals(levels(cluster), [1, 1]);
  await restart(cluster, second, 2);
  await risen(cluster, 2);
});

Deno.test("a release that is too old neither starts, joins nor links up, and says what to do", async () => {
  const cluster = await started(3);
  for (const id of cluster.ids) await restart(cluster, id, 2);
  await risen(cluster, 2);
  const [id] = cluster.followers().map(idOf);
  const refuses = async () => {
    const error = await assertRejects(() => restart(cluster, id, 1), StorageError);
    assertEquals(error.kind, "newerFormat");
    assertMatch(error.message, /feature level 2.*supports 1 at most.*start the release of Logboat/);
    cluster.disks.set(id, cluster.disks.get(id)!.kill());
  };

  // Its own log says so; nothing in its data directory changes by that.
  await refuses();
  // So does its snapshot, where the log has it no more.
  await restart(cluster, id, 2);
  for (let i = 0; i < 2; i++) {
    for (let k = 0; k < 60; k++) {
      const answer = send(cluster.leader!.node.openLane(), "SET", `k${k}`, "x".repeat(500));
      await cluster.clock.runUntil(() => answer.text !== undefined, 5000);
    }
    await cluster.converge();
    await cluster.finish(cluster.live.get(id)!.node.operations.takeSnapshot());
  }
  const { storage } = await restart(cluster, id, 2);
  assertEquals(storage.recovered.configurations, []);
  await refuses();
  await restart(cluster, id, 2);

  const answer = await cluster.finish(cluster.leader!.node.operations.join({
    raftAddress: "127.0.0.1:7900",
    redisAddress: "127.0.0.1:6900",
    as: "voter",
    featureLevel: 1,
  }));
  assert(answer.kind === "refused", JSON.stringify(answer));
  assertMatch(answer.text, /supports feature level 1, the cluster uses 2: start a newer release/);
});

Deno.test("a release that was too old when the level rose behind its back ends and says so", async () => {
  const cluster = await started(3);
  const [id, last] = cluster.followers().map(idOf);
  for (const other of cluster.ids) if (other !== last) await restart(cluster, other, 2);
  // It is connected, and hears nothing of what happens when the last one is new.
  for (const from of cluster.ids) cluster.hub.silence(from, id, true);
  cluster.kill(last);
  await cluster.clock.run(20);
  cluster.levels.set(last, 2);
  await cluster.start(last);
  await cluster.clock.runUntil(() => levels(cluster).includes(2), 5000);
  assertEquals(cluster.live.get(id)!.node.raft.configuration.featureLevel, 1);
  cluster.kill(id);
  for (const from of cluster.ids) cluster.hub.silence(from, id, false);
  await cluster.clock.run(20);
  // Two others refuse its handshake.
  cluster.levels.set(id, 1);
  await cluster.start(id);
  await cluster.clock.runUntil(() => cluster.fatal.has(id), 5000);
  assertEquals(cluster.fatal.get(id)!.kind, "outdated");
  assertMatch(cluster.fatal.get(id)!.text, /feature level 1.*the cluster uses 2/);
  await write(cluster);
});

Deno.test("members in a format of a later release end the process before anything is applied", async () => {
  const cluster = await started(3);
  const [follower] = cluster.followers();
  const { raft } = follower.node;
  const before = follower.node.appliedIndex;
  const index = LogIndex(raft.lastEntry.index + 1);
  const record = recordWithPayload(new Uint8Array([9, 1, 2, 3]));
  follower.network.deliver({
    kind: "appendEntries",
    from: cluster.leaderId,
    to: idOf(follower),
    term: raft.term,
    prev: raft.lastEntry,
    entries: [sealEntry(record, "configuration", raft.term, index)],
    commitIndex: index,
  });
  await cluster.clock.run(100);
  assertEquals(cluster.fatal.get(idOf(follower))?.kind, "outdated");
  assertMatch(
    cluster.fatal.get(idOf(follower))!.text,
    /its format version is 9, expected 1; start/,
  );
  assertEquals(follower.node.appliedIndex, before);
  await write(cluster);
});
