/** Changes of members that have cost other Raft stores for Redis writes, or made two clusters. */

import { NodeId, Prng } from "../../src/base/mod.ts";
import { type LiveNode, send, VirtualCluster } from "../node/virtual_cluster.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { Play } from "../raft/lab/play.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

/** Plays commands, one a line, and gives what the last one said. */
function play(stage: Play, commands: string): string[] {
  let said: string[] = [];
  for (const command of commands.trim().split("\n")) said = stage.run(command.trim());
  return said;
}

/** Nodes that lead, and what each has committed. */
function leaders(stage: Play): string[] {
  return stage.run("state").filter((line) => /^\d+: leader/.test(line));
}

Deno.test("RedisRaft 17: changes in two terms lose no committed write", () => {
  // The trace of 2015 that broke changes of one member at a time: two leaders, a change each.
  const stage = new Play();
  play(
    stage,
    `cluster 1 2 3 4
     campaign 1
     settle
     tick 100
     settle
     node 5
     change 1 add 5 learner
     settle
     tick 100
     settle`,
  );
  assertEquals(stage.run("change 1 promote 5"), ["proposed 1/4"]);
  assertEquals(stage.run("change 1 demote 4"), ["refused: changePending"]);
  // Only nodes 1 and 5 hear of it.
  for (let round = 0; round < 3; round++) play(stage, "work 1\nsync 1\ndrop 2\ndrop 3\ndrop 4");
  play(stage, "settle 5\ndeliver 1 from 5\nwork 1\nsync 1\ndrop 2\ndrop 3\ndrop 4");
  assertMatch(stage.run("state 1")[0], /leader term 1.*joining 5; outgoing 1 2 3 4/);

  // Nodes 2 to 4 elect node 2, which removes node 1; of the others only node 3 hears of it.
  play(stage, "close 1 at 2 3 4\ncampaign 2 alone\nsettle 2 3 4\ndrop 1\ndrop 5");
  assertMatch(stage.run("state 2")[0], /leader term 2/);
  const before = /commit (\d+)/.exec(stage.run("state 2")[0])![1];
  assertMatch(stage.run("change 2 remove 1")[0], /^proposed 2\//);
  play(stage, "work 2\nsync 2\ndrop 1\ndrop 4\ndrop 5\nsettle 2 3\ndrop 1\ndrop 4\ndrop 5");
  assertMatch(stage.run("state 3")[0], /leaving 1; outgoing 1 2 3 4/);
  assertMatch(
    stage.run("state 2")[0],
    new RegExp(`commit ${before},`),
    "two of the four old voters commit nothing",
  );

  // Node 1 comes back with node 5 and asks node 4, the one that neither change has reached.
  play(stage, "drop 4\ndrop 5\ntick 2100 1\ncampaign 1 alone\nsettle 1 4 5\ndrop 2\ndrop 3");
  assertEquals(leaders(stage).filter((line) => line.startsWith("1:") && !/term 1,/.test(line)), []);
  // With everybody back there is one leader, and one history.
  for (let round = 0; round < 4; round++) play(stage, "settle\ntick 100");
  play(stage, "campaign 3\nsettle\ntick 100\nsettle\npropose 3 x\nsettle\ntick 100\nsettle");
  const [leader, ...others] = leaders(stage);
  assertEquals(others, [], "two leaders");
  const commits = new Set(stage.run("state 2 3 4").map((line) => /commit (\d+)/.exec(line)![1]));
  assertEquals(commits.size, 1, leader);
});

Deno.test("RedisRaft 17: no change before the leader's own term has committed an entry", () => {
  const stage = new Play();
  play(stage, "cluster 1 2 3\ncampaign 1\nsettle\npropose 1 x\nsettle\nclose 1 at 2 3");
  stage.run("campaign 2 alone");
  for (let round = 0; round < 6 && !/: leader /.test(stage.run("state 2")[0]); round++) {
    play(stage, "drop 1\nwork 2\nsync 2\ndeliver 3\nwork 3\nsync 3\ndeliver 2 from 3");
  }
  assertMatch(stage.run("state 2")[0], /^2: leader term 2/);
  assertEquals(stage.run("change 2 remove 1"), ["refused: notReady"]);
  play(stage, "settle 2 3");
  assertMatch(stage.run("change 2 remove 1")[0], /^proposed/);
});

Deno.test("RedisRaft 28: neither removed members nor an island of one make a second cluster", () => {
  const stage = new Play();
  play(stage, "cluster 1 2 3 4 5\ncampaign 1\nsettle\npropose 1 x\nsettle\ntick 100\nsettle");
  // Nodes 4 and 5 hear nothing of their removal, which is done by the three others.
  for (const gone of [5, 4]) {
    assertMatch(stage.run(`change 1 remove ${gone}`)[0], /^proposed/);
    play(stage, "settle 1 2 3\ntick 100 1 2 3\nsettle 1 2 3\ndrop 4\ndrop 5");
  }
  assertMatch(stage.run("state 1")[0], /\{voters 1 2 3; removed 4 5\}/);
  assertMatch(stage.run("state 4")[0], /\{voters 1 2 3 4 5\}/);
  // A crash in between: node 3 knows nothing of what is committed. Its vote would be the third.
  play(stage, "restart 3\nclose 1 at 4 5\ncampaign 4 alone\nsettle 3 4 5");
  play(stage, "campaign 5 alone\nsettle 3 4 5");
  assertEquals(leaders(stage).map((line) => line[0]), ["1"]);
  play(stage, "drop 1\ndrop 2\nsettle 1 2 3\ntick 100 1 2 3\nsettle 1 2 3");
  assertMatch(leaders(stage).join("\n"), /^1: leader term 1,/);

  // An island: a leader alone is told to remove everybody else.
  for (const others of [[2], [2, 3]]) {
    const island = new Play();
    play(island, `cluster 1 ${others.join(" ")}\ncampaign 1\nsettle\ntick 100\nsettle`);
    const state = island.run("state 1")[0];
    for (const other of others) island.run(`change 1 remove ${other}`);
    for (let round = 0; round < 5; round++) {
      play(island, "work 1\nsync 1");
      for (const other of others) island.run(`drop ${other}`);
    }
    const [before, now] = [state, island.run("state 1")[0]].map((text) =>
      /commit \d+/.exec(text)![0]
    );
    assertEquals(now, before, "the island decides nothing");
    play(island, "tick 2100 1");
    assertMatch(island.run("state 1")[0], /follower/);
  }
});

Deno.test("RedisRaft 48: changes of every kind from every standing, with restarts between them", () => {
  const outcomes = new Map<string, number>();
  for (let seed = 1; seed <= 40; seed++) {
    const prng = new Prng(seed);
    const stage = new Play();
    play(stage, "cluster 1 2 3\ncampaign 1\nsettle\ntick 100\nsettle");
    for (let node = 4; node <= 7; node++) stage.run(`node ${node}`);
    for (let step = 0; step < 30; step++) {
      const leader = leaders(stage)[0]?.[0];
      if (leader === undefined) {
        play(stage, `campaign ${prng.between(1, 7)}\nsettle\ntick 100\nsettle`);
        continue;
      }
      const kind = prng.pick(["add", "remove", "promote", "demote"]);
      const node = prng.between(1, 7);
      const as = kind === "add" ? prng.pick([" voter", " learner"]) : "";
      const standing = standingOf(stage.run(`state ${leader}`)[0], node);
      const said = stage.run(`change ${leader} ${kind} ${node}${as}`)[0];
      const fits = STANDINGS[kind].includes(standing);
      if (!said.startsWith("refused")) {
        const expected = fits ? /^proposed|last voter|too few/ : /^invalid: Cannot/;
        assertMatch(said, expected, `seed ${seed}: ${kind} node ${node}, ${standing}`);
      }
      const outcome = `${kind} ${said.replace(/\d+/g, "N").split(/[;/]/)[0]}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (prng.chance(0.8)) play(stage, "settle\ntick 100\nsettle");
      if (prng.chance(0.3)) restart(stage, prng.between(1, 7), prng.chance(0.5));
    }
    for (let round = 0; round < 30 && leaders(stage).length !== 1; round++) {
      // Alone at times: where all clocks jump together two nodes can campaign at once for ever.
      const alone = round % 2 === 0 ? "" : " alone";
      play(stage, `campaign ${round % 7 + 1}${alone}\nsettle\ntick 100\nsettle`);
    }
    for (let round = 0; round < 5; round++) play(stage, "settle\ntick 100");
    assertEquals(leaders(stage).length, 1, `seed ${seed}`);
  }
  for (const kind of Object.keys(STANDINGS)) {
    const names = [...outcomes.keys()].filter((name) => name.startsWith(kind));
    assert(names.includes(`${kind} proposed N`) && names.length > 3, names.join("\n"));
  }
  for (const kind of ["remove", "demote"]) {
    assert(
      [...outcomes.keys()].some((name) =>
        name.startsWith(`${kind} invalid`) && name.includes("last voter")
      ),
      kind,
    );
  }
});

/** From which standings a change can begin. */
const STANDINGS: Readonly<Record<string, readonly string[]>> = {
  add: ["none"],
  remove: ["voters", "learner", "joining"],
  promote: ["learner"],
  demote: ["voters", "joining"],
};

/** As `describeMembers` tells it; "none" of whom no member ever was. */
function standingOf(state: string, node: number): string {
  for (const part of /\{(.*)\}/.exec(state)![1].split("; ")) {
    const [standing, ...ids] = part.split(" ");
    if (ids.includes(String(node))) return standing;
  }
  return "none";
}

/** What a node knows of its members is what it knew before, log or snapshot. */
function restart(stage: Play, node: number, fromSnapshot: boolean): void {
  play(stage, `work ${node}\nsync ${node}`);
  const membersOf = () => /\{.*\}/.exec(stage.run(`state ${node}`)[0])![0];
  const before = membersOf();
  const commit = Number(/commit (\d+)/.exec(stage.run(`state ${node}`)[0])![1]);
  const start = Number(/start \d+\/(\d+)/.exec(stage.run(`state ${node}`)[0])?.[1] ?? 0);
  if (fromSnapshot && commit > start) {
    play(stage, `snapshot ${node}\ncompact ${node} ${commit}`);
  }
  stage.run(`restart ${node}`);
  assertEquals(membersOf(), before);
}

async function started(size: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size);
  await cluster.startAll();
  await cluster.elect();
  return cluster;
}

async function remove(cluster: VirtualCluster, id: NodeId): Promise<void> {
  const asked = cluster.leader!.node.operations.changeMembers({ kind: "remove", id });
  assertEquals((await cluster.finish(asked)).kind, "done");
  await cluster.clock.runUntil(() => !cluster.live.has(id), 20_000);
}

async function call(cluster: VirtualCluster, { node }: LiveNode, ...words: string[]) {
  const answer = send(node.openLane(), ...words);
  await cluster.clock.runUntil(() => answer.text !== undefined, 8000);
  return answer.text;
}

Deno.test("RedisRaft 30: a log that is read again brings back no member and no link", async () => {
  const cluster = await started(3);
  // Members that came, moved and went are in the log; nothing of it is in a snapshot.
  for (let round = 0; round < 2; round++) {
    assertEquals(await call(cluster, cluster.leader!, "APPEND", "k", "x"), `${round + 1}`);
    const id = await cluster.join(cluster.leader!, round === 0 ? "learner" : "voter");
    if (round === 1) await cluster.voters(1, 2, 3, id);
    await remove(cluster, id);
  }
  const lasting = [...cluster.live.keys()];
  for (const id of lasting) cluster.kill(id);
  for (const id of lasting) {
    const { node, network, storage } = await cluster.start(id);
    assert(storage.recovered.configurations.length >= 8, "the log says it all");
    const others = lasting.filter((other) => other !== id);
    assertEquals(network.told.toSorted((a, b) => a - b), others, `node ${id}`);
    assertEquals(Number(node.raft.commitIndex), 0, "nobody has said what is committed");
  }
  await cluster.elect();
  for (const live of cluster.live.values()) {
    assertEquals(await call(cluster, live, "GET", "k"), "xx");
  }
  await cluster.converge();
});

Deno.test("RedisRaft 187: a node that is asked to let others in before it is a member itself", async () => {
  const cluster = await started(1);
  const second = NodeId(2);
  cluster.ids.push(second);
  cluster.disks.set(second, new MemoryDisk());
  const newcomer = await cluster.start(second);
  const request = {
    raftAddress: "127.0.0.1:7003",
    redisAddress: "127.0.0.1:6003",
    as: "voter" as const,
    featureLevel: 1,
  };
  const early = await cluster.finish(newcomer.node.operations.join(request));
  assert(early.kind === "tryAgain", JSON.stringify(early));
  const added = cluster.leader!.node.operations.changeMembers({
    kind: "add",
    id: second,
    raftAddress: "127.0.0.1:7002",
    redisAddress: "127.0.0.1:6002",
    as: "voter",
  });
  assertEquals((await cluster.finish(added)).kind, "done");
  await cluster.voters(1, 2);
  // It is stuck in nothing.
  assertEquals(Number(await cluster.join(newcomer)), 3);
  await cluster.voters(1, 2, 3);
  await cluster.converge();
});

Deno.test("RedisRaft 187: a newcomer that is removed before it has heard anything ends and says why", async () => {
  const cluster = await started(3);
  const id = await cluster.join(cluster.leader!, "learner");
  await remove(cluster, id);
  assertEquals(cluster.fatal.get(id)?.kind, "removed");
  assertMatch(cluster.fatal.get(id)!.text, /node 4 was removed from the cluster/);
});

Deno.test("RedisRaft 265: who asked for a change is not told that it is done before it is committed", async () => {
  const cluster = await started(3);
  const { leader } = cluster;
  const others = cluster.followers().map(({ node }) => node.options.id);
  // They receive everything; what they say is lost.
  for (const id of others) cluster.hub.silence(id, cluster.leaderId, true);
  let told: string | undefined;
  void leader!.node.operations.changeMembers({ kind: "demote", id: others[0] })
    .then(({ kind }) => told = kind);
  await cluster.clock.run(250);
  assert(leader!.node.raft.role === "leader", "it leads still");
  assert(leader!.node.raft.configuration.outgoing.length > 0, "the change is in its log");
  assertEquals(told, undefined);
  for (const id of others) cluster.hub.silence(id, cluster.leaderId, false);
  await cluster.clock.runUntil(() => told !== undefined, 5000);
  assertEquals(told, "done");
  const { raft } = leader!.node;
  assertEquals(raft.committedConfiguration, raft.configuration);
  assertEquals(raft.configuration.outgoing, []);
  assert(raft.commitIndex >= raft.configurationIndex);
});
