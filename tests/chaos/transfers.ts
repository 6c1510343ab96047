/** E44: leadership is handed to nodes that can take it, and to some that cannot. */

import { assertEquals, assertLess } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { type Arena, withArena } from "./arena.ts";
import {
  assertRefused,
  freePlace,
  join,
  memberId,
  removeMember,
  setStanding,
  settled,
} from "./member_changes.ts";
import { freeze, thaw } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const TRANSFER_TIMEOUT_MS = 2000;
const NO_SUCH_VOTER = /there is no such other voter/;

interface Obstacle {
  readonly name: string;
  put(arena: Arena, target: TestNode): Promise<void>;
  remove(arena: Arena, target: TestNode): Promise<void>;
}

const OBSTACLES: readonly Obstacle[] = [
  {
    name: "dead",
    put: (arena, target) => arena.kill(target),
    remove: (_, target) => target.start(),
  },
  {
    name: "partitioned",
    put: (arena, target) => arena.network.setAround([target.id], "lost"),
    remove: async (arena, target) => {
      arena.fired("lost packets", await arena.network.lostPackets(target.id));
      await arena.network.setAround([target.id], "direct");
    },
  },
  {
    name: "paused",
    put: (arena, target) => freeze(arena, target),
    remove: async (_, target) => await thaw(target),
  },
];

async function transfers(context: ScenarioContext): Promise<void> {
  const flags = ["--raft-transfer-timeout-ms", `${TRANSFER_TIMEOUT_MS}`];
  await withArena(context, { flags, operationTimeoutMs: 6000 }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      for (const obstacle of OBSTACLES) await inVain(arena, obstacle);
      const leader = await arena.cluster.leader();
      const target = arena.random.pick(arena.others(leader));
      const startMs = performance.now();
      const answer = await leader.post("/api/v1/transfer", { to: target.id }, 20_000);
      assertEquals(answer, { status: 200, body: { leaderId: target.id } });
      context.note(`a transfer took ${(performance.now() - startMs).toFixed(0)} ms`);
      assertEquals(await arena.cluster.leader(), target);
      await arena.progress(100);
    }
  });
}

/** The leader gives up in time, says so, and serves on. */
async function inVain(arena: Arena, { name, put, remove }: Obstacle): Promise<void> {
  await arena.progress(100);
  const leader = await arena.cluster.leader();
  const { term } = await leader.status();
  const target = arena.random.pick(arena.others(leader));
  const serving = arena.others(target);
  await put(arena, target);
  const startMs = performance.now();
  const { status, body } = await leader.post("/api/v1/transfer", { to: target.id }, 20_000);
  const tookMs = performance.now() - startMs;
  assertEquals(status, 409, `transfer to a ${name} node: ${JSON.stringify(body)}`);
  await arena.progress(100, serving);
  arena.context.note(
    `transfer to a ${name} node: refused after ${tookMs.toFixed(0)} ms, ` +
      `${(performance.now() - startMs - tookMs).toFixed(0)} ms more to 100 answers (${body.error})`,
  );
  assertLess(tookMs, TRANSFER_TIMEOUT_MS + 1000);
  const after = await leader.status();
  assertEquals({ role: after.role, term: after.term }, { role: "leader", term }, name);
  await remove(arena, target);
  await arena.progress(100, [target]);
}

/** Leadership goes to voters; then the one that had it leaves the cluster. */
async function amongMembers(context: ScenarioContext): Promise<void> {
  await withArena(context, { spares: 1, operationTimeoutMs: 6000 }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      const place = freePlace(arena);
      await join(arena, place, { as: "learner" });
      const learner = await memberId(place);
      await refusedAtOnce(leader, learner);
      await refusedAtOnce(leader, learner + 100);
      const { role, term: after } = await leader.status();
      assertEquals({ role, term: after }, { role: "leader", term });
      await setStanding(arena, place, "promote");
      await settled(arena);
      // Any member takes the order.
      const asked = arena.random.pick(arena.others(leader, place));
      const answer = await asked.post("/api/v1/transfer", { to: learner }, 20_000);
      assertEquals(answer, { status: 200, body: { leaderId: learner } });
      assertEquals(await arena.cluster.leader(), place);
      const formerId = await memberId(leader);
      await removeMember(arena, leader);
      await settled(arena);
      await refusedAtOnce(place, formerId);
      await arena.progress(100);
    }
  });
}

async function refusedAtOnce(leader: TestNode, to: number): Promise<void> {
  const startMs = performance.now();
  assertRefused(await leader.post("/api/v1/transfer", { to }, 20_000), NO_SUCH_VOTER);
  assertLess(performance.now() - startMs, TRANSFER_TIMEOUT_MS, "a refusal that nothing waits for");
}

export const transferring: readonly Scenario[] = [
  {
    name: "E44",
    title:
      "transfers to dead, partitioned and paused nodes give up in time; one to a good node works",
    run: transfers,
  },
  {
    name: "E44b",
    title: "no transfer to a learner or a stranger; to a new voter, and the old leader is removed",
    run: amongMembers,
  },
];
