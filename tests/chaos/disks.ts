/** E6, E15 to E19: disks that are slow, hang, fail, and lose power. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertGreater, assertLess } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { highestTerm, lasting, metric, residentBytes } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

async function powerCut(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "write" }, async (arena) => {
    let unsynced = 0;
    for (let round = 0; round < (context.long ? 30 : 2); round++) {
      await arena.progress(200);
      // Now and then a single node loses power, else all at one instant.
      const victims = arena.random.chance(0.7) ? arena.nodes : [arena.random.pick(arena.nodes)];
      for (const node of victims) node.process!.signal("SIGKILL");
      await Promise.all(victims.map((node) => arena.kill(node)));
      const keepProbability = arena.random.pick([0, 0, 0.5, 0.9]);
      for (const node of victims) {
        const cut = await arena.writeShim.cutPower(node, arena.random, keepProbability);
        unsynced += cut.unsynced;
        arena.fired("changes undone by power cuts", cut.undone);
      }
      await arena.cluster.start();
      for (const node of victims) {
        const warnings = node.process!.lines.filter((line) =>
          /\bwarn.*(torn|cut|unfinished)/i.test(line)
        );
        assert(warnings.length <= 1, `more than one warning: ${warnings.join("\n")}`);
      }
    }
    context.note(`${unsynced} changes were not synced at the cuts`);
    await arena.progress(200);
  });
}

const SLOW_MS = 300;

async function slowDisk(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "disk" }, async (arena) => {
    const leader = await arena.cluster.leader();
    const { term } = await leader.status();
    const sums = async () => ({
      seconds: await metric(leader, "logboat_log_sync_duration_seconds_sum"),
      count: await metric(leader, "logboat_log_sync_duration_seconds_count"),
    });
    const before = await sums();
    await arena.diskShim.set(leader, `slow ${SLOW_MS}`);
    await arena.progress(300);
    await lasting(context.long ? 60_000 : 5000);
    await arena.progress(100);
    const after = await sums();
    const meanMs = 1000 * (after.seconds - before.seconds) / (after.count - before.count);
    context.note(`a sync took ${meanMs.toFixed(0)} ms on average`);
    assertGreater(meanMs, SLOW_MS / 2, "the metric shows the slow syncs");
    await arena.diskShim.set(leader, "none");
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    for (const node of arena.nodes) assertEquals(arena.load.problemsOf(node, 0), []);
    arena.fired("slow syncs", await arena.diskShim.firedCount(leader));
  });
}

const STEP_DOWN_MS = 1000;
const EXIT_MS = 4000;
const HANG_FLAGS = [
  ...["--storage-sync-hang-step-down-ms", `${STEP_DOWN_MS}`],
  ...["--storage-sync-hang-exit-ms", `${EXIT_MS}`],
];

async function endsWith(node: TestNode, code: number, withinMs: number): Promise<void> {
  const status = await within(`the end of node ${node.id}`, withinMs, node.process!.exited);
  assertEquals(status.code, code, `exit code of node ${node.id}`);
}

async function hungLeader(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "disk", flags: HANG_FLAGS }, async (arena) => {
    for (let round = 0; round < (context.long ? 5 : 1); round++) {
      const leader = await arena.cluster.leader();
      const others = arena.others(leader);
      await arena.diskShim.set(leader, "hang");
      arena.expectEnd(leader);
      const hungMs = performance.now();
      await until(
        "another node leads",
        { withinMs: STEP_DOWN_MS + 3000 },
        async () =>
          (await Promise.all(others.map((n) => n.status()))).some((s) => s.role === "leader"),
      );
      context.note(`another leader ${(performance.now() - hungMs).toFixed(0)} ms after the hang`);
      await arena.progress(200, others);
      await endsWith(leader, EXIT_CODES.diskFailed.code, EXIT_MS + 5000);
      arena.fired("hung syncs", await arena.diskShim.firedCount(leader));
      await arena.diskShim.set(leader, "none");
      await leader.start();
      await arena.progress(100);
    }
  });
}

/** More than the load can hold in flight by far; a queue without a bound would pass it. */
const GROWTH_BYTES_MAX = 150_000_000;

