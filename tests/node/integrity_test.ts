/** Damaged entries come back from other members while a cluster serves; a wrong state is shut away. */

import { LogIndex, type NodeId } from "../../src/base/mod.ts";
import { CorruptionError, StorageError } from "../../src/storage/mod.ts";
import { readRecordHeader, RECORD_HEADER_BYTES } from "../../src/raft/mod.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import { type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const SEGMENT_HEADER_BYTES = 64;
const MARK_KIND = 0xff;

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Where each entry of a log is. */
function placesOf(disk: MemoryDisk): Map<number, Place> {
  const places = new Map<number, Place>();
  for (const path of disk.paths().filter((path) => path.includes("/log/"))) {
    const bytes = disk.contentOf(path);
    for (let at = SEGMENT_HEADER_BYTES; at < bytes.length && bytes[at + 12] !== 0;) {
      if (bytes[at + 13] === MARK_KIND) {
        at += RECORD_HEADER_BYTES;
        continue;
      }
      const header = readRecordHeader(bytes, at);
      const length = RECORD_HEADER_BYTES + header.payloadBytes;
      places.set(header.index, { path, offset: at, bytes: length });
      at += length;
    }
  }
  return places;
}

/** Flips a bit of the header or the payload of an entry. */
function damage(
  disk: MemoryDisk,
  indices: readonly number[],
  part: "header" | "payload" = "payload",
): void {
  const places = placesOf(disk);
  for (const index of indices) {
    const { path, offset } = places.get(index)!;
    disk.flipBit(path, offset + (part === "header" ? 6 : RECORD_HEADER_BYTES + 2), 3);
  }
}

/** Writes `count` entries through the leader. */
async function write(cluster: VirtualCluster, count: number, from = 0): Promise<void> {
  const lane = cluster.leader!.node.openLane();
  for (let i = from; i < from + count; i++) {
    const answer = send(lane, "SET", `key:${i}`, `value ${i}`);
    await cluster.clock.runUntil(() => answer.text !== undefined, 10_000);
    assertEquals(answer.text, "OK");
  }
}

async function clusterOf(size: number, writes = 20): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size);
  await cluster.startAll();
  await cluster.elect();
  await write(cluster, writes);
  await cluster.converge();
  return cluster;
}

function stopAll(cluster: VirtualCluster): void {
  for (const id of cluster.ids) cluster.kill(id);
}

/** Processes that were killed find their disks gone. */
function assertNobodyEnded(cluster: VirtualCluster): void {
  const ended = [...cluster.fatal.values()].filter(({ text }) => !text.includes("ECRASHED"));
  assertEquals(ended, []);
}

function damagedOf(cluster: VirtualCluster, id: NodeId): number {
  return cluster.live.get(id)!.node.view().damagedEntries;
}

async function repaired(cluster: VirtualCluster): Promise<void> {
  await cluster.clock.runUntil(
    () => [...cluster.live.values()].every(({ node }) => node.view().damagedEntries === 0),
    30_000,
  );
}

Deno.test("E23: a follower with damaged entries starts, takes them from others, and equals them", async () => {
  for (const part of ["payload", "header"] as const) {
    const cluster = await clusterOf(3);
    const id = cluster.followers()[0].node.options.id;
    cluster.kill(id);
    const disk = cluster.disks.get(id)!;
    damage(disk, [3, 9, 10], part);
    await write(cluster, 5, 20);
    const { node, storage } = await cluster.start(id);
    assertEquals(node.view().damagedEntries, 3);
    await repaired(cluster);
    await cluster.converge();
    assertEquals(storage.damaged, []);
    assertEquals(node.view().counters.entriesRepaired, 3);
    assertNobodyEnded(cluster);
    cluster.kill(id);
    const again = await cluster.start(id);
    assertEquals(again.storage.recovered.damaged, []);
    assertEquals(again.storage.recovered.warnings, []);
    await cluster.converge();
  }
});

