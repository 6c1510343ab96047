/** Snapshots of whole nodes: taken under load, started from, sent to whoever is too far behind. */

import { LogIndex, type NodeId, Prng, Term } from "../../src/base/mod.ts";
import { SnapshotLoader } from "../../src/machine/mod.ts";
import { decodeConfiguration, encodeConfiguration } from "../../src/raft/mod.ts";
import { encodeManifest } from "../../src/storage/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Answer, type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const answered = (answers: readonly Answer[]) => () =>
  answers.every(({ text }) => text !== undefined);

/** Writes `count` keys of some hundred bytes through `by` and waits for them. */
async function load(cluster: VirtualCluster, by: LiveNode, count: number, name = "key") {
  const lane = by.node.openLane();
  for (let i = 0; i < count; i++) {
    const answer = send(lane, "SET", `${name}${i % 50}`, `${i}`.padEnd(300, "x"));
    await cluster.clock.runUntil(answered([answer]), 10_000);
    assertEquals(answer.text, "OK");
  }
}

async function snapshot(cluster: VirtualCluster, { node }: LiveNode): Promise<number> {
  const outcome = await cluster.finish(node.operations.takeSnapshot());
  assert(outcome.kind === "done", JSON.stringify(outcome));
  return outcome.index;
}

/** Until the log of `live` begins behind what a node that has nothing needs. */
async function compact(cluster: VirtualCluster, live: LiveNode): Promise<void> {
  await load(cluster, live, 150);
  await snapshot(cluster, live);
  await load(cluster, live, 150);
  await snapshot(cluster, live);
  assert(live.node.raft.logStart.index > 100, `the log begins at ${live.node.raft.logStart.index}`);
}

Deno.test("a snapshot is taken when the log is long, and the log behind two of them goes", async () => {
  const cluster = new VirtualCluster(3, 1, { snapshotLogBytes: 20_000 });
  await cluster.startAll();
  const leader = await cluster.elect();
  await load(cluster, leader, 400);
  await cluster.clock.run(1000);
  for (const { node, storage } of cluster.live.values()) {
    assert(node.counters.snapshotsTaken >= 4, `taken: ${node.counters.snapshotsTaken}`);
    assertEquals(storage.snapshots.manifests.length, 2);
    assertEquals(node.raft.logStart.index + 1, storage.firstIndex);
    const [older] = storage.snapshots.manifests;
    assert(storage.firstIndex <= older.last.index + 1, "the log must reach back to the older one");
    assert(storage.bytes < 60_000 + (1 << 14), `the log has ${storage.bytes} bytes`);
  }
  await cluster.converge();
});

Deno.test("a node starts from its snapshot and the log behind it, whatever the crash kept", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new VirtualCluster(3, seed, { snapshotLogBytes: 10_000 });
    await cluster.startAll();
    const prng = new Prng(seed);
    for (let round = 0; round < 6; round++) {
      const leader = await cluster.elect();
      await load(cluster, leader, prng.between(20, 120), `round${round}`);
      const victim = prng.pick(cluster.ids);
      if (prng.chance(0.5)) cluster.kill(victim);
      else cluster.cutPower(victim);
      await cluster.start(victim);
    }
    await cluster.elect();
    await cluster.converge();
    const restarted = [...cluster.live.values()].some(({ storage }) =>
      storage.recovered.snapshot !== undefined
    );
    assert(restarted, `seed ${seed}: nobody started from a snapshot`);
  }
});