async function hungFollower(context: ScenarioContext): Promise<void> {
  const flags = ["--storage-sync-hang-exit-ms", "600000", "--raft-inflight-bytes-max", "8mb"];
  await withArena(context, { shim: "disk", flags }, async (arena) => {
    const leader = await arena.cluster.leader();
    const follower = arena.others(leader)[0];
    const { term } = await leader.status();
    const before = await residentBytes(leader);
    await arena.diskShim.set(follower, "hang");
    const value = "x".repeat(100_000);
    await leader.withClient(async (client) => {
      for (let i = 0; i < (context.long ? 5000 : 500); i++) {
        await client.call("SET", `big:${i % 10}`, value);
      }
    });
    await arena.progress(300, arena.others(follower));
    const grownBytes = await residentBytes(leader) - before;
    context.note(`the leader grew by ${(grownBytes / 1e6).toFixed(0)} MB`);
    assertLess(grownBytes, GROWTH_BYTES_MAX, "memory of the leader");
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    arena.fired("hung syncs", await arena.diskShim.firedCount(follower));
    await arena.kill(follower);
    await arena.diskShim.set(follower, "none");
    await follower.start();
    await arena.progress(100);
  });
}

async function failedSync(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "disk" }, async (arena) => {
    for (let round = 0; round < (context.long ? 20 : 2); round++) {
      const leader = await arena.cluster.leader();
      const victim = round % 2 === 0 ? leader : arena.random.pick(arena.others(leader));
      await arena.progress(100);
      await failOneSync(arena, victim, "eio-once");
      await arena.progress(200, arena.others(victim));
      await victim.start();
      await arena.progress(100);
    }
  });
}

/** `provoke` makes the node sync, once the fault waits for that; without it the load does. */
async function failOneSync(
  arena: Arena,
  victim: TestNode,
  fault: "eio-once" | `eio-once ${string}`,
  provoke?: () => Promise<void>,
): Promise<void> {
  const before = await arena.diskShim.firedCount(victim);
  arena.expectEnd(victim);
  await arena.diskShim.set(victim, fault);
  await Promise.all([provoke?.(), endsWith(victim, EXIT_CODES.diskFailed.code, 10_000)]);
  arena.fired("failed syncs", await arena.diskShim.firedCount(victim) - before);
  await arena.diskShim.set(victim, "none");
}

/** The candidate is told to campaign; its vote for itself cannot be written. */
async function failedVote(context: ScenarioContext): Promise<void> {
  await withArena(context, { shim: "disk" }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const candidate = arena.random.pick(arena.others(leader));
      const others = arena.others(candidate);
      const term = await highestTerm(others);
      await failOneSync(arena, candidate, "eio-once /state-", async () => {
        const { status, body } = await leader.post(
          "/api/v1/transfer",
          { to: candidate.id },
          20_000,
        );
        const what = "the transfer to a node that cannot write its vote";
        assertEquals(status, 409, `${what}: ${JSON.stringify(body)}`);
      });
      await arena.progress(200, others);
      assertEquals(await highestTerm(others), term, "nobody was asked for a vote");
      await candidate.start();
    }
  });
}

export const disks: readonly Scenario[] = [
  {
    name: "E6",
    title: "power cuts take away what was not synced: nothing acknowledged is lost",
    quick: true,
    run: powerCut,
  },
  {
    name: "E15",
    title: "a leader whose syncs are slow stays the leader, and the metric shows it",
    run: slowDisk,
  },
  {
    name: "E16",
    title: "a leader whose disk hangs gives up leadership, then ends",
    run: hungLeader,
  },
  {
    name: "E17",
    title: "a follower whose disk hangs holds nobody up and fills no memory",
    run: hungFollower,
  },
  {
    name: "E18",
    title: "a node whose sync fails once ends, and comes back with what it acknowledged",
    quick: true,
    run: failedSync,
  },
  {
    name: "E19",
    title: "a candidate that cannot write its vote ends and asks nobody",
    run: failedVote,
  },
];
