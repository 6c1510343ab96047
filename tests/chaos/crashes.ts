/** E1 to E4: processes die with SIGKILL. */

import { assertEquals, assertGreaterOrEqual, assertLess } from "../support/assert.ts";
import { withArena } from "./arena.ts";
import { ELECTION_TIMEOUT_MS_MAX, termsOf } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

async function leaderKilled(context: ScenarioContext, timing: "lan" | "edge"): Promise<void> {
  await withArena(context, { timing }, async (arena) => {
    const kills = context.long ? 100 : timing === "lan" ? 3 : 2;
    const timesMs: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const leader = await arena.cluster.leader();
      await arena.progress(100);
      const startMs = performance.now();
      await arena.kill(leader);
      await arena.cluster.leader();
      timesMs.push(performance.now() - startMs);
      await arena.progress(100, arena.others(leader));
      await leader.start();
    }
    const worstMs = Math.max(...timesMs);
    context.note(`a new leader after ${timesMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assertLess(worstMs, 3 * ELECTION_TIMEOUT_MS_MAX[timing], "until a new leader");
  });
}

async function followerKilled(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    for (let kill = 0; kill < (context.long ? 20 : 2); kill++) {
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      const follower = arena.random.pick(arena.others(leader));
      await arena.kill(follower);
      await arena.progress(500, arena.others(follower));
      await follower.start();
      await arena.progress(200);
      const { role, term: after } = await leader.status();
      assertEquals({ role, term: after }, { role: "leader", term });
    }
  });
}

async function allKilled(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    for (let round = 0; round < (context.long ? 50 : 3); round++) {
      await arena.progress(200);
      const terms = await termsOf(arena.nodes);
      for (const node of arena.nodes) node.process!.signal("SIGKILL");
      await Promise.all(arena.nodes.map((node) => arena.kill(node)));
      await arena.cluster.start();
      for (const [at, term] of (await termsOf(arena.nodes)).entries()) {
        assertGreaterOrEqual(term, terms[at], `term of node ${at + 1}`);
      }
    }
    await arena.progress(200);
  });
}

async function singleKilled(context: ScenarioContext): Promise<void> {
  await withArena(context, { nodes: 1, clients: 8 }, async (arena) => {
    const [node] = arena.nodes;
    for (let round = 0; round < (context.long ? 40 : 4); round++) {
      await arena.progress(100);
      const client = await node.connect();
      const reply = await client.call("SET", "last", `${round}`);
      await arena.kill(node);
      assertEquals(reply, "OK");
      await node.start();
      assertEquals(await node.withClient((again) => again.call("GET", "last")), `${round}`);
    }
    await arena.progress(100);
  });
}

export const crashes: readonly Scenario[] = [
  {
    name: "E1",
    title: "leaders killed under load: a new one within three election timeouts, nothing lost",
    quick: true,
    run: (context) => leaderKilled(context, "lan"),
  },
  {
    name: "E1b",
    title: "leaders killed with edge timers",
    run: (context) => leaderKilled(context, "edge"),
  },
  {
    name: "E2",
    title: "followers killed: the leader stays, they catch up from the log",
    run: followerKilled,
  },
  {
    name: "E3",
    title: "all nodes killed at one instant: nothing acknowledged is lost, no term goes back",
    run: allKilled,
  },
  {
    name: "E4",
    title: "a single node killed right after a reply keeps what it acknowledged",
    run: singleKilled,
  },
];