Deno.test("increments under snapshots and crashes are counted exactly", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new VirtualCluster(3, seed, { snapshotLogBytes: 4000 });
    const prng = new Prng(seed);
    await cluster.startAll();
    await cluster.elect();
    const acknowledged: number[] = [];
    let sent = 0;
    let unknown = 0;
    for (let step = 0; step < 40; step++) {
      const answers: Answer[] = [];
      for (const { node } of cluster.live.values()) {
        const lane = node.openLane();
        for (let i = 0; i < 5; i++) answers.push(send(lane, "INCR", "k"));
      }
      sent += answers.length;
      await cluster.clock.run(prng.between(0, 60));
      const victim = prng.pick(cluster.ids);
      if (prng.chance(0.3)) {
        if (prng.chance(0.5)) cluster.kill(victim);
        else cluster.cutPower(victim);
        await cluster.clock.run(prng.between(0, 3000));
        await cluster.start(victim);
      }
      await cluster.clock.run(100);
      for (const { text } of answers) {
        if (text !== undefined && !text.startsWith("!")) acknowledged.push(Number(text));
        else unknown++;
      }
    }
    await cluster.elect();
    await cluster.clock.run(8000);
    assertEquals(new Set(acknowledged).size, acknowledged.length, `seed ${seed}: one number twice`);
    const read = send(cluster.leader!.node.openLane(), "GET", "k");
    await cluster.clock.runUntil(answered([read]), 2000);
    const total = Number(read.text);
    assert(total <= sent && total >= acknowledged.length, `seed ${seed}: ${total} of ${sent}`);
    assert(unknown < sent, `seed ${seed}`);
    await cluster.converge();
  }
});

Deno.test("RedisRaft 9982c88: a node that is too far behind takes over a snapshot of the leader", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const away = cluster.followers()[0].node.options.id;
  cluster.kill(away);
  await compact(cluster, leader);
  const { node } = await cluster.start(away);
  await cluster.converge();
  assertEquals(node.counters.snapshotsInstalled, 1);
  assertEquals(node.machine.keyspace.size, 50);
  // And it goes on from there after a crash.
  cluster.cutPower(away);
  const again = await cluster.start(away);
  assertEquals(
    again.storage.recovered.logStart.index,
    again.storage.recovered.snapshot?.last.index,
  );
  await load(cluster, leader, 10);
  await cluster.converge();
  assertEquals(again.node.counters.snapshotsInstalled, 0);
});

Deno.test("what clients of a node wait for is decided by the snapshot that it takes over", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const [behind] = cluster.followers();
  const { id } = behind.node.options;
  await load(cluster, leader, 10);
  // 1. Its writes reach the leader and are applied by the others; it hears nothing any more.
  const leaderId = leader.node.options.id;
  cluster.hub.silence(leaderId, id, true);
  const lane = behind.node.openLane();
  const applied = [send(lane, "INCR", "n")];
  await cluster.clock.run(20);
  applied.push(send(lane, "GET", "n"), send(lane, "INCR", "n"));
  await cluster.clock.runUntil(() => leader.node.machine.keyspace.db(0).size > 10, 1000);
  await cluster.clock.run(50);
  const later = send(behind.node.openLane(), "INCR", "n");
  // 2. The log that it needs is given up, so it takes over a snapshot.
  await compact(cluster, leader);
  assertEquals(applied.map(({ text }) => text), [undefined, undefined, undefined]);
  cluster.hub.silence(leaderId, id, false);
  await cluster.clock.runUntil(answered([...applied, later]), 10_000);
  assertEquals(behind.node.counters.snapshotsInstalled, 1);
  // 3. The first two ran, their replies are gone; the read between them has no place any more.
  assertEquals(applied.map(({ text }) => text), ["!applied", "!notApplied", "!applied"]);
  const read = send(behind.node.openLane(), "GET", "n");
  await cluster.clock.runUntil(answered([read]), 2000);
  assertEquals(Number(read.text), later.text?.startsWith("!") ? 2 : 3);
  await cluster.converge();
});

Deno.test("a transfer survives a lost link, a slow rate, and new snapshots of the leader", async () => {
  const cluster = new VirtualCluster(3, 1, { snapshotRateBytes: 40_000, snapshotLogBytes: 20_000 });
  await cluster.startAll();
  const leader = await cluster.elect();
  const away = cluster.followers()[0].node.options.id;
  cluster.kill(away);
  const lane = leader.node.openLane();
  for (let i = 0; i < 400; i++) {
    const answer = send(lane, "SET", `big${i}`, "x".repeat(2000));
    await cluster.clock.runUntil(answered([answer]), 10_000);
  }
  const { node } = await cluster.start(away);
  await cluster.clock.runUntil(() => node.counters.snapshotBytesReceived > 200_000, 30_000);
  const leaderId = leader.node.options.id;
  cluster.hub.silence(leaderId, away, true);
  await load(cluster, leader, 100);
  cluster.hub.silence(leaderId, away, false);
  await cluster.converge(120_000);
  assertEquals(node.counters.snapshotsInstalled, 1);
  const { bytes } = node.options.storage.snapshots.manifests[0];
  assert(node.counters.snapshotBytesReceived < 1.5 * bytes + (1 << 18), "it began from the start");
});