Deno.test("every member has lost other entries: all come back, though nobody leads meanwhile", async () => {
  const cluster = await clusterOf(3);
  stopAll(cluster);
  cluster.ids.forEach((id, at) => {
    damage(cluster.disks.get(id)!, [2 + at, 8 + at]);
  });
  await cluster.startAll();
  for (const id of cluster.ids) assertEquals(damagedOf(cluster, id), 2);
  await repaired(cluster);
  await cluster.elect();
  await cluster.converge();
  await write(cluster, 3, 20);
  await cluster.converge();
  assertNobodyEnded(cluster);
});

Deno.test("a member with damaged entries does not lead before it has them back", async () => {
  const cluster = await clusterOf(3);
  stopAll(cluster);
  const [whole, ...damaged] = cluster.ids;
  for (const id of damaged) damage(cluster.disks.get(id)!, [5]);
  for (const id of damaged) await cluster.start(id);
  await cluster.clock.run(10_000);
  for (const { node } of cluster.live.values()) {
    assertEquals(node.raft.role, "follower");
    assertStringIncludes(node.view().notReadyReason!, "no leader");
  }
  await cluster.start(whole);
  await repaired(cluster);
  await cluster.elect();
  await cluster.converge();
});

Deno.test("a member leads with damaged entries that it has applied, and others get its snapshot", async () => {
  const cluster = await clusterOf(3);
  const behind = cluster.followers()[0].node.options.id;
  const id = cluster.leader!.node.options.id;
  cluster.kill(behind);
  await write(cluster, 10, 20);
  await takeSnapshot(cluster, cluster.leader!);
  for (const live of [...cluster.live.keys()]) cluster.kill(live);
  const disk = cluster.disks.get(id)!;
  const last = Math.max(...placesOf(disk).keys());
  damage(disk, [last - 5]);
  // The third one stays away.
  await cluster.start(id);
  await cluster.start(behind);
  await cluster.elect();
  assertEquals(cluster.leader!.node.options.id, id);
  await write(cluster, 3, 30);
  await cluster.converge();
  assertEquals(damagedOf(cluster, id), 0, "it is in a snapshot");
  assertNobodyEnded(cluster);
});

Deno.test("what was applied of an entry that nobody gives back is in a snapshot soon", async () => {
  const cluster = await clusterOf(3);
  const { node, storage } = cluster.leader!;
  const id = node.options.id;
  for (const other of cluster.followers()) cluster.kill(other.node.options.id);
  const { first, path } = {
    first: LogIndex(5),
    path: placesOf(cluster.disks.get(id)!).get(5)!.path,
  };
  damage(cluster.disks.get(id)!, [first]);
  await assertRejects(() => storage.read(first, first, 1000), CorruptionError);
  node.integrity.readFailed(new CorruptionError(path, 0, "test", first));
  await cluster.clock.runUntil(() => storage.snapshots.newest !== undefined, 20_000);
  assertEquals(storage.snapshots.newest!.last.index, node.appliedIndex);
});

Deno.test("E24: an entry that is damaged on all members halts them, says so, and invents nothing", async () => {
  const cluster = await clusterOf(3);
  stopAll(cluster);
  const [id] = cluster.ids;
  const { path } = placesOf(cluster.disks.get(id)!).get(7)!;
  const whole = cluster.disks.get(id)!.contentOf(path);
  for (const one of cluster.ids) damage(cluster.disks.get(one)!, [7]);
  await cluster.startAll();
  await cluster.clock.run(30_000);
  for (const { node } of cluster.live.values()) {
    assertEquals(node.view().damagedEntries, 1);
    assert(node.appliedIndex < 7, `applied ${node.appliedIndex}`);
    assertEquals(node.raft.role, "follower");
    assert(!node.view().ready);
  }
  assertNobodyEnded(cluster);
  // Whoever gets its copy back gives it to the others.
  cluster.kill(id);
  cluster.disks.get(id)!.setContent(path, whole);
  await cluster.start(id);
  await repaired(cluster);
  await cluster.elect();
  await cluster.converge();
});

