/** Members come and go on whole nodes: asked for on any node, under load, through crashes. */

import { type NodeId, Prng } from "../../src/base/mod.ts";
import type { ChangeOutcome, MemberChangeRequest } from "../../src/node/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { addressesOf, Answer, type LiveNode, send, VirtualCluster } from "./virtual_cluster.ts";

const answered = (answers: readonly Answer[]) => () =>
  answers.every(({ text }) => text !== undefined);

async function started(size: number, seed = 1): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size, seed);
  await cluster.startAll();
  await cluster.elect();
  return cluster;
}

async function write(cluster: VirtualCluster, by: LiveNode, count = 20): Promise<void> {
  const lane = by.node.openLane();
  const answers = Array.from(
    { length: count },
    (_, i) => send(lane, "SET", `key${i}`, `${i}`.padEnd(300, "x")),
  );
  await cluster.clock.runUntil(answered(answers), 10_000);
  assertEquals(new Set(answers.map(({ text }) => text)), new Set(["OK"]));
}

function change(
  cluster: VirtualCluster,
  by: LiveNode,
  request: MemberChangeRequest,
): Promise<ChangeOutcome> {
  return cluster.finish(by.node.operations.changeMembers(request));
}

async function done(
  cluster: VirtualCluster,
  by: LiveNode,
  request: MemberChangeRequest,
): Promise<void> {
  const outcome = await change(cluster, by, request);
  assertEquals(outcome.kind, "done", JSON.stringify(outcome));
}

/** Runs until `id` has ended because it was removed. */
async function gone(cluster: VirtualCluster, id: NodeId): Promise<void> {
  await cluster.clock.runUntil(() => !cluster.live.has(id), 20_000);
  assertEquals(cluster.fatal.get(id)?.kind, "removed");
}

const idOf = ({ node }: LiveNode) => node.options.id;

Deno.test("a cluster of one grows to three: newcomers catch up and vote by themselves", async () => {
  const cluster = await started(1);
  const first = cluster.leader!;
  await write(cluster, first);
  assertEquals(Number(await cluster.join(first)), 2);
  await cluster.voters(1, 2);
  // Asked of a node that does not lead.
  const [follower] = cluster.followers();
  assertEquals(Number(await cluster.join(follower)), 3);
  await cluster.voters(1, 2, 3);
  await write(cluster, cluster.followers()[0]);
  await cluster.converge();
  cluster.kill(idOf(cluster.leader!));
  await cluster.elect();
  await write(cluster, cluster.leader!);
  await cluster.converge();
});

Deno.test("a newcomer takes over a snapshot where the log begins late, and votes", async () => {
  const cluster = await started(1);
  const first = cluster.leader!;
  for (let i = 0; i < 2; i++) {
    for (let k = 0; k < 20; k++) await write(cluster, first, 20);
    await cluster.finish(first.node.operations.takeSnapshot());
  }
  assert(first.node.raft.logStart.index > 0, `${first.node.raft.logStart.index}`);
  const id = await cluster.join(first);
  await cluster.voters(1, 2);
  assertEquals(cluster.live.get(id)!.node.counters.snapshotsInstalled, 1);
  await cluster.converge();
});

Deno.test("a learner receives everything, reads, never votes; promoted it does", async () => {
  const cluster = await started(3);
  const id = await cluster.join(cluster.leader!, "learner");
  await write(cluster, cluster.leader!);
  await cluster.converge();
  const learner = cluster.live.get(id)!;
  assertEquals(learner.node.raft.role, "learner");
  const read = send(learner.node.openLane(), "GET", "key3");
  await cluster.clock.runUntil(answered([read]), 2000);
  assertEquals(read.text, "3".padEnd(300, "x"));
  await write(cluster, learner, 3);
  await cluster.voters(1, 2, 3);
  await done(cluster, learner, { kind: "promote", id });
  await cluster.voters(1, 2, 3, 4);
  await done(cluster, cluster.leader!, { kind: "demote", id });
  await cluster.voters(1, 2, 3);
  await cluster.converge();
});