Deno.test("a new leader in the middle of a transfer brings it to its end", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = new VirtualCluster(4, seed, { snapshotRateBytes: 100_000 });
    await cluster.startAll();
    const leader = await cluster.elect();
    const away = cluster.followers()[0].node.options.id;
    cluster.kill(away);
    const lane = leader.node.openLane();
    for (const part of ["a", "b"]) {
      for (let i = 0; i < 200; i++) {
        const answer = send(lane, "SET", `${part}${i}`, "x".repeat(2000));
        await cluster.clock.runUntil(answered([answer]), 10_000);
      }
      await cluster.clock.run(500);
      for (const live of cluster.live.values()) await snapshot(cluster, live);
    }
    const { node } = await cluster.start(away);
    await cluster.clock.runUntil(() => node.counters.snapshotBytesReceived > 0, 30_000);
    cluster.kill(cluster.leaderId);
    await cluster.clock.run(2000);
    await cluster.elect();
    await cluster.converge(120_000);
    assertEquals(node.counters.snapshotsInstalled, 1, `seed ${seed}`);
  }
});

/** Everybody has what is in the leader's snapshots. */
async function compactedCluster() {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  await compact(cluster, leader);
  await cluster.converge();
  return { cluster, leader };
}

Deno.test("offers that are old, of others, or damaged change nothing", async () => {
  const { cluster, leader } = await compactedCluster();
  const [follower, other] = cluster.followers();
  const { newest } = leader.storage.snapshots;
  const { raft } = follower.node;
  const manifest = encodeManifest(newest!);
  const offer = (from: NodeId, term: number, bytes: Uint8Array) =>
    follower.network.deliver({
      kind: "snapshotOffer",
      from,
      to: follower.node.options.id,
      term: Term(term),
      last: newest!.last,
      manifest: bytes,
    });
  const leaderId = leader.node.options.id;
  const later = encodeManifest({
    ...newest!,
    last: { ...newest!.last, index: LogIndex(raft.lastEntry.index + 100) },
  });
  offer(leaderId, raft.term, manifest);
  offer(leaderId, raft.term - 1, later);
  offer(other.node.options.id, raft.term, later);
  offer(leaderId, raft.term, later.subarray(0, later.length - 1));
  await cluster.clock.run(3000);
  assertEquals(follower.node.snapshots.isFetching, false);
  assertEquals(follower.node.counters.snapshotsInstalled, 0);
  await load(cluster, leader, 5);
  await cluster.converge();
});

Deno.test("a node takes nothing of a snapshot that its release does not support", async () => {
  const { cluster, leader } = await compactedCluster();
  const [{ node, network }] = cluster.followers();
  const { id } = node.options;
  const { appliedIndex, machine } = node;
  const newest = leader.storage.snapshots.newest!;
  const members = decodeConfiguration(newest.configuration);
  network.deliver({
    kind: "snapshotOffer",
    from: leader.node.options.id,
    to: id,
    term: node.raft.term,
    last: newest.last,
    manifest: encodeManifest({
      ...newest,
      last: { ...newest.last, index: LogIndex(appliedIndex + 100) },
      configuration: encodeConfiguration({ ...members, featureLevel: 2 }),
    }),
  });
  await cluster.clock.run(3000);
  assertEquals(cluster.fatal.get(id)?.kind, "outdated");
  assertEquals(node.counters.snapshotBytesReceived, 0);
  assert(node.machine === machine);
});