Deno.test("damage that hides an entry among others that nobody else has: these go, it comes back", async () => {
  const cluster = await clusterOf(3);
  const old = cluster.leader!;
  const id = old.node.options.id;
  const others = cluster.followers().map(({ node }) => node.options.id);
  const committed = old.node.raft.commitIndex;
  for (const other of others) cluster.hub.silence(id, other, true);
  const lane = old.node.openLane();
  for (let i = 0; i < 3; i++) {
    send(lane, "SET", `key:${i}`, "never committed");
    await cluster.clock.run(20);
  }
  const { lastIndex } = old.storage;
  assert(lastIndex > committed + 1, "some of them are on disk");
  cluster.kill(id);
  for (const other of others) cluster.hub.silence(id, other, false);
  const disk = cluster.disks.get(id)!;
  const places = placesOf(disk);
  const { path, offset } = places.get(committed)!;
  const last = places.get(lastIndex)!;
  for (let at = offset; at < last.offset + 6; at += 5) disk.flipBit(path, at, 3);
  await cluster.elect();
  await write(cluster, 5, 20);
  const { node, storage } = await cluster.start(id);
  assertEquals(storage.recovered.damaged.map(({ first, last }) => [first, last]), [
    [committed, lastIndex],
  ]);
  await repaired(cluster);
  await cluster.converge();
  assertNobodyEnded(cluster);
  assertEquals(node.view().counters.entriesRepaired, 1);
  await write(cluster, 2, 25);
  await cluster.converge();
  cluster.kill(id);
  const again = await cluster.start(id);
  assertEquals(again.storage.recovered.damaged, []);
  assertEquals(again.storage.recovered.warnings, []);
  await cluster.converge();
});

Deno.test("a single node with damaged entries refuses to start and changes nothing", async () => {
  const cluster = await clusterOf(1);
  const [id] = cluster.ids;
  cluster.kill(id);
  const disk = cluster.disks.get(id)!;
  damage(disk, [4]);
  const before = disk.paths().filter((path) => path.includes("/log/")).map((path) =>
    disk.contentOf(path)
  );
  const error = await assertRejects(() => cluster.start(id), CorruptionError);
  assertEquals(error.index, LogIndex(4));
  const after = disk.paths().filter((path) => path.includes("/log/")).map((path) =>
    disk.contentOf(path)
  );
  assertEquals(after, before);
});

Deno.test("a leader that cannot read an entry for a follower takes it back and sends it", async () => {
  const cluster = await clusterOf(3);
  const late = cluster.followers()[0].node.options.id;
  cluster.kill(late);
  // So many that the leader has to read from its disk what the follower lacks.
  const first = cluster.leader!.node.raft.lastEntry.index + 1;
  await writeMuch(cluster);
  const leader = cluster.leader!;
  assert(leader.node.raft.firstInMemory > first + 2, "the entry is on disk alone");
  damage(cluster.disks.get(leader.node.options.id)!, [first + 2]);
  await cluster.start(late);
  await cluster.converge();
  assertEquals(leader.node.view().counters.entriesRepaired, 1);
  assertEquals(leader.storage.damaged, []);
  assertNobodyEnded(cluster);
});

/** More than a segment. */
async function writeMuch(cluster: VirtualCluster): Promise<void> {
  const lane = cluster.leader!.node.openLane();
  for (let i = 0; i < 80; i++) {
    const answer = send(lane, "SET", `big:${i}`, "x".repeat(1000));
    await cluster.clock.runUntil(() => answer.text !== undefined, 10_000);
  }
}

async function takeSnapshot(cluster: VirtualCluster, { node }: LiveNode): Promise<void> {
  let kind: string | undefined;
  void node.snapshots.take().then((taken) => kind = taken.kind);
  await cluster.clock.runUntil(() => kind !== undefined, 10_000);
  assertEquals(kind, "done");
}

