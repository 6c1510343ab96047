/** E10 and E14: links that lose one direction, and links that are long and lossy. */

import { assert, assertEquals } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { highestTerm, lasting } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** A clean hand-over takes one; a second one is a vote that was split. */
const TERMS_MAX = 2;

type Loss = (leader: TestNode, others: readonly TestNode[]) => (readonly [number, number])[];

const LOSSES: Readonly<Record<string, { readonly paths: Loss; readonly deposes: boolean }>> = {
  "leader to one follower": { paths: (leader, [a]) => [[leader.id, a.id]], deposes: false },
  "one follower to the leader": { paths: (leader, [a]) => [[a.id, leader.id]], deposes: false },
  "leader to all": {
    paths: (leader, others) => others.map((other) => [leader.id, other.id] as const),
    deposes: true,
  },
  "all to the leader": {
    paths: (leader, others) => others.map((other) => [other.id, leader.id] as const),
    deposes: true,
  },
};

async function oneWayLoss(context: ScenarioContext, how: "proxied" | "silent"): Promise<void> {
  const options = { proxied: how === "proxied", operationTimeoutMs: 2000 };
  await withArena(context, options, async (arena) => {
    for (const [name, { paths, deposes }] of Object.entries(LOSSES)) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const others = arena.others(leader);
      const term = await highestTerm(arena.nodes);
      const lossy = paths(leader, others);
      const before = await lossCount(arena, how);
      await setLoss(arena, how, lossy, true);
      if (deposes) {
        await until(
          `another leader, with loss from ${name}`,
          { withinMs: 10_000 },
          async () => {
            const states = await Promise.all(others.map((node) => node.status()));
            return states.some((status) => status.role === "leader");
          },
        );
      }
      const going = deposes ? others : arena.others(others[0]);
      await arena.progress(200, going);
      await lasting(context.long ? 20_000 : 2000);
      await arena.progress(100, going);
      const after = await highestTerm(arena.nodes);
      context.note(`loss from ${name}: term ${term} became ${after}`);
      if (deposes) assert(after - term <= TERMS_MAX, `term ${term} became ${after}: ${name}`);
      else assertEquals(after, term, `the term with loss from ${name}`);
      arena.fired(`loss from ${name}`, await lossCount(arena, how) - before);
      await setLoss(arena, how, lossy, false);
      await arena.progress(100);
    }
  });
}

/** Chunks that were held back, or packets that were lost, so far. */
async function lossCount(arena: Arena, how: "proxied" | "silent"): Promise<number> {
  if (how === "proxied") return arena.proxies.counts.blocked;
  const { network } = arena;
  const counts = await Promise.all(network.ids.map((id) => network.lostPackets(id)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function setLoss(
  arena: Arena,
  how: "proxied" | "silent",
  paths: readonly (readonly [number, number])[],
  lost: boolean,
): Promise<void> {
  for (const [from, to] of paths) {
    if (how === "proxied") arena.proxies.setRule(from, to, { blocked: lost });
    else await arena.network.setPath(from, to, lost ? "lost" : "direct");
  }
}

const ROUND_TRIP_MS = 200;
const LOSS_PROBABILITY = 0.01;

async function longLinks(context: ScenarioContext): Promise<void> {
  await withArena(context, { proxied: true, timing: "edge", successesMin: 300 }, async (arena) => {
    arena.proxies.setAll({
      delayMs: ROUND_TRIP_MS / 2,
      lossProbability: LOSS_PROBABILITY,
      // What TCP takes when nothing behind the lost packet makes it hurry.
      repeatMs: ROUND_TRIP_MS + 200,
    });
    const leader = await arena.cluster.leader();
    const { term } = await leader.status();
    const before = arena.load.succeeded;
    const lastsMs = context.long ? 120_000 : 15_000;
    await lasting(lastsMs);
    const rate = (arena.load.succeeded - before) / (lastsMs / 1000);
    context.note(`${rate.toFixed(0)} answers a second over ${ROUND_TRIP_MS} ms and 1 % loss`);
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    for (const node of arena.nodes) assertEquals(arena.load.problemsOf(node, 0), []);
    arena.fired("delayed chunks", arena.proxies.counts.delayed);
    arena.fired("lost chunks", arena.proxies.counts.lost);
    arena.proxies.setAll({});
  });
}

export const badLinks: readonly Scenario[] = [
  {
    name: "E10",
    title: "links that hold back one direction: no election storm, or one clean hand-over",
    run: (context) => oneWayLoss(context, "proxied"),
  },
  {
    name: "E10b",
    title: "packets lost in one direction: no election storm, or one clean hand-over",
    run: (context) => oneWayLoss(context, "silent"),
  },
  {
    name: "E14",
    title: "200 ms and 1 % loss between all: default timers keep a stable leader",
    run: longLinks,
  },
];