Deno.test("F11 to F14: a crash at every step of taking over a snapshot", async () => {
  for (let step = 1, ended = false; !ended; step++) {
    const cluster = new VirtualCluster(3, step);
    await cluster.startAll();
    const leader = await cluster.elect();
    const away = cluster.followers()[0].node.options.id;
    cluster.kill(away);
    await compact(cluster, leader);
    const disk = cluster.disks.get(away)!;
    const { node } = await cluster.start(away);
    const first = disk.operations;
    disk.fault = ({ number }) => number === first + step ? { kind: "crashAfter" } : undefined;
    await cluster.clock.run(3000);
    ended = !disk.crashed;
    disk.fault = undefined;
    if (ended) {
      assertEquals(node.counters.snapshotsInstalled, 1);
      assert(step > 10, `there were only ${step} steps`);
    } else cluster.cutPower(away);
    if (!ended) await cluster.start(away);
    await load(cluster, leader, 5);
    await cluster.converge();
  }
});

Deno.test("F11 to F16: a crash at every step of taking a snapshot and giving up the log", async () => {
  for (let step = 1, ended = false; !ended; step++) {
    const cluster = new VirtualCluster(1, step);
    const [id] = cluster.ids;
    await cluster.startAll();
    const leader = await cluster.elect();
    await load(cluster, leader, 60);
    await snapshot(cluster, leader);
    await load(cluster, leader, 60);
    const digest = leader.node.machine.keyspace.digest();
    const disk = cluster.disks.get(id)!;
    const first = disk.operations;
    disk.fault = ({ number }) => number === first + step ? { kind: "crashAfter" } : undefined;
    let outcome: string | undefined;
    void leader.node.operations.takeSnapshot().then(({ kind }) => outcome = kind);
    await cluster.clock.run(1000);
    ended = !disk.crashed;
    disk.fault = undefined;
    if (ended) {
      assertEquals(outcome, "done");
      assert(leader.node.raft.logStart.index > 0 && step > 10, `${step} steps`);
    }
    cluster.cutPower(id);
    const { node } = await cluster.start(id);
    await cluster.elect();
    await cluster.converge();
    assertEquals(node.machine.keyspace.digest(), digest, `step ${step}`);
  }
});

Deno.test("a disk without room costs the attempt, not the older snapshot, and is said once", async () => {
  const cluster = new VirtualCluster(1);
  const [id] = cluster.ids;
  await cluster.startAll();
  const leader = await cluster.elect();
  await load(cluster, leader, 20);
  const index = await snapshot(cluster, leader);
  await load(cluster, leader, 20);
  cluster.disks.get(id)!.fault = ({ kind, path }) =>
    kind === "write" && path.includes("/snapshots/")
      ? { kind: "error", code: "ENOSPC" }
      : undefined;
  const refused = await cluster.finish(leader.node.operations.takeSnapshot());
  assertEquals(refused.kind, "refused");
  assertEquals(leader.storage.snapshots.newest?.last.index, index);
  assertEquals(leader.node.counters.snapshotsFailed, 1);
  await load(cluster, leader, 5);
  cluster.disks.get(id)!.fault = undefined;
  assert(await snapshot(cluster, leader) > index);
  assertEquals(cluster.fatal.size, 0);
});

Deno.test("a node without room for a snapshot of the leader takes it when there is some", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const away = cluster.followers()[0].node.options.id;
  cluster.kill(away);
  await compact(cluster, leader);
  const { node } = await cluster.start(away);
  let failed = 0;
  cluster.disks.get(away)!.fault = ({ kind, path }) => {
    if (kind !== "write" || !path.includes("/snapshots/")) return undefined;
    failed++;
    return { kind: "error", code: "ENOSPC" };
  };
  await cluster.clock.run(3000);
  assert(failed > 0 && cluster.fatal.size === 0);
  cluster.disks.get(away)!.fault = undefined;
  await cluster.converge();
  assertEquals(node.counters.snapshotsInstalled, 1);
});

