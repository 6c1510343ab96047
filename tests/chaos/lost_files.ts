/** E27 and E28: snapshots that are damaged, cut or empty, and files of a node that are gone. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertGreater, assertMatch } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { flipBit, recordsOfLog, segmentsOf, snapshotsOf } from "../support/log_files.ts";
import { until, within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { SHORT_SEGMENTS, takeSnapshot, writeSegments } from "./log_growth.ts";
import { outputOf } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";
import { shuffled } from "./shuffled.ts";

/** Every node has two snapshots, and no log that reaches further back. */
async function takeTwoSnapshots(arena: Arena): Promise<void> {
  for (let snapshot = 0; snapshot < 2; snapshot++) {
    await writeSegments(await arena.cluster.leader());
    await arena.progress(100);
    for (const node of arena.nodes) await takeSnapshot(node);
  }
  await arena.progress(100);
}

interface Injury {
  readonly name: string;
  /** `path` is the snapshot without the endings of its two files. */
  harm(path: string, arena: Arena): Promise<void>;
  /** Whether the start has something to say: without its manifest no snapshot was there. */
  readonly told: boolean;
}

/** One bit between two places of a file, given as parts of its length. */
function flip(name: string, ending: string, from: number, to: number): Injury {
  return {
    name,
    told: true,
    async harm(path, { random }) {
      const { size } = await Deno.stat(path + ending);
      const at = random.between(Math.floor(from * size), Math.ceil(to * size) - 1);
      await flipBit(path + ending, at, random.between(0, 7));
    },
  };
}

function cut(name: string, ending: string, part: number): Injury {
  return {
    name,
    told: true,
    async harm(path) {
      const { size } = await Deno.stat(path + ending);
      await Deno.truncate(path + ending, Math.floor(part * size));
    },
  };
}

function remove(name: string, endings: readonly string[]): Injury {
  return {
    name,
    told: !endings.includes(".manifest"),
    async harm(path) {
      for (const ending of endings) await Deno.remove(path + ending);
    },
  };
}

const INJURIES: readonly Injury[] = [
  flip("the manifest's first third", ".manifest", 0, 0.33),
  flip("the manifest's middle", ".manifest", 0.33, 0.66),
  flip("the manifest's checksums", ".manifest", 0.66, 1),
  flip("the head of the data", ".rdb", 0, 0.01),
  flip("the middle of the data", ".rdb", 0.01, 0.99),
  flip("the end of the data", ".rdb", 0.99, 1),
  cut("cut data", ".rdb", 0.7),
  cut("empty data", ".rdb", 0),
  cut("a cut manifest", ".manifest", 0.7),
  cut("an empty manifest", ".manifest", 0),
];

const LOSSES: readonly Injury[] = [
  remove("the newest snapshot", [".manifest", ".rdb"]),
  remove("its data", [".rdb"]),
  remove("its manifest", [".manifest"]),
];

async function harmNewest(arena: Arena, node: TestNode, injury: Injury): Promise<void> {
  const newest = (await snapshotsOf(node.dataDir)).at(-1);
  assert(newest !== undefined, `node ${node.id} has no snapshot`);
  await injury.harm(newest, arena);
  arena.fired("harmed snapshots", 1);
}

/** Starts a node with an injury and waits until it serves what the others do. */
async function startInjured(arena: Arena, node: TestNode, injury: Injury): Promise<void> {
  await node.start();
  await arena.progress(50, [node]);
  if (injury.told) assertMatch(outputOf(node), /Cannot use snapshot \d+: /, injury.name);
}

async function snapshotsHarmed(
  context: ScenarioContext,
  injuries: readonly Injury[],
): Promise<void> {
  await withArena(context, { flags: SHORT_SEGMENTS }, async (arena) => {
    await takeTwoSnapshots(arena);
    for (const injury of injuries) {
      const victim = arena.random.pick(arena.nodes);
      await arena.kill(victim);
      await harmNewest(arena, victim, injury);
      await startInjured(arena, victim, injury);
      // The older one and the log were enough; the next round needs two again.
      assertEquals((await victim.status()).counters.snapshotsInstalled, 0, injury.name);
      await takeSnapshot(victim);
    }
    await allHarmed(arena, arena.random.pick(injuries));
    await bothHarmed(arena, injuries);
  });
}

/** All members fall back to what they had before at one time. */
async function allHarmed(arena: Arena, injury: Injury): Promise<void> {
  for (const node of arena.nodes) node.process!.signal("SIGKILL");
  await Promise.all(arena.nodes.map((node) => arena.kill(node)));
  for (const node of arena.nodes) await harmNewest(arena, node, injury);
  await arena.cluster.start();
  await arena.progress(100);
  for (const node of arena.nodes) await takeSnapshot(node);
}

