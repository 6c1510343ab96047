/** What clients of other Raft stores for Redis were told of their writes, and what became of these. */

import { Prng } from "../../src/base/mod.ts";
import type { Lane } from "../../src/node/mod.ts";
import { type Answer, send, VirtualCluster } from "../node/virtual_cluster.ts";
import { member } from "../support/fake_gateway.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { withServer } from "../server/support.ts";

async function started(size: number, seed = 1): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(size, seed);
  await cluster.startAll();
  await cluster.elect();
  return cluster;
}

async function call(cluster: VirtualCluster, lane: Lane, ...words: string[]): Promise<string> {
  const answer = send(lane, ...words);
  await cluster.clock.runUntil(() => answer.text !== undefined, 8000);
  return answer.text!;
}

Deno.test("RedisRaft 13: one write through a follower is one entry, and is done once", async () => {
  const cluster = await started(3);
  const before = cluster.leader!.node.raft.lastEntry.index;
  const [follower] = cluster.followers();
  assertEquals(await call(cluster, follower.node.openLane(), "APPEND", "k", "x"), "1");
  // Soon, and much later: what feeds on itself would never come to the end of it.
  await cluster.clock.run(100);
  assertEquals(Number(cluster.leader!.node.raft.lastEntry.index), before + 1);
  await cluster.clock.run(10_000);
  for (const { node } of cluster.live.values()) {
    assertEquals(Number(node.raft.lastEntry.index), before + 1);
    assertEquals(await call(cluster, node.openLane(), "GET", "k"), "x");
  }
  // Nor when the log is applied again.
  for (const id of cluster.ids) cluster.kill(id);
  await cluster.startAll();
  const leader = await cluster.elect();
  await cluster.clock.run(10_000);
  const noops = leader.node.raft.term;
  assert(leader.node.raft.lastEntry.index <= before + 1 + noops, "the log grows by itself");
  assertEquals(await call(cluster, leader.node.openLane(), "GET", "k"), "x");
});

Deno.test("RedisRaft 14: whoever takes over has all data, and all have the same", async () => {
  const cluster = await started(5);
  const size = (leader: VirtualCluster["leader"]) => leader!.node.machine.keyspace.size;
  for (let failover = 1; failover <= 3; failover++) {
    const lanes = [...cluster.live.values()].map(({ node }) => node.openLane());
    for (let i = 0; i < 40; i++) {
      const key = `${failover}.${i}`;
      assertEquals(await call(cluster, lanes[i % lanes.length], "SET", key, key), "OK");
    }
    await cluster.converge();
    const victim = cluster.leaderId;
    cluster.kill(victim);
    const next = await cluster.elect();
    assertEquals(size(next), 40 * failover);
    const lane = next.node.openLane();
    for (let i = 0; i < 40; i++) {
      assertEquals(await call(cluster, lane, "GET", `1.${i}`), `1.${i}`);
    }
    // At the same entry they have the same state.
    await cluster.converge();
    await cluster.start(victim);
    await cluster.elect();
    await cluster.converge();
  }
});

Deno.test("RedisRaft 23: what is said of a write is true, whenever the leader steps down", async () => {
  const said = new Map<string, number>();
  for (let seed = 1; seed <= 15; seed++) {
    const cluster = await started(3, seed);
    const prng = new Prng(seed);
    const writes: { readonly key: string; readonly answer: Answer }[] = [];
    const writeAll = () => {
      for (const { node } of cluster.live.values()) {
        const key = `${writes.length}`;
        writes.push({ key, answer: send(node.openLane(), "SET", key, key) });
      }
    };
    for (let step = 0; step < 8; step++) {
      writeAll();
      // The entry is in the leader's log, and some have heard of it.
      await cluster.clock.run(prng.unit() * 2);
      const { leader } = cluster;
      if (step % 2 === 0) leader?.node.raft.step({ kind: "stepDown", reason: "a test" });
      else {
        for (const from of cluster.ids) {
          for (const to of cluster.ids) {
            if (prng.chance(0.7)) cluster.hub.silence(from, to, true);
          }
        }
      }
      writeAll();
      await cluster.clock.run(prng.between(0, 1500));
      writeAll();
      // At times longer than a client waits.
      await cluster.clock.run(prng.chance(0.5) ? 6000 : 100);
      writeAll();
      for (const from of cluster.ids) {
        for (const to of cluster.ids) cluster.hub.silence(from, to, false);
      }
      await cluster.elect();
    }
    await cluster.clock.run(8000);
    await cluster.converge();
    const lane = cluster.leader!.node.openLane();
    for (const { key, answer: { text } } of writes) {
      const found = await call(cluster, lane, "GET", key);
      if (text === "OK") assertEquals(found, key, `seed ${seed}: ${key} was acknowledged`);
      if (text === "!notApplied") assertEquals(found, "null", `seed ${seed}: ${key} was not`);
      said.set(text!, (said.get(text!) ?? 0) + 1);
    }
  }
  for (const text of ["OK", "!notApplied", "!maybeApplied"]) {
    assert((said.get(text) ?? 0) > 0, `nobody heard ${text}: ${JSON.stringify([...said])}`);
  }
});