Deno.test("a removed member ends and says why; its writes behind that had no effect", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await started(4, seed);
    const [victim] = cluster.followers();
    const id = idOf(victim);
    const lane = victim.node.openLane();
    const removal = cluster.leader!.node.operations.changeMembers({ kind: "remove", id });
    const answers: Answer[] = [];
    let ended = false;
    void removal.then(() => ended = true);
    for (let i = 0; i < 200 && !ended; i++) {
      answers.push(send(lane, "INCR", "n"));
      await cluster.clock.run(1);
    }
    answers.push(send(lane, "INCR", "n"));
    assertEquals((await cluster.finish(removal)).kind, "done");
    await cluster.clock.runUntil(answered(answers), 5000);
    const texts = answers.map(({ text }) => text!);
    const applied = texts.filter((text) => !text.startsWith("!"));
    assert(texts.at(-1) === "!notApplied", `found ${texts.at(-1)}`);
    assert(victim.node.view().notReadyReason?.includes("removed from the cluster"));
    assert(texts.every((text) => !text.startsWith("!") || text === "!notApplied"));
    await gone(cluster, id);
    const read = send(cluster.leader!.node.openLane(), "GET", "n");
    await cluster.clock.runUntil(answered([read]), 2000);
    assertEquals(Number(read.text === "null" ? 0 : read.text), applied.length, `seed ${seed}`);
    await cluster.converge();
  }
});

Deno.test("RedisRaft 2: a removed member that starts again is told so and ends; its id is never given again", async () => {
  const cluster = await started(3);
  const [victim] = cluster.followers();
  const id = idOf(victim);
  cluster.kill(id);
  await done(cluster, cluster.leader!, { kind: "remove", id });
  await cluster.clock.run(3000);
  await cluster.start(id);
  await gone(cluster, id);
  const again = await change(cluster, cluster.leader!, {
    kind: "add",
    id,
    raftAddress: "127.0.0.1:7900",
    redisAddress: "127.0.0.1:6900",
    as: "voter",
  });
  assert(again.kind === "refused" && again.text.includes("use a new one"), JSON.stringify(again));
  assertEquals(Number(await cluster.join(cluster.leader!)), 4);
});

Deno.test("RedisRaft 3: the leader can be removed: another one takes over, no client of others notices", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await started(3, seed);
    const leader = cluster.leader!;
    const id = idOf(leader);
    const [other] = cluster.followers();
    const answers: Answer[] = [];
    const asked = other.node.operations.changeMembers({ kind: "remove", id });
    for (let i = 0; i < 50; i++) {
      answers.push(send(other.node.openLane(), "INCR", "n"));
      await cluster.clock.run(5);
    }
    assertEquals((await cluster.finish(asked)).kind, "done");
    await gone(cluster, id);
    await cluster.clock.runUntil(answered(answers), 5000);
    const numbers = answers.map(({ text }) => Number(text)).sort((a, b) => a - b);
    assertEquals(numbers, Array.from({ length: 50 }, (_, i) => i + 1), `seed ${seed}`);
    await cluster.elect();
    await cluster.converge();
  }
});

Deno.test("one change replaces a dead voter, and the newcomer may have its address", async () => {
  const cluster = await started(3);
  const [victim] = cluster.followers();
  const id = idOf(victim);
  cluster.kill(id);
  await write(cluster, cluster.leader!);
  const newcomer = await cluster.join(cluster.leader!, "voter", id);
  const expected = cluster.ids.filter((other) => other !== id && other !== newcomer);
  await cluster.voters(...expected, newcomer);
  await write(cluster, cluster.live.get(newcomer)!);
  await cluster.converge();
});

Deno.test("shrinks to one and grows back", async () => {
  const cluster = await started(3);
  for (let i = 0; i < 2; i++) {
    const id = idOf(cluster.followers()[0]);
    await done(cluster, cluster.leader!, { kind: "remove", id });
    await gone(cluster, id);
  }
  const [last] = [...cluster.live.values()];
  await write(cluster, last);
  const refused = await change(cluster, last, { kind: "remove", id: idOf(last) });
  assert(refused.kind === "refused" && refused.text.includes("last voter"));
  await cluster.join(last);
  await cluster.join(last);
  await cluster.voters(idOf(last), 4, 5);
  await write(cluster, cluster.followers()[0]);
  await cluster.converge();
});

Deno.test("what cannot be is refused with what to do", async () => {
  const cluster = await started(3);
  const leader = cluster.leader!;
  const [follower] = cluster.followers();
  const requests: [MemberChangeRequest, string][] = [
    [{ kind: "remove", id: 9 }, "it is no member"],
    [{ kind: "promote", id: 2 }, "a voter already"],
    [
      { kind: "add", raftAddress: "127.0.0.1:7001", redisAddress: "127.0.0.1:1", as: "voter" },
      "has the address",
    ],
    [{ kind: "move", id: 2, raftAddress: "nowhere", redisAddress: "127.0.0.1:1" }, "host:port"],
  ];
  for (const [request, text] of requests) {
    for (const by of [leader, follower]) {
      const outcome = await change(cluster, by, request);
      assert(outcome.kind === "refused" && outcome.text.includes(text), JSON.stringify(outcome));
    }
  }
  const join = await cluster.finish(follower.node.operations.join({
    raftAddress: "127.0.0.1:7002",
    redisAddress: "127.0.0.1:6900",
    as: "voter",
    featureLevel: 1,
  }));
  assert(join.kind === "refused" && join.text.includes("--replace 2"), JSON.stringify(join));
});

