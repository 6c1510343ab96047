/** E9, E11 to E13: packets vanish in silence, in open connections too. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { pause, until } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { ELECTION_TIMEOUT_MS_MAX, highestTerm, isConnected, lasting } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** Answers that were on their way when the link was cut. */
const SETTLE_MS = 200;
const OPERATION_TIMEOUT_MS = 3000;

async function lostPackets(arena: Arena): Promise<void> {
  let packets = 0;
  for (const id of arena.network.ids) packets += await arena.network.lostPackets(id);
  arena.fired("lost packets", packets);
}

async function leaderIsolated(context: ScenarioContext): Promise<void> {
  const options = { operationTimeoutMs: OPERATION_TIMEOUT_MS };
  await withArena(context, options, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      await arena.network.setAround([leader.id], "lost");
      const cutMs = performance.now();
      await until(
        "the isolated leader steps down",
        { withinMs: 2 * ELECTION_TIMEOUT_MS_MAX.lan + SETTLE_MS },
        async () => (await leader.status()).role !== "leader",
      );
      const alone = arena.successesOf([leader]);
      await arena.progress(300, arena.others(leader));
      const concerned = arena.load.clients.filter((client) => client.node === leader);
      await until(
        "every client of the isolated node gets an error",
        { withinMs: OPERATION_TIMEOUT_MS + 1500 },
        () => concerned.every((client) => client.errors.some(({ atMs }) => atMs > cutMs)),
      );
      assertEquals(arena.successesOf([leader]), alone, "answers of the minority");
      for (const { atMs, text } of concerned.flatMap((client) => client.errors)) {
        if (atMs > cutMs) assertMatch(text, /^(CLUSTERDOWN|UNCERTAIN) /);
      }
      await arena.network.setAround([leader.id], "direct");
      await arena.progress(100, [leader]);
    }
    await lostPackets(arena);
  });
}

/** 1-2-3 see each other, 4 only 2, 5 only 3. */
const CUT_OF_MESH = [[1, 4], [1, 5], [2, 5], [3, 4], [4, 5]] as const;

async function partialMesh(context: ScenarioContext): Promise<void> {
  await withArena(context, { nodes: 5, operationTimeoutMs: 2000 }, async (arena) => {
    await arena.progress(100);
    for (const [a, b] of CUT_OF_MESH) {
      await arena.network.setPath(a, b, "lost");
      await arena.network.setPath(b, a, "lost");
    }
    const core = arena.nodes.slice(0, 3);
    await arena.progress(300, core);
    await lasting(4 * ELECTION_TIMEOUT_MS_MAX.lan);
    const term = await highestTerm(arena.nodes);
    const before = arena.successesOf(core);
    const lastsMs = context.long ? 120_000 : 6000;
    await lasting(lastsMs);
    const rate = (arena.successesOf(core) - before) / (lastsMs / 1000);
    context.note(`${rate.toFixed(0)} answers a second in the partial mesh`);
    assert(rate > 50, `${rate} answers a second`);
    assertEquals(await highestTerm(arena.nodes), term, "the term in a partial mesh");
    await arena.network.setAll("direct");
    await arena.progress(100, arena.nodes.slice(3));
    await lostPackets(arena);
  });
}

async function flappingFollower(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    const leader = await arena.cluster.leader();
    const { term } = await leader.status();
    const [flapping, steady] = arena.others(leader);
    for (let flap = 0; flap < (context.long ? 150 : 4); flap++) {
      await arena.network.setAround([flapping.id], "lost");
      await lasting(1000);
      await arena.network.setAround([flapping.id], "direct");
      await lasting(1000);
    }
    await arena.progress(100, [flapping]);
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    assertEquals(arena.load.problemsOf(leader, 0), [], "clients of the leader");
    assertEquals(arena.load.problemsOf(steady, 0), [], "clients of the steady follower");
    await lostPackets(arena);
  });
}

/** The kernel would take a quarter of an hour to notice. */
const DEAD_LINK_MS = 5000;

async function silentLink(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      const leader = await arena.cluster.leader();
      const follower = arena.random.pick(arena.others(leader));
      assert(await isConnected(leader, follower), "the link was up before");
      await arena.network.setPath(leader.id, follower.id, "lost");
      await arena.network.setPath(follower.id, leader.id, "lost");
      const cutMs = performance.now();
      for (const [from, to] of [[leader, follower], [follower, leader]]) {
        await until(
          `node ${from.id} takes its link to node ${to.id} for dead`,
          { withinMs: DEAD_LINK_MS },
          async () => !await isConnected(from, to),
        );
      }
      context.note(`both ends noticed within ${(performance.now() - cutMs).toFixed(0)} ms`);
      await arena.progress(200, arena.others(follower));
      await arena.network.setPath(leader.id, follower.id, "direct");
      await arena.network.setPath(follower.id, leader.id, "direct");
      await until(
        "both ends are connected again",
        { withinMs: DEAD_LINK_MS },
        async () => await isConnected(leader, follower) && await isConnected(follower, leader),
      );
      await pause(SETTLE_MS);
      await arena.progress(100);
    }
    await lostPackets(arena);
  });
}

export const partitions: readonly Scenario[] = [
  {
    name: "E9",
    title: "an isolated leader steps down, its side serves nothing, the other side goes on",
    quick: true,
    run: leaderIsolated,
  },
  {
    name: "E11",
    title: "a partial mesh of five keeps one leader and goes on",
    run: partialMesh,
  },
  {
    name: "E12",
    title: "a follower whose link comes and goes never deposes the leader",
    run: flappingFollower,
  },
  {
    name: "E13",
    title: "a link that goes silent is found out and dialled again without the kernel's help",
    run: silentLink,
  },
];