Deno.test("RedisRaft 25: MULTI, QUEUED and DISCARD do not depend on the cluster, only EXEC", async () => {
  await withServer(async ({ connect, gateway }) => {
    gateway.failure = { effect: "notApplied", reason: "no leader is known; try again" };
    gateway.viewChanges = { role: "follower", leaderId: undefined, ready: false };
    const client = await connect();
    for (let round = 0; round < 2; round++) {
      assertEquals(await client.call("MULTI"), "+OK\r\n");
      assertEquals(await client.call("SET", "k", "v"), "+QUEUED\r\n");
      assertEquals(await client.call("GET", "k"), "+QUEUED\r\n");
      assertEquals(await client.call("DISCARD"), "+OK\r\n");
      assertEquals(await client.call("DISCARD"), "-ERR DISCARD without MULTI\r\n");
      assertEquals(await client.call("MULTI"), "+OK\r\n");
      assertEquals(await client.call("SET", "k", "v"), "+QUEUED\r\n");
      assertMatch(await client.call("EXEC"), /^-CLUSTERDOWN The command was not applied/);
      assertEquals(await client.call("EXEC"), "-ERR EXEC without MULTI\r\n");
    }
  });
  await withServer(async ({ connect, gateway }) => {
    for (const leaderId of [2, undefined]) {
      gateway.viewChanges = { role: "follower", leaderId, members: [member(1), member(2)] };
      const client = await connect();
      assertEquals(await client.call("MULTI"), "+OK\r\n");
      assertMatch(await client.call("SET", "k", "v"), /^-(MOVED|CLUSTERDOWN) /);
      assertEquals(await client.call("DISCARD"), "+OK\r\n");
      assertEquals(await client.call("DISCARD"), "-ERR DISCARD without MULTI\r\n");
      assertEquals(await client.call("MULTI"), "+OK\r\n");
      assertMatch(await client.call("SET", "k", "v"), /^-(MOVED|CLUSTERDOWN) /);
      assertMatch(await client.call("EXEC"), /^-EXECABORT /);
      assertEquals(await client.call("EXEC"), "-ERR EXEC without MULTI\r\n");
      assertEquals(await client.call("PING"), "+PONG\r\n");
    }
  }, { follower: "redirect" });
});

Deno.test("RedisRaft 26: clients of a follower get their own replies, whatever happens to its links", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const cluster = await started(3, seed);
    const prng = new Prng(seed);
    const own: { readonly answer: Answer; readonly is: RegExp }[] = [];
    const clients = [...cluster.live.values()].flatMap(({ node }, at) =>
      Array.from({ length: 6 }, (_, i) => ({ tag: `${at}.${i}`, lane: node.openLane() }))
    );
    for (let step = 0; step < 60; step++) {
      for (const { tag, lane } of clients) {
        const is = new RegExp(`^(${tag}:\\d+|null|OK|!\\w+)$`);
        own.push({ answer: send(lane, "SET", tag, `${tag}:${step}`), is });
        own.push({ answer: send(lane, "GET", tag), is });
        own.push({ answer: send(lane, "SET", tag, `${tag}:${step}`, "GET"), is });
      }
      await cluster.clock.run(prng.unit());
      // A link of somebody is lost at any step of what is under way, now and then the leader.
      const { network } = prng.pick([...cluster.live.values()]);
      if (prng.chance(0.3)) cluster.hub.disconnect(network, prng.pick(cluster.ids));
      if (step % 20 === 10) {
        cluster.leader?.node.raft.step({ kind: "stepDown", reason: "the test says so" });
        cluster.followers()[0].node.schedule();
      }
    }
    await cluster.clock.runUntil(() => own.every(({ answer }) => answer.text !== undefined), 9000);
    let replies = 0;
    for (const { answer: { text }, is } of own) {
      assertMatch(text!, is, `seed ${seed}`);
      if (text!.includes(":")) replies++;
    }
    assert(
      replies > own.length / 4,
      `seed ${seed}: only ${replies} of ${own.length} were answered`,
    );
    await cluster.elect();
    await cluster.converge();
  }
});