Deno.test("a member whose damaged entries nobody keeps any more goes on from a snapshot", async () => {
  const cluster = await clusterOf(3);
  await writeMuch(cluster);
  const id = cluster.followers()[0].node.options.id;
  for (const live of cluster.live.values()) {
    if (live.node.options.id !== id) await takeSnapshot(cluster, live);
  }
  await writeMuch(cluster);
  await cluster.converge();
  cluster.kill(id);
  damage(cluster.disks.get(id)!, [3, 12]);
  for (const live of cluster.live.values()) {
    // The second one lets the log go that the first one covers.
    await takeSnapshot(cluster, live);
    await cluster.clock.run(1000);
    assert(live.storage.firstIndex > 12, `the log begins with ${live.storage.firstIndex}`);
    assert(live.storage.firstIndex < live.storage.lastIndex);
  }
  const { node } = await cluster.start(id);
  await cluster.converge();
  const { counters, firstIndex } = node.view();
  // Its log was good behind the damage and stays.
  assertEquals([counters.snapshotsInstalled, firstIndex], [1, 1]);
  // What the snapshot has is damage that nobody needs any more.
  assertEquals(node.view().damagedEntries, 0);
  assertNobodyEnded(cluster);
  await write(cluster, 3, 500);
  await cluster.converge();
});

Deno.test("a single node that cannot read its log while it runs ends", async () => {
  const cluster = await clusterOf(1, 3);
  const { node } = cluster.leader!;
  node.onReadFailed(new CorruptionError("file", 64, "the checksum does not match", LogIndex(2)));
  await cluster.clock.runUntil(() => cluster.fatal.size > 0, 1000);
  assertEquals(cluster.fatal.get(cluster.ids[0])?.kind, "logDamaged");
});

/** Writes until every live member has compared its state `times` more. */
async function compare(cluster: VirtualCluster, times: number): Promise<void> {
  const last = cluster.leader!.node.raft.lastEntry.index + 256 * times;
  let i = 1000;
  while (cluster.leader!.node.raft.lastEntry.index <= last) await write(cluster, 20, i += 20);
}

/** As a bug or a flipped bit in memory would: a write has another effect on one member. */
async function spoil(cluster: VirtualCluster, wrong: LiveNode): Promise<void> {
  wrong.node.machine.keyspace.db(0).delete("key:1");
  const answer = send(cluster.leader!.node.openLane(), "DEL", "key:1");
  await cluster.clock.runUntil(() => answer.text !== undefined, 10_000);
}

Deno.test("members compare their states, which are equal", async () => {
  const cluster = await clusterOf(3, 5);
  await compare(cluster, 2);
  await cluster.converge();
  for (const { node } of cluster.live.values()) {
    const { counters, quarantined } = node.view();
    assertEquals(quarantined, undefined);
    assert(counters.stateHashesCompared >= 2, `${counters.stateHashesCompared}`);
    assertEquals(counters.stateHashesDiffering, 0);
  }
});

Deno.test("a member whose state differs from a majority serves nobody and does not lead", async () => {
  for (const role of ["follower", "leader"] as const) {
    const cluster = await clusterOf(3, 5);
    const wrong = role === "leader" ? cluster.leader! : cluster.followers()[0];
    await spoil(cluster, wrong);
    let i = 0;
    const isShut = () => wrong.node.view().quarantined !== undefined;
    const writing = cluster.leader!.node.openLane();
    while (!isShut() && i++ < 800) {
      // The last ones have answers that nobody should trust.
      const answer = send(writing, "SET", `key:${i}`, "x");
      await cluster.clock.runUntil(() => answer.text !== undefined, 10_000);
    }
    await cluster.clock.runUntil(isShut, 1000);
    const view = wrong.node.view();
    assertStringIncludes(view.quarantined!, "differs from that of 2 of 3 members");
    assertStringIncludes(view.quarantined!, "--replace ID");
    assert(!view.ready && view.counters.stateHashesDiffering > 0);
    await cluster.clock.runUntil(
      () => cluster.leader !== undefined && cluster.leader !== wrong,
      20_000,
    );
    const lane = wrong.node.openLane();
    const answers = [send(lane, "GET", "key:1"), send(lane, "SET", "a", "b")];
    await cluster.clock.runUntil(() => answers.every(({ text }) => text !== undefined), 10_000);
    assertEquals(answers.map(({ text }) => text), ["!notApplied", "!notApplied"], role);
    for (const { node } of cluster.live.values()) {
      if (node !== wrong.node) assertEquals(node.view().quarantined, undefined);
    }
    await write(cluster, 3, 2000);
  }
});

