/** E23 to E26: bits that change on disk, in the log and in term and vote. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { RECORD_HEADER_BYTES } from "../../src/raft/mod.ts";
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { flipBit, type RecordPlace, recordsOfLog } from "../support/log_files.ts";
import { until, within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { SHORT_SEGMENTS } from "./log_growth.ts";
import { join, memberId, settled } from "./member_changes.ts";
import { lasting, outputOf } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** Changes one bit of a record: of its header, or of its payload where there is one. */
async function damage(arena: Arena, place: RecordPlace, part: "header" | "payload"): Promise<void> {
  const { random } = arena;
  const at = part === "header" || place.bytes === RECORD_HEADER_BYTES
    ? random.between(0, RECORD_HEADER_BYTES - 1)
    : random.between(RECORD_HEADER_BYTES, place.bytes - 1);
  await flipBit(place.file, place.offset + at, random.between(0, 7));
  arena.fired("damaged records", 1);
}

/** What the node says about the damage, and that nothing of it is left. */
async function assertRepaired(node: TestNode, place: RecordPlace): Promise<void> {
  await until(`node ${node.id} has repaired its log`, { withinMs: 10_000 }, async () => {
    const { damagedEntries, counters } = await node.status();
    return damagedEntries === 0 && counters.entriesRepaired > 0;
  });
  const text = outputOf(node);
  assertStringIncludes(text, `${place.file} is damaged at byte `);
  assertMatch(text, /repaired the log with what another member has/);
}

async function killAll(arena: Arena): Promise<void> {
  for (const node of arena.nodes) node.process!.signal("SIGKILL");
  await Promise.all(arena.nodes.map((node) => arena.kill(node)));
}

async function damagedOnOne(context: ScenarioContext): Promise<void> {
  await withArena(context, { flags: SHORT_SEGMENTS }, async (arena) => {
    for (let round = 0; round < (context.long ? 20 : 3); round++) {
      await arena.progress(300);
      const leader = await arena.cluster.leader();
      const victim = round % 2 === 0 ? arena.random.pick(arena.others(leader)) : leader;
      const { appliedIndex } = await victim.status();
      await arena.kill(victim);
      const records = await recordsOfLog(victim.dataDir);
      const committed = records.filter(({ index }) => index <= appliedIndex);
      const place = arena.random.pick(committed);
      await damage(arena, place, arena.random.pick(["header", "payload"]));
      await victim.start();
      await arena.progress(100, [victim]);
      await assertRepaired(victim, place);
    }
  });
}

/** The leader finds the damage only when it reads what a member needs that was away. */
async function damagedWhileRunning(context: ScenarioContext): Promise<void> {
  const flags = [...SHORT_SEGMENTS, "--raft-cache-bytes-max", "0"];
  await withArena(context, { flags }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      const away = arena.random.pick(arena.others(leader));
      await arena.kill(away);
      const { lastIndex: from } = await leader.status();
      await arena.progress(600, arena.others(away));
      const { appliedIndex: to } = await leader.status();
      const records = await recordsOfLog(leader.dataDir);
      const missed = records.filter(({ index }) => index > from && index < to);
      const place = arena.random.pick(missed);
      await damage(arena, place, "payload");
      await away.start();
      await arena.progress(100, [away]);
      await assertRepaired(leader, place);
      const after = await leader.status();
      assertEquals({ role: after.role, term: after.term }, { role: "leader", term });
    }
  });
}

/** Kills all and returns, for each node, its records up to the last entry that all have. */
async function commonRecords(arena: Arena): Promise<Map<TestNode, RecordPlace[]>> {
  await arena.progress(300);
  await killAll(arena);
  const all = new Map<TestNode, RecordPlace[]>();
  for (const node of arena.nodes) all.set(node, await recordsOfLog(node.dataDir));
  const lastOfAll = Math.min(...[...all.values()].map((records) => records.at(-1)!.index));
  for (const [node, records] of all) {
    all.set(node, records.filter(({ index }) => index <= lastOfAll));
  }
  return all;
}

const NOBODY_HAS_IT = /no other member has entries/;
const HALT_MS = 2000;