/** Nothing of its own is left to begin with: the leader's snapshot takes the place. */
async function bothHarmed(arena: Arena, injuries: readonly Injury[]): Promise<void> {
  const victim = arena.random.pick(arena.nodes);
  await arena.kill(victim);
  for (const path of await snapshotsOf(victim.dataDir)) {
    await arena.random.pick(injuries).harm(path, arena);
  }
  await victim.start();
  await arena.progress(50, [victim]);
  assertMatch(outputOf(victim), /the state of this node is lost/);
  assertGreater((await victim.status()).counters.snapshotsInstalled, 0);
  arena.fired("nodes without a snapshot", 1);
}

/** What is damaged here nobody keeps any more, and it is only in the others' snapshots. */
async function damagedAndCompacted(context: ScenarioContext): Promise<void> {
  await withArena(context, { flags: SHORT_SEGMENTS }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      const victim = arena.random.pick(arena.nodes);
      const others = arena.others(victim);
      await writeSegments(await arena.cluster.leader());
      for (const node of others) await takeSnapshot(node);
      await writeSegments(await arena.cluster.leader());
      await arena.progress(100);
      await arena.kill(victim);
      await arena.progress(50, others);
      for (const node of others) await takeSnapshot(node);
      const firsts = await Promise.all(
        others.map(async (node) => (await node.status()).firstIndex),
      );
      const records = await recordsOfLog(victim.dataDir);
      const applied = (await snapshotsOf(victim.dataDir)).length > 0 ? Infinity : 0;
      const given = records.filter(({ index }) => index > applied && index < Math.min(...firsts));
      assert(given.length > 0, `the others' logs begin with ${firsts.join(", ")}`);
      const place = arena.random.pick(given);
      await flipBit(place.file, place.offset + arena.random.between(0, place.bytes - 1), 5);
      arena.fired("damaged records that nobody keeps", 1);
      await victim.start();
      await arena.progress(100, [victim]);
      assertGreater((await victim.status()).counters.snapshotsInstalled, 0);
      // The damage stays in the log, of use to nobody, until that is given up.
      await takeSnapshot(victim);
      await arena.progress(50);
      await takeSnapshot(victim);
      assertEquals((await victim.status()).damagedEntries, 0);
    }
  });
}

async function segmentsLost(context: ScenarioContext): Promise<void> {
  await withArena(context, { flags: SHORT_SEGMENTS }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      await writeSegments(await arena.cluster.leader());
      await arena.progress(100);
      const victim = arena.random.pick(arena.nodes);
      await arena.kill(victim);
      const segments = await segmentsOf(victim.dataDir);
      assertGreater(segments.length, 3, "segments");
      for (const ending of [segments[0], segments.at(-1)!]) {
        await refusesWithout(arena, victim, ending);
      }
      const middle = arena.random.pick(segments.slice(1, -1));
      await Deno.remove(middle);
      arena.fired("lost segments", 1);
      await victim.start();
      await arena.progress(100, [victim]);
      await until("the log is whole again", { withinMs: 10_000 }, async () => {
        return (await victim.status()).damagedEntries === 0;
      });
      assertMatch(outputOf(victim), /repaired the log with what another member has/);
    }
  });
}

/** Nobody can say what was in the first segment, or that the last one was the last. */
async function refusesWithout(arena: Arena, node: TestNode, path: string): Promise<void> {
  await Deno.rename(path, `${path}.away`);
  arena.fired("lost segments", 1);
  node.spawn();
  arena.expectEnd(node);
  const { code } = await within("the end of the node", 15_000, node.process!.exited);
  assertEquals(code, EXIT_CODES.damagedData.code);
  assertMatch(outputOf(node), new RegExp(`${path}.*the file is missing`));
  await Deno.rename(`${path}.away`, path);
}

export const lostFiles: readonly Scenario[] = [
  {
    name: "E23c",
    title: "a damaged record that the others have compacted comes back in a snapshot",
    run: damagedAndCompacted,
  },
  {
    name: "E27",
    title: "damaged, cut and empty snapshots: the older one and the log serve, or the leader's",
    run: (context) => {
      const order = shuffled(INJURIES, context.random);
      return snapshotsHarmed(context, context.long ? order : order.slice(0, 3));
    },
  },
  {
    name: "E28",
    title: "lost segments: what is in the middle comes back, ends are missed; nothing is skipped",
    run: segmentsLost,
  },
  {
    name: "E28b",
    title: "the newest snapshot, or a part of it, is gone: the older one and the log serve",
    run: (context) => snapshotsHarmed(context, LOSSES),
  },
];
