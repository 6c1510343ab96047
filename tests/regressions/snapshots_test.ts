/** Snapshots and compaction: where other Raft stores for Redis crashed, or lost what was committed. */

import { Prng } from "../../src/base/mod.ts";
import { Play } from "../raft/lab/play.ts";
import { type Answer, type LiveNode, send, VirtualCluster } from "../node/virtual_cluster.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

async function started(
  size: number,
  seed = 1,
  snapshotLogBytes = Infinity,
): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size, seed, { snapshotLogBytes });
  await cluster.startAll();
  await cluster.elect();
  return cluster;
}

/** Writes through `by`, one entry each. */
async function write(cluster: VirtualCluster, by: LiveNode, count: number): Promise<void> {
  const lane = by.node.openLane();
  for (let i = 0; i < count; i++) {
    const answer = send(lane, "SET", `k${i % 30}`, `${i}`.padEnd(300, "x"));
    await cluster.clock.runUntil(() => answer.text !== undefined, 10_000);
    assertEquals(answer.text, "OK");
  }
}

async function snapshot(cluster: VirtualCluster, { node }: LiveNode): Promise<number> {
  const taken = await cluster.finish(node.operations.takeSnapshot());
  assert(taken.kind === "done", JSON.stringify(taken));
  return taken.index;
}

const idOf = ({ node }: LiveNode) => node.options.id;

Deno.test("RedisRaft 42: a snapshot every few entries under load, elections and restarts", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    // Three entries of some hundred bytes.
    const cluster = await started(3, seed, 1000);
    const prng = new Prng(seed);
    for (let round = 0; round < 25; round++) {
      const by = prng.pick([...cluster.live.values()]);
      await write(cluster, by, prng.between(1, 8));
      if (round % 5 === 2) cluster.leader?.node.raft.step({ kind: "stepDown", reason: "a test" });
      if (round % 5 === 4) {
        const id = prng.pick(cluster.ids);
        cluster.kill(id);
        await cluster.clock.run(prng.between(0, 500));
        await cluster.start(id);
      }
      await cluster.elect();
    }
    await cluster.converge();
    for (const { node, storage } of cluster.live.values()) {
      const [older, newest] = storage.snapshots.manifests;
      assert(older.last.index > 40, `seed ${seed}: the newest snapshot is ${newest?.last.index}`);
      assertEquals(node.raft.logStart.index + 1, Number(storage.firstIndex));
    }
    assertEquals(cluster.fatal.size, 0, `seed ${seed}: ${JSON.stringify([...cluster.fatal])}`);
  }
});

Deno.test("RedisRaft 44: members from a second-generation snapshot", async () => {
  const cluster = await started(3);
  const learner = await cluster.join(cluster.leader!, "learner");
  const [gone] = cluster.followers().filter((live) => idOf(live) !== learner);
  const removal = cluster.leader!.node.operations.changeMembers({ kind: "remove", id: idOf(gone) });
  assertEquals((await cluster.finish(removal)).kind, "done");
  await cluster.clock.runUntil(() => !cluster.live.has(idOf(gone)), 20_000);
  const members = cluster.leader!.node.raft.configuration;
  assertEquals(members.removed, [idOf(gone)]);
  for (let generation = 1; generation <= 3; generation++) {
    // Two snapshots far enough apart that the log between is given up.
    for (let i = 0; i < 2; i++) {
      await write(cluster, cluster.leader!, 120);
      await cluster.converge();
      for (const live of cluster.live.values()) await snapshot(cluster, live);
    }
    for (const [id] of [...cluster.live]) {
      cluster.kill(id);
      const { node, storage } = await cluster.start(id);
      assertEquals(storage.recovered.configurations, [], "the log says nothing of members");
      assert(storage.recovered.logStart.index > 100 * generation, "nothing was given up");
      assertEquals(node.raft.configuration, members, `generation ${generation}, node ${id}`);
    }
    await cluster.elect();
    await cluster.converge();
  }
  // So nobody votes that should not, and the id stays used (RedisRaft 2).
  const again = await cluster.finish(cluster.leader!.node.operations.changeMembers({
    kind: "add",
    id: idOf(gone),
    raftAddress: "127.0.0.1:7900",
    redisAddress: "127.0.0.1:6900",
    as: "voter",
  }));
  assert(again.kind === "refused", JSON.stringify(again));
  assertMatch(again.text, /a member that was removed had this id; use a new one/);
});