async function damagedOnAll(context: ScenarioContext): Promise<void> {
  await withArena(context, { operationTimeoutMs: 2000 }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 1); round++) {
      const common = await commonRecords(arena);
      const commands = [...common.get(arena.nodes[0])!]
        .filter(({ bytes }) => bytes > RECORD_HEADER_BYTES);
      const { index } = arena.random.pick(commands);
      const within = arena.random.between(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + 7);
      const flip = async (node: TestNode) => {
        const place = common.get(node)!.find((record) => record.index === index)!;
        await flipBit(place.file, place.offset + within, 3);
      };
      for (const node of arena.nodes) await flip(node);
      arena.fired("records damaged on all members", 1);
      const before = arena.successesOf(arena.nodes);
      for (const node of arena.nodes) node.spawn();
      await until(
        "all say that nobody has the entry",
        { withinMs: 20_000 },
        () => arena.nodes.every((node) => NOBODY_HAS_IT.test(outputOf(node))),
      );
      await lasting(HALT_MS);
      for (const node of arena.nodes) {
        assert(node.isRunning, `node ${node.id} ended:\n${node.process!.tail(20)}`);
        assertEquals((await node.readiness()).status, 503, `node ${node.id} serves`);
        const { appliedIndex } = await node.status();
        assert(appliedIndex < index, `node ${node.id} applied ${appliedIndex}, damaged ${index}`);
      }
      assertEquals(arena.successesOf(arena.nodes), before, "answers without the entry");
      // One good copy is enough for all.
      const [healed] = arena.nodes;
      await arena.kill(healed);
      await flip(healed);
      await healed.start();
      await arena.cluster.ready();
      await arena.progress(100);
    }
  });
}

/** Without the persist record two of three would take it for torn and give up what was promised. */
async function lastDamagedOnTwo(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    for (let round = 0; round < (context.long ? 20 : 2); round++) {
      const common = await commonRecords(arena);
      const ends = await Promise.all(arena.nodes.map(async (node) => {
        return { node, last: (await recordsOfLog(node.dataDir)).at(-1)!.index };
      }));
      ends.sort((a, b) => a.last - b.last);
      const victims = ends.slice(0, 2).map(({ node }) => node);
      const places = victims.map((node) => common.get(node)!.at(-1)!);
      for (const place of places) await damage(arena, place, "payload");
      await arena.cluster.start();
      for (const [at, victim] of victims.entries()) await assertRepaired(victim, places[at]);
    }
    await arena.progress(100);
  });
}

const STATE_BYTES = 72;

/** One copy is enough; without any the node must not vote again: another one replaces it. */
async function stateDamaged(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    const flip = async (node: TestNode, name: string) => {
      const at = arena.random.between(0, STATE_BYTES - 1);
      await flipBit(`${node.dataDir}/${name}`, at, arena.random.between(0, 7));
      arena.fired("damaged copies of term and vote", 1);
    };
    for (let round = 0; round < (context.long ? 10 : 2); round++) {
      await arena.progress(100);
      const victim = arena.random.pick(arena.nodes);
      const { term } = await victim.status();
      await arena.kill(victim);
      await flip(victim, arena.random.pick(["state-a", "state-b"]));
      await victim.start();
      assertMatch(outputOf(victim), /term and vote were read from its copy/);
      assertGreater((await victim.status()).term, term - 1);
    }
    await arena.progress(100);
    const victim = arena.random.pick(arena.nodes);
    const replaces = await memberId(victim);
    await arena.kill(victim);
    for (const name of ["state-a", "state-b"]) await flip(victim, name);
    victim.spawn();
    arena.expectEnd(victim);
    const { code } = await within("the end of the node", 15_000, victim.process!.exited);
    assertEquals(code, EXIT_CODES.damagedData.code);
    assertStringIncludes(outputOf(victim), "logboat serve --join HOST:PORT --replace ID");
    await arena.progress(100, arena.others(victim));
    // As it said, a new one takes its place.
    await join(arena, victim, { replaces });
    await settled(arena);
    await arena.progress(100, [victim]);
  });
}

export const damages: readonly Scenario[] = [
  {
    name: "E23",
    title: "a damaged committed record of one node comes back from the others, who go on",
    quick: true,
    run: damagedOnOne,
  },
  {
    name: "E23b",
    title: "a record that gets damaged under a running leader reaches no member as it is",
    run: damagedWhileRunning,
  },
  {
    name: "E24",
    title: "a record damaged on all members halts them; one good copy is enough to go on",
    run: damagedOnAll,
  },
  {
    name: "E25",
    title: "the last record damaged on two of three is not given up",
    run: lastDamagedOnTwo,
  },
  {
    name: "E26",
    title:
      "a damaged copy of term and vote is read from the other one; without any a new node takes over",
    run: stateDamaged,
  },
];
