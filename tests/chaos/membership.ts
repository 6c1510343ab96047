/**
 * E42 and E43: members come and go under faults; a leader that is alone cannot make itself the
 * rest.
 */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { pause, until, within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import {
  askToRemove,
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

const VOTERS_MAX = 5;
const CHANGE_MS = 60_000;

/** What happens to some member while a change is under way. */
const DISTURBANCES = ["kill", "pause", "partition"] as const;

async function lostPackets({ network }: Arena): Promise<number> {
  const counts = await Promise.all(network.ids.map((id) => network.lostPackets(id)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function disturb(arena: Arena, victim: TestNode): Promise<void> {
  const { random, network } = arena;
  const forMs = random.between(200, 1500);
  switch (random.pick(DISTURBANCES)) {
    case "kill":
      await arena.kill(victim);
      await pause(forMs);
      return await victim.start();
    case "pause":
      await freeze(arena, victim);
      await pause(forMs);
      return thaw(victim);
    case "partition": {
      const before = await lostPackets(arena);
      await network.setAround([victim.id], "lost");
      await pause(forMs);
      await network.setAround([victim.id], "direct");
      arena.fired("lost packets", await lostPackets(arena) - before);
    }
  }
}

/** Runs `change` while one member after the other, but not `concerned`, is disturbed. */
async function underFaults(
  arena: Arena,
  concerned: TestNode,
  change: () => Promise<void>,
): Promise<void> {
  let changing = true;
  const disturbing = (async () => {
    do {
      await disturb(arena, arena.random.pick(arena.others(concerned)));
      await pause(arena.random.between(0, 500));
    } while (changing);
  })();
  const changed = change().finally(() => changing = false);
  await Promise.all([changed, disturbing]);
  await settled(arena);
}

async function grow(arena: Arena): Promise<void> {
  const place = freePlace(arena);
  const as = arena.random.pick(["voter", "learner"] as const);
  await underFaults(arena, place, async () => {
    await join(arena, place, { as });
    if (as === "learner") await setStanding(arena, place, "promote");
  });
}

async function shrink(arena: Arena, target: TestNode): Promise<void> {
  await underFaults(arena, target, () => removeMember(arena, target));
}

/** A member that is lost for ever makes room for another one, in one change. */
async function replace(arena: Arena): Promise<void> {
  const lost = arena.random.pick(arena.nodes);
  const replaces = await memberId(lost);
  await arena.kill(lost);
  lost.isPresent = false;
  const place = arena.random.pick([lost, freePlace(arena)]);
  await underFaults(arena, place, () => join(arena, place, { replaces }));
}

async function demoteAndPromote(arena: Arena): Promise<void> {
  const target = arena.random.pick(arena.nodes);
  await underFaults(arena, target, async () => {
    await setStanding(arena, target, "demote");
    await setStanding(arena, target, "promote");
  });
}

/** It was down: only those that refuse it can tell it. */
async function removeAbsent(arena: Arena): Promise<void> {
  const target = arena.random.pick(arena.nodes);
  const id = await memberId(target);
  await arena.kill(target);
  await underFaults(arena, target, () => askToRemove(arena, target, id));
  await staysOut(arena, target, id);
}

/** Started again with what it had, a removed node disturbs nobody and ends; its id is used up. */
async function staysOut(arena: Arena, removed: TestNode, id: number): Promise<void> {
  const leader = await arena.cluster.leader();
  const { term } = await leader.status();
  removed.spawn();
  arena.expectEnd(removed);
  const { code } = await within("the end of the removed node", 30_000, removed.process!.exited);
  assertEquals(code, EXIT_CODES.removed.code, removed.process!.tail(20));
  const { role, term: after } = await leader.status();
  assertEquals({ role, term: after }, { role: "leader", term }, "the removed node disturbed");
  const { raftAddress, redisAddress } = removed;
  const asked = arena.random.pick(arena.nodes);
  const answer = await asked.post(
    "/api/v1/members",
    { id, raftAddress, redisAddress },
    CHANGE_MS,
  );
  assertRefused(answer, /a member that was removed had this id/);
  arena.fired("removed nodes started again", 1);
}

async function membersChange(context: ScenarioContext): Promise<void> {
  const options = { spares: 3, operationTimeoutMs: 3000, clients: 18 };
  await withArena(context, options, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      await grow(arena);
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const removedId = await memberId(leader);
      await shrink(arena, leader);
      await staysOut(arena, leader, removedId);
      await grow(arena);
      await removeAbsent(arena);
      await replace(arena);
      await demoteAndPromote(arena);
      await arena.progress(100);
      if (arena.nodes.length < VOTERS_MAX) await grow(arena);
      await shrinkToOne(arena);
      for (let n = 0; n < 2; n++) {
        await join(arena, freePlace(arena), {});
        await settled(arena);
      }
      await arena.progress(100);
    }
  });
}

async function shrinkToOne(arena: Arena): Promise<void> {
  while (arena.nodes.length > 1) {
    await removeMember(arena, arena.random.pick(arena.nodes));
    await settled(arena);
  }
  const [last] = arena.nodes;
  const answer = await last.removeMember(await memberId(last), CHANGE_MS);
  assertRefused(answer, /it is the last voter/);
  await arena.progress(50);
}

const OPERATION_TIMEOUT_MS = 2000;

/** Long enough that it asks as a leader; short enough for a short run. */
const ISLAND_FLAGS = ["--raft-heartbeat-ms", "300", "--raft-election-timeout-ms", "1500,2500"];

async function island(context: ScenarioContext): Promise<void> {
  const options = { flags: ISLAND_FLAGS, operationTimeoutMs: OPERATION_TIMEOUT_MS };
  await withArena(context, options, async (arena) => {
    for (let round = 0; round < (context.long ? 5 : 1); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const others = arena.others(leader);
      const before = await leader.status();
      await arena.network.setAround([leader.id], "lost");
      const answers = others.map((other) => leader.removeMember(other.id, CHANGE_MS));
      await until("the change is in the leader's log", { withinMs: 1500 }, async () => {
        return (await leader.status()).configurationIndex > before.configurationIndex;
      });
      arena.fired("changes begun alone", 1);
      const alone = arena.successesOf([leader]);
      await arena.progress(200, others);
      for (const { status, body } of await Promise.all(answers)) {
        assertNotEquals(status, 200, JSON.stringify(body));
        context.note(`asked alone: ${status}, ${body.error}`);
      }
      assertEquals(arena.successesOf([leader]), alone, "answers of the leader alone");
      assertEquals((await others[0].status()).configurationIndex, before.configurationIndex);
      await arena.network.setAround([leader.id], "direct");
      await settled(arena);
      await arena.progress(100, [leader]);
      for (const node of arena.nodes) {
        const { configurationIndex } = await node.status();
        assertEquals(configurationIndex, before.configurationIndex, "nothing was committed");
      }
      arena.fired("lost packets", await arena.network.lostPackets(leader.id));
    }
    assert(arena.nodes.every((node) => node.isRunning), "nobody was removed");
  });
}

export const memberships: readonly Scenario[] = [
  {
    name: "E42",
    title: "members join, leave and are replaced under faults; to one and back; removed stay out",
    run: membersChange,
  },
  {
    name: "E43",
    title: "an isolated leader that is asked to remove the others can commit nothing",
    quick: true,
    run: island,
  },
];