/** A follower that has lost all its snapshots, stopped. */
async function withoutSnapshots(cluster: VirtualCluster, leader: LiveNode): Promise<NodeId> {
  await compact(cluster, leader);
  const [follower] = cluster.followers();
  const { id } = follower.node.options;
  await load(cluster, leader, 150);
  for (let i = 0; i < 2; i++) {
    await load(cluster, leader, 150);
    await cluster.converge();
    await snapshot(cluster, follower);
  }
  assert(follower.node.raft.logStart.index > 0);
  cluster.kill(id);
  const disk = cluster.disks.get(id)!;
  for (const { name } of await disk.list("/data/snapshots")) {
    if (name.endsWith(".rdb")) disk.flipBit(`/data/snapshots/${name}`, 200, 3);
  }
  return id;
}

Deno.test("a node whose snapshots are damaged takes one of the leader, and serves nothing before", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const id = await withoutSnapshots(cluster, await cluster.elect());
  const { node } = await cluster.start(id);
  assertEquals(node.view().ready, false);
  assertEquals(node.machine.keyspace.size, 0);
  await cluster.converge();
  assertEquals(node.counters.snapshotsInstalled, 1);
  assertEquals(node.view().ready, true);
});

Deno.test("a node whose snapshots are damaged asks the next leader when the one that sent falls", async () => {
  const cluster = new VirtualCluster(5);
  await cluster.startAll();
  const leader = await cluster.elect();
  const id = await withoutSnapshots(cluster, leader);
  const carry = cluster.hub.carry.bind(cluster.hub);
  cluster.hub.carry = (message) => {
    const isLost = message.kind === "snapshotChunk" && message.from === leader.node.options.id;
    if (!isLost) carry(message);
  };
  const { node } = await cluster.start(id);
  await cluster.clock.runUntil(() => node.snapshots.isFetching, 10_000);
  cluster.kill(leader.node.options.id);
  await cluster.clock.run(1000);
  await cluster.elect();
  await cluster.converge();
  assertEquals(node.counters.snapshotsInstalled, 1);
});

Deno.test("the only voter says what to do when its snapshots are damaged", async () => {
  const cluster = new VirtualCluster(1);
  const [id] = cluster.ids;
  await cluster.startAll();
  await compact(cluster, await cluster.elect());
  cluster.kill(id);
  const disk = cluster.disks.get(id)!;
  for (const { name } of await disk.list("/data/snapshots")) {
    if (name.endsWith(".rdb")) disk.flipBit(`/data/snapshots/${name}`, 200, 3);
  }
  const error = await cluster.start(id).then(() => undefined, (error) => error);
  assert(error?.message.includes("restore from a backup"), String(error));
});

Deno.test("a backup has every write that was acknowledged before it, on every node", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  await cluster.elect();
  for (const live of cluster.live.values()) {
    await load(cluster, live, 30, `of${live.node.options.id}`);
    const backup = await cluster.finish(live.node.operations.backup());
    assert(backup.kind === "started", JSON.stringify(backup));
    const loader = new SnapshotLoader();
    for await (const chunk of backup.chunks) loader.push(chunk);
    const { machine, header } = loader.finish();
    assertEquals(header.last.index, backup.index);
    assert(machine.keyspace.digest() === live.node.machine.keyspace.digest());
  }
});

Deno.test("a member that was removed while a snapshot was sent to it is offered none for ever", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const { node } = leader;
  const id = cluster.followers()[0].node.options.id;
  cluster.kill(id);
  await compact(cluster, leader);
  let offers = 0;
  const carry = cluster.hub.carry.bind(cluster.hub);
  cluster.hub.carry = (message) => {
    if (message.kind === "snapshotOffer" && message.to === id) offers++;
    // It never gets further than the offer.
    if (message.kind !== "snapshotRequest") carry(message);
  };
  await cluster.start(id);
  await cluster.clock.runUntil(() => offers > 1, 10_000);
  for (const other of cluster.ids) cluster.hub.silence(id, other, true);
  const removed = await cluster.finish(node.operations.changeMembers({ kind: "remove", id }));
  assertEquals(removed.kind, "done");
  await cluster.clock.runUntil(() => node.snapshots.sendingTo(id) === undefined, 60_000);
  offers = 0;
  await cluster.clock.run(30_000);
  assertEquals([offers, node.raft.role], [0, "leader"]);
});
