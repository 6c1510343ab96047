/** E31 and E32: clocks that jump. */

import { assert, assertEquals, assertLess } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { highestTerm, lasting } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Lives for an hour, and for ten days. */
const SHORT = "expires:short";
const LONG = "expires:long";

async function deadlines(arena: Arena, key: string): Promise<number[]> {
  return await Promise.all(
    arena.nodes.map((node) =>
      node.withClient(async (client) => await client.call("PTTL", key) as number)
    ),
  );
}

async function jump(arena: Arena, node: TestNode, wallMs: number): Promise<void> {
  await arena.clockShim.set(node, { wallMs });
  await arena.progress(150);
  await lasting(arena.context.long ? 20_000 : 1500);
}

async function wallClockJumps(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "clock" }, async (arena) => {
    const leader = await arena.cluster.leader();
    const follower = arena.others(leader)[0];
    const { term } = await leader.status();
    await leader.withClient(async (client) => {
      await client.call("SET", SHORT, "1", "PX", HOUR_MS);
      await client.call("SET", LONG, "1", "PX", 10 * DAY_MS);
    });
    for (const wallMs of [DAY_MS, -DAY_MS]) {
      await jump(arena, follower, wallMs);
      for (const leftMs of await deadlines(arena, SHORT)) {
        assert(leftMs > HOUR_MS / 2 && leftMs <= HOUR_MS, `${leftMs} ms left on one node`);
      }
    }
    await arena.clockShim.set(follower, {});
    // The stamps of the leader are the time of the log: all nodes follow them together.
    await jump(arena, leader, DAY_MS);
    await until("the short key is gone everywhere", { withinMs: 10_000 }, async () => {
      return (await deadlines(arena, SHORT)).every((leftMs) => leftMs === -2);
    });
    await jump(arena, leader, -DAY_MS);
    for (const leftMs of await deadlines(arena, LONG)) {
      assert(leftMs > 8 * DAY_MS, `${leftMs} ms left of ten days`);
      assertLess(leftMs, 9 * DAY_MS + HOUR_MS, "the time of the log turned back");
    }
    assertEquals(await deadlines(arena, SHORT), [-2, -2, -2], "a dead key came back");
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    for (const node of arena.nodes) assertEquals(arena.load.problemsOf(node, 0), []);
    arena.fired("the leader's wrong readings", await arena.clockShim.firedCount(leader));
    arena.fired("a follower's wrong readings", await arena.clockShim.firedCount(follower));
  });
}

async function monotonicJumps(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "clock" }, async (arena) => {
    const offsets = new Map<TestNode, number>();
    for (let round = 0; round < (context.long ? 20 : 4); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const node = round % 2 === 0 ? leader : arena.random.pick(arena.others(leader));
      const term = await highestTerm(arena.nodes);
      const monotonicMs = (offsets.get(node) ?? 0) + HOUR_MS;
      offsets.set(node, monotonicMs);
      await arena.clockShim.set(node, { monotonicMs });
      await lasting(1500);
      await arena.progress(150);
      await arena.cluster.leader();
      const after = await highestTerm(arena.nodes);
      const which = node === leader ? "the leader" : "a follower";
      context.note(`an hour passed on ${which}: term ${term} became ${after}`);
      assert(after <= term + 1, `more than one election: term ${term} became ${after}`);
      arena.fired("readings of a wrong clock", await arena.clockShim.firedCount(node));
    }
  });
}

export const clocks: readonly Scenario[] = [
  {
    name: "E31",
    title: "wall clocks jump by a day: no election, and keys expire on all nodes or on none",
    quick: true,
    run: wallClockJumps,
  },
  {
    name: "E32",
    title: "a monotonic clock jumps by an hour: at worst one election",
    run: monotonicJumps,
  },
];