Deno.test("two members that differ both say so and go on: neither is a majority", async () => {
  const cluster = await clusterOf(2, 5);
  const wrong = cluster.followers()[0];
  await spoil(cluster, wrong);
  await compare(cluster, 1);
  await cluster.clock.run(1000);
  for (const { node } of cluster.live.values()) {
    assertEquals(node.view().quarantined, undefined);
    assert(node.view().counters.stateHashesDiffering > 0);
  }
});

/** Until `wrong` knows that its state is another one than the others'. */
async function findOut(cluster: VirtualCluster, wrong: LiveNode): Promise<void> {
  await compare(cluster, 1);
  await cluster.clock.runUntil(() => wrong.node.view().quarantined !== undefined, 1000);
}

Deno.test("of a state that was found wrong no snapshot is taken, finished or backed up", async () => {
  const cluster = await clusterOf(3, 5);
  const wrong = cluster.followers()[0];
  const { operations, snapshots } = wrong.node;
  await writeMuch(cluster);
  await cluster.converge();
  const backup = await cluster.finish(operations.backup());
  assert(backup.kind === "started");
  await write(cluster, 3);
  await spoil(cluster, wrong);
  const newest = wrong.storage.snapshots.newest!.last.index;
  // One is being taken when it turns out, of which the disk does not take the rest yet.
  const held = Promise.withResolvers<void>();
  const disk = cluster.disks.get(wrong.node.options.id)!;
  disk.fault = ({ kind, path }) =>
    kind === "write" && path.includes(".rdb.new")
      ? { kind: "hang", until: held.promise }
      : undefined;
  const taking = snapshots.take();
  await findOut(cluster, wrong);
  disk.fault = undefined;
  held.resolve();
  const outcomes = [
    await cluster.finish(taking),
    await cluster.finish(operations.takeSnapshot()),
    await cluster.finish(operations.backup()),
  ];
  for (const outcome of outcomes) {
    assert(outcome.kind === "refused", outcome.kind);
    assertStringIncludes(outcome.text, "differs from that of 2 of 3 members");
  }
  assertEquals(wrong.storage.snapshots.newest!.last.index, newest);
  const reading = (async () => {
    for await (const chunk of backup.chunks) assert(chunk.length > 0);
  })();
  await assertRejects(() => cluster.finish(reading), StorageError);
});

Deno.test("a state that was found wrong is served by no later process before it is known to be right", async () => {
  for (const how of ["kill", "cutPower"] as const) {
    const cluster = await clusterOf(3, 5);
    const wrong = cluster.followers()[0];
    const { id } = wrong.node.options;
    await spoil(cluster, wrong);
    await findOut(cluster, wrong);
    await cluster.clock.run(100);
    cluster[how](id);
    const again = await cluster.start(id);
    await cluster.clock.run(2000);
    const view = again.node.view();
    assertStringIncludes(view.quarantined!, "before it was started again");
    assert(!view.ready);
    const read = send(again.node.openLane(), "GET", "key:1");
    await cluster.clock.runUntil(() => read.text !== undefined, 10_000);
    assertEquals(read.text, "!notApplied");
    // What was wrong was in memory alone: computed anew it is right, which the next comparison shows.
    await compare(cluster, 1);
    await cluster.clock.runUntil(() => again.node.view().quarantined === undefined, 1000);
    await cluster.converge();
    cluster.kill(id);
    const last = await cluster.start(id);
    assertEquals(last.node.view().quarantined, undefined);
    await cluster.converge();
  }
});

Deno.test("a process that starts from a snapshot of a wrong state serves nobody, compared or not", async () => {
  const cluster = await clusterOf(3, 5);
  const wrong = cluster.followers()[0];
  const { id } = wrong.node.options;
  await spoil(cluster, wrong);
  await takeSnapshot(cluster, wrong);
  await findOut(cluster, wrong);
  await cluster.clock.run(100);
  cluster.kill(id);
  const again = await cluster.start(id);
  assertStringIncludes(again.node.view().quarantined!, "before it was started again");
  await findOut(cluster, again);
  assertStringIncludes(again.node.view().quarantined!, "differs from that of 2 of 3 members");
  assert(!again.node.view().quarantined!.includes("before"));
});