Deno.test("RedisRaft 52: a stale, repeated or older leader's snapshot takes nothing back", () => {
  const stage = new Play();
  const play = (commands: string) => {
    let said: string[] = [];
    for (const command of commands.trim().split("\n")) said = stage.run(command.trim());
    return said;
  };
  play("cluster 1 2 3\ncampaign 1\nsettle\npropose 1 a\nsettle\ntick 100\nsettle\nsnapshot 1");
  play("propose 1 b\nsettle\ntick 100\nsettle\nsnapshot 1\npropose 1 c\nsettle\ntick 100\nsettle");
  const before = stage.run("state 2 3");
  for (const which of ["", " old", "", " old"]) {
    assertMatch(stage.run(`install 1 2${which}`)[0], /^ignored/);
    assert(!play("settle").some((line) => line.includes("installs")), "it was installed");
  }
  assertEquals(stage.run("state 2 3"), before);
  // Another leader has gone on; the snapshot of the old one comes late.
  play("close 1 at 2 3\ncampaign 2 alone\nsettle 2 3\npropose 2 d\nsettle 2 3\nsnapshot 1");
  assertEquals(stage.run("install 1 3"), ["ignored: an older leader"]);
  assertMatch(stage.run("state 3")[0], /term 2, leader 2, last 2\/6/);
  // One that is news takes the place of what conflicts with it, and is not installed twice.
  play("node 4 log 1 1 1 1 1 1 1 1 term 1 members 1 2 3");
  play("tick 100 2 3\nsettle 2 3\ntick 100 2 3\nsettle 2 3\nsnapshot 2");
  stage.run("install 2 4");
  assertMatch(play("settle 4").join("\n"), /4 installs 2\/6/);
  assertMatch(stage.run("state 4")[0], /last 2\/6, commit 6, start 2\/6/);
  assertMatch(stage.run("install 2 4")[0], /^ignored/);
  assertMatch(play("restart 4")[0], /last 2\/6, commit 6, start 2\/6/);
});

Deno.test("RedisRaft 53: only what a snapshot has is committed at a start, whatever the log has", () => {
  const stage = new Play();
  const play = (commands: string) => {
    let said: string[] = [];
    for (const command of commands.trim().split("\n")) said = stage.run(command.trim());
    return said;
  };
  // Both were cut off behind entry 5, with entries 6 and 7 that nobody else ever had.
  for (const alone of [true, false]) {
    const members = alone ? "1" : "1 2 3";
    assertEquals(stage.run(`node 1 start 1/5 log 1 1 members ${members}`), ["ok"]);
    assertMatch(stage.run("state 1")[0], /last 1\/7, commit 5, start 1\/5/);
    assertEquals(stage.run("read 1 7"), ["refused: noLeader"]);
    if (alone) {
      assertMatch(play("campaign 1\nwork 1\nsync 1").join("\n"), /ok|leader/);
      play("settle 1");
      assertMatch(stage.run("state 1")[0], /leader term 2, leader 1, last 2\/8, commit 8/);
    }
  }
  // What the others have committed meanwhile takes the place of entries 6 and 7.
  play("node 2 start 1/5 log 3 3 3 term 3 members 1 2 3");
  play("node 3 start 1/5 log 3 3 3 term 3 members 1 2 3");
  play("campaign 2 alone\nsettle 2 3\ntick 100\nsettle\ntick 100\nsettle");
  assertMatch(stage.run("state 1")[0], /follower term 4, leader 2, last 4\/9, commit 9/);
  const committed = stage.run("state").map((line) => /last \S+ commit \d+/.exec(line)![0]);
  assertEquals(new Set(committed).size, 1, committed.join("\n"));
  assertMatch(play("restart 1")[0], /last 4\/9, commit 5, start 1\/5/);
});