Deno.test("a newcomer that crashed before it knew its id joins again as another member", async () => {
  const cluster = await started(3);
  const leader = cluster.leader!;
  const request = {
    raftAddress: "127.0.0.1:7900",
    redisAddress: "127.0.0.1:6900",
    as: "voter" as const,
    featureLevel: 1,
  };
  const first = await cluster.finish(leader.node.operations.join(request));
  const second = await cluster.finish(leader.node.operations.join(request));
  assert(first.kind === "joined" && second.kind === "joined");
  assertEquals([Number(first.nodeId), Number(second.nodeId)], [4, 5]);
  assertEquals(leader.node.raft.configuration.members.map(({ id }) => Number(id)), [1, 2, 3, 5]);
});

Deno.test("a newcomer that asks a member with old news is taken in, now or when it asks again", async () => {
  const cluster = await started(4);
  const leader = cluster.leader!;
  const [leaves, contact] = cluster.followers();
  const silence = (silent: boolean) => cluster.hub.silence(idOf(leader), idOf(contact), silent);
  const request = {
    raftAddress: "127.0.0.1:7900",
    redisAddress: "127.0.0.1:6900",
    as: "voter" as const,
    featureLevel: 1,
  };
  silence(true);
  const first = await cluster.finish(leader.node.operations.join(request));
  assert(first.kind === "joined", JSON.stringify(first));
  const again = contact.node.operations.join(request);
  silence(false);
  const answer = await cluster.finish(again);
  assert(answer.kind === "tryAgain", JSON.stringify(answer));
  await cluster.converge();
  const third = await cluster.finish(contact.node.operations.join(request));
  assert(third.kind === "joined", JSON.stringify(third));
  assertEquals([Number(first.nodeId), Number(third.nodeId)], [5, 6]);

  silence(true);
  await done(cluster, leader, { kind: "remove", id: idOf(leaves) });
  const { raftAddress, redisAddress } = addressesOf(idOf(leaves));
  const inItsPlace = contact.node.operations.join({ ...request, raftAddress, redisAddress });
  silence(false);
  const taken = await cluster.finish(inItsPlace);
  assert(taken.kind === "joined", JSON.stringify(taken));
});

Deno.test("a node whose settings have it elsewhere tells the others, whoever leads", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  await cluster.elect();
  for (const [id, redisAddress] of [[1, "10.0.0.1:1"], [2, "10.0.0.2:2"]] as const) {
    const node = cluster.ids[id - 1];
    cluster.kill(node);
    cluster.advertise = { redisAddress };
    await cluster.start(node);
    cluster.advertise = {};
    await cluster.clock.runUntil(
      () =>
        [...cluster.live.values()].every(({ node: { raft } }) =>
          raft.committedConfiguration.members[id - 1].redisAddress === redisAddress
        ),
      20_000,
    );
  }
  assertEquals(
    cluster.leader!.node.raft.configuration.members.map(({ raftAddress }) => raftAddress),
    ["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"],
  );
  await cluster.converge();
});

Deno.test("leadership is handed over from any node", async () => {
  const cluster = await started(3);
  const [first, second] = cluster.followers();
  const outcome = await cluster.finish(first.node.operations.transferLeadership(idOf(second)));
  assertEquals(outcome, { kind: "done", leaderId: idOf(second) });
  assertEquals(cluster.leader, second);
  const refused = await cluster.finish(first.node.operations.transferLeadership(77));
  assertEquals(refused.kind, "refused");
});

Deno.test("without a majority a change is not known to be, and nothing hangs", async () => {
  const cluster = await started(3);
  const leader = cluster.leader!;
  for (const other of cluster.followers()) cluster.kill(idOf(other));
  const outcome = await change(cluster, leader, { kind: "remove", id: 3 === idOf(leader) ? 2 : 3 });
  assert(outcome.kind !== "done", JSON.stringify(outcome));
});

