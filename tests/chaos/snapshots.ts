/** E8 and E46: members that come back when the log they miss is gone. */

import { assert, assertEquals, assertLess } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { freeze, lasting, residentBytes, thaw } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const FLAGS = [
  ...["--storage-snapshot-log-bytes", "1mb"],
  ...["--storage-segment-bytes", "64kb"],
];
const VALUE_BYTES = 20_000;
const GROWTH_BYTES_MAX = 200_000_000;

/** Writes until the leader's log begins behind what the absent node has. */
async function writeUntilCompacted(leader: TestNode, absentLastIndex: number): Promise<void> {
  const value = "x".repeat(VALUE_BYTES);
  const compacted = await leader.withClient(async (client) => {
    for (let i = 0; i < 5000; i++) {
      await client.call("SET", `big:${i % 50}`, value);
      if (i % 50 === 0 && (await leader.status()).firstIndex > absentLastIndex + 1) return true;
    }
    return false;
  });
  assert(compacted, "the leader never let go of its log");
}

async function catchesUpBySnapshot(arena: Arena, node: TestNode, from: number): Promise<void> {
  await arena.progress(100, [node]);
  await until("its log begins with a snapshot", { withinMs: 15_000 }, async () => {
    return (await node.status()).firstIndex > from + 1;
  });
  arena.fired("snapshots installed", 1);
}

async function followerAway(context: ScenarioContext): Promise<void> {
  await withArena(context, { flags: FLAGS }, async (arena) => {
    for (let round = 0; round < (context.long ? 5 : 1); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      const follower = arena.random.pick(arena.others(leader));
      const before = await residentBytes(leader);
      const { lastIndex } = await follower.status();
      await freeze(arena, follower);
      await writeUntilCompacted(leader, lastIndex);
      await arena.progress(200, arena.others(follower));
      if (context.long) await lasting(60_000);
      const grownBytes = await residentBytes(leader) - before;
      context.note(`the leader grew by ${(grownBytes / 1e6).toFixed(0)} MB`);
      assertLess(grownBytes, GROWTH_BYTES_MAX, "memory of the leader");
      thaw(follower);
      await catchesUpBySnapshot(arena, follower, lastIndex);
      const status = await leader.status();
      assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    }
  });
}

/** Each time the node dies at some moment while it is sent a snapshot, then gets another one. */
async function installsInterrupted(context: ScenarioContext): Promise<void> {
  const flags = [...FLAGS, "--raft-snapshot-rate-bytes", "1mb"];
  await withArena(context, { flags }, async (arena) => {
    const leader = await arena.cluster.leader();
    const node = arena.random.pick(arena.others(leader));
    const { lastIndex } = await node.status();
    await arena.kill(node);
    await writeUntilCompacted(leader, lastIndex);
    for (let round = 0; round < (context.long ? 30 : 4); round++) {
      node.spawn();
      await until("a snapshot is on its way", { withinMs: 15_000 }, async () => {
        const { members } = await leader.status();
        return members.some((member) => member.id === node.id && member.snapshotSending !== null);
      });
      await lasting(arena.random.between(0, 300));
      assert(node.isRunning, `node ${node.id} ended by itself:\n${node.process!.tail(20)}`);
      await arena.kill(node);
      arena.fired("deaths while a snapshot was on its way", 1);
      await arena.progress(50, arena.others(node));
    }
    await node.start();
    await catchesUpBySnapshot(arena, node, lastIndex);
    // A second one to the same node, at once.
    const again = await node.status();
    await freeze(arena, node);
    await writeUntilCompacted(leader, again.lastIndex);
    thaw(node);
    await catchesUpBySnapshot(arena, node, again.lastIndex);
  });
}

export const snapshots: readonly Scenario[] = [
  {
    name: "E8",
    title: "a follower stopped while the leader compacts comes back by a snapshot",
    run: followerAway,
  },
  {
    name: "E46",
    title:
      "a node that dies again and again while it gets a snapshot gets it in the end, and another",
    run: installsInterrupted,
  },
];