Deno.test("RedisRaft 54: an uncommitted tail is cut off while a snapshot is written", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const cluster = await started(3, seed);
    const old = cluster.leader!;
    await write(cluster, old, 100);
    await snapshot(cluster, old);
    await write(cluster, old, 100);
    await cluster.converge();
    const silence = (silent: boolean) => {
      for (const id of cluster.ids) {
        cluster.hub.silence(idOf(old), id, silent);
        cluster.hub.silence(id, idOf(old), silent);
      }
    };
    silence(true);
    const lane = old.node.openLane();
    for (let i = 0; i < 60; i++) {
      send(lane, "SET", `tail${i}`, "t".repeat(300));
      await cluster.clock.run(1);
    }
    const tail = old.node.raft.lastEntry.index;
    assert(tail >= 230 - 30, `found ${tail}`);
    // Each step of the snapshot takes as long as some messages do.
    const disk = cluster.disks.get(idOf(old))!;
    disk.fault = ({ path }) =>
      path.includes("/snapshots/") ? { kind: "hang", until: cluster.clock.pause(seed) } : undefined;
    await cluster.clock.runUntil(() => cluster.leader !== old, 5000);
    const next = await elected(cluster, old);
    await write(cluster, next, 10);
    const taking = snapshot(cluster, old);
    assert(old.node.snapshots.isTaking, "nothing is being written");
    silence(false);
    await cluster.clock.runUntil(() => old.node.raft.lastEntry.term === next.node.raft.term, 5000);
    const index = await taking;
    disk.fault = undefined;
    assert(old.node.raft.logStart.index > 0, "the log behind the older snapshot stays");
    assert(index < tail, `snapshot ${index} has what was never committed`);
    await write(cluster, next, 10);
    await cluster.converge();
    cluster.kill(idOf(old));
    await cluster.start(idOf(old));
    await cluster.converge();
  }
});

/** Another leader than `old`, which is cut off. */
async function elected(cluster: VirtualCluster, old: LiveNode): Promise<LiveNode> {
  const next = () => cluster.leader === old ? undefined : cluster.leader;
  await cluster.clock.runUntil(
    () =>
      next()?.node.raft.commitIndex === next()?.node.raft.lastEntry.index && next() !== undefined,
    5000,
  );
  return next()!;
}

/** A follower that needs a snapshot, and a disk that holds up each `kind` of step of it. */
async function receiving(seed: number, kind: "read" | "rename") {
  const cluster = await started(3, seed);
  const [away, other] = cluster.followers();
  const id = idOf(away);
  cluster.kill(id);
  for (let i = 0; i < 2; i++) {
    await write(cluster, cluster.leader!, 150);
    await snapshot(cluster, cluster.leader!);
  }
  let release = () => {};
  const until = new Promise<void>((resolve) => release = resolve);
  let held = false;
  const disk = cluster.disks.get(id)!;
  disk.fault = (operation) => {
    if (operation.kind !== kind || !operation.path.includes("/snapshots/")) return undefined;
    held = true;
    return { kind: "hang", until };
  };
  const live = await cluster.start(id);
  await cluster.clock.runUntil(() => held, 10_000);
  const letGo = () => {
    disk.fault = undefined;
    release();
  };
  return { cluster, live, other, letGo };
}

Deno.test("RedisRaft 449: what comes while a snapshot is taken over waits for it, a crash included", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const { cluster, live, letGo } = await receiving(seed, "rename");
    const leader = cluster.leader!;
    const answers: Answer[] = [];
    for (let step = 0; step < 40; step++) {
      for (const { node } of cluster.live.values()) {
        answers.push(send(node.openLane(), "INCR", "n"), send(node.openLane(), "GET", "n"));
      }
      await cluster.clock.run(5);
      const progress = leader.node.raft.progress().find(({ peer }) => peer === idOf(live));
      assert((progress?.matchIndex ?? 0) < 300, "it says that it has what is not on its disk");
    }
    if (seed % 2 === 0) {
      letGo();
      await cluster.clock.runUntil(() => answers.every(({ text }) => text !== undefined), 10_000);
      assertEquals(live.node.counters.snapshotsInstalled, 1);
    } else {
      cluster.cutPower(idOf(live));
      letGo();
      cluster.disks.get(idOf(live))!.fault = undefined;
      await cluster.start(idOf(live));
    }
    await cluster.elect();
    await cluster.converge();
    assertEquals(cluster.fatal.size, 0);
  }
});

Deno.test("RedisRaft dcc2fea: a snapshot is not loaded when the log has passed it meanwhile", async () => {
  const { cluster, live, other, letGo } = await receiving(1, "read");
  const { last } = cluster.leader!.storage.snapshots.newest!;
  // The other node has the whole log: as soon as it leads, appends go on where they ended.
  const { leaderId } = cluster;
  cluster.leader!.node.raft.step({ kind: "transfer", to: idOf(other) });
  await cluster.clock.runUntil(() => other.node.raft.role === "leader", 5000);
  await cluster.clock.runUntil(() => live.node.appliedIndex > last.index, 5000);
  letGo();
  await cluster.clock.run(3000);
  assertEquals(live.node.counters.snapshotsInstalled, 0);
  assertEquals(live.storage.snapshots.newest, undefined);
  await write(cluster, cluster.live.get(leaderId)!, 10);
  await cluster.converge();
});