Deno.test("members change at random under crashes: one history, nobody left behind", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const cluster = await started(3, seed);
    const prng = new Prng(seed);
    let count = 0;
    for (let step = 0; step < 25; step++) {
      const live = [...cluster.live.values()];
      const answers = live.map(({ node }) => send(node.openLane(), "INCR", "n"));
      const by = prng.pick(live);
      const target = prng.pick(by.node.raft.configuration.members);
      const what = prng.between(0, 5);
      if (what === 0 && cluster.ids.length < 9) await cluster.join(by).catch(() => undefined);
      else if (what <= 2 && by.node.raft.configuration.members.length > 2) {
        const kind = what === 1 ? "remove" : prng.chance(0.5) ? "demote" : "promote";
        await change(cluster, by, { kind, id: target.id });
      } else if (what === 3 && cluster.live.size > 2) {
        const victim = idOf(prng.pick(live));
        cluster.cutPower(victim);
        await cluster.clock.run(prng.between(0, 1000));
        await cluster.start(victim);
      }
      await cluster.clock.run(prng.between(0, 2000));
      for (const [id, { kind }] of cluster.fatal) {
        assertEquals(kind, "removed", `seed ${seed}: node ${id}`);
      }
      await cluster.elect();
      count += answers.filter(({ text }) => text !== undefined && !text.startsWith("!")).length;
    }
    await cluster.clock.run(10_000);
    await cluster.elect();
    const read = send(cluster.leader!.node.openLane(), "GET", "n");
    await cluster.clock.runUntil(answered([read]), 5000);
    assert(Number(read.text) >= count, `seed ${seed}: ${read.text} of ${count}`);
    await cluster.converge();
  }
});

Deno.test("a member that jumps over its removal does not know what became of its last writes", async () => {
  for (const jumped of [false, true]) {
    const cluster = await started(4);
    const leader = cluster.leader!;
    const [victim] = cluster.followers();
    const id = idOf(victim);
    cluster.hub.silence(idOf(leader), id, true);
    const sent = send(victim.node.openLane(), "INCR", "n");
    await cluster.clock.run(20);
    const read = send(leader.node.openLane(), "GET", "n");
    await cluster.clock.runUntil(answered([read]), 2000);
    assertEquals([read.text, sent.text], ["1", undefined]);
    const { members, removed, ...others } = leader.node.raft.configuration;
    const without = {
      ...others,
      members: members.filter((member) => member.id !== id),
      removed: [...removed, id],
    };
    victim.node.onConfiguration(without, jumped);
    assertEquals(sent.text, jumped ? "!maybeApplied" : "!notApplied");
  }
});

Deno.test("an id that a fallen leader gave in vain, and its successor to another, names the other", async () => {
  const cluster = await started(3);
  const first = cluster.leader!;
  const others = cluster.followers();
  const cut = (silent: boolean) => {
    for (const other of others) {
      cluster.hub.silence(idOf(first), idOf(other), silent);
      cluster.hub.silence(idOf(other), idOf(first), silent);
    }
  };
  const add = (port: number): MemberChangeRequest => ({
    kind: "add",
    raftAddress: `10.0.0.9:${port}`,
    redisAddress: `10.0.0.9:${port + 1}`,
    as: "learner",
  });
  cut(true);
  const lost = first.node.operations.changeMembers(add(7000));
  await cluster.clock.runUntil(
    () => others.some(({ node }) => node.raft.role === "leader"),
    20_000,
  );
  const second = others.find(({ node }) => node.raft.role === "leader")!;
  const given = await change(cluster, second, add(8000));
  assertEquals([given.kind, given.kind === "done" && given.id], ["done", 4]);
  cut(false);
  const outcome = await cluster.finish(lost);
  assertEquals(outcome.kind, "unknown", JSON.stringify(outcome));
});

Deno.test("members that were no founders take a snapshot of the others when their own are damaged", async () => {
  for (const part of [".rdb", ".manifest"]) {
    const cluster = await started(1);
    const first = cluster.leader!;
    const second = cluster.live.get(await cluster.join(first))!;
    await cluster.voters(1, 2);
    await cluster.join(first);
    await cluster.voters(1, 2, 3);
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 20; k++) await write(cluster, first, 20);
      await cluster.converge();
      for (const { node } of [first, second]) await cluster.finish(node.operations.takeSnapshot());
    }
    // The founder does not know of others where its manifests are gone.
    for (const live of part === ".rdb" ? [first, second] : [second]) {
      const id = idOf(live);
      assert(live.node.raft.logStart.index > live.node.raft.configurationIndex);
      cluster.kill(id);
      const disk = cluster.disks.get(id)!;
      for (const { name } of await disk.list("/data/snapshots")) {
        if (name.endsWith(part)) disk.flipBit(`/data/snapshots/${name}`, 40, 3);
      }
      const { node } = await cluster.start(id);
      await cluster.converge();
      assertEquals(node.counters.snapshotsInstalled, 1);
      await cluster.elect();
    }
  }
});
