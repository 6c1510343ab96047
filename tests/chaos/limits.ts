/** E33 to E35: memory and descriptors that run out. */

import { assert, assertEquals } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import { WireClient } from "../support/wire_client.ts";
import { type Arena, withArena } from "./arena.ts";
import { MemoryGroup } from "./memory_group.ts";
import { residentBytes } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** V8's trap when it can allocate no more: no hook of the process runs. */
const HEAP_EXIT_CODE = 133;
/** What a node may grow by, in its group, until the kernel ends it. */
const GROWTH_BYTES = 48_000_000;

async function killedForMemory(context: ScenarioContext): Promise<void> {
  const group = await MemoryGroup.make(context.hub);
  try {
    await withArena(context, {}, async (arena) => {
      const leader = await arena.cluster.leader();
      const victim = arena.others(leader)[0];
      const { term } = await leader.status();
      await group.add(victim.process!.pid);
      await group.limit(await residentBytes(victim) + GROWTH_BYTES);
      arena.expectEnd(victim);
      await fillUntilEnd(arena, victim, (round) => ["SET", `big:${round}`, "x".repeat(500_000)]);
      assertEquals(victim.process!.status!.signal, "SIGKILL", "how the kernel ends it");
      arena.fired("killed for memory", 1);
      await arena.progress(200, arena.others(victim));
      const status = await leader.status();
      assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
      await victim.start();
      await arena.progress(100);
    });
  } finally {
    await group.remove();
  }
}

/** Sends commands to another node until this one has ended. */
async function fillUntilEnd(
  arena: Arena,
  victim: TestNode,
  command: (round: number) => string[],
): Promise<void> {
  const process = victim.process!;
  await arena.others(victim)[0].withClient(async (client) => {
    for (let round = 0; round < 4000 && process.status === undefined; round++) {
      await client.call(...command(round));
    }
  });
  await within(`the end of node ${victim.id}`, 10_000, process.exited);
}

const HEAP_MEGABYTES = 64;
const WORDS = 1_000_000;
/** A queued command keeps two numbers for each word, of four bytes or more. */
const COMMAND_BYTES = WORDS * 8;
/** So many that what the transaction must keep is four heaps, whatever else the process needs. */
const COMMANDS = Math.ceil(4 * HEAP_MEGABYTES * 1_048_576 / COMMAND_BYTES);

/** A transaction that does not fit into the heap, on one node of a cluster. */
async function heapExhausted(context: ScenarioContext): Promise<void> {
  let victimId: number | undefined = 2;
  const env = (node: TestNode): Record<string, string> =>
    node.id === victimId ? { DENO_V8_FLAGS: `--max-old-space-size=${HEAP_MEGABYTES}` } : {};
  await withArena(context, { env }, async (arena) => {
    const victim = arena.cluster.node(2);
    victimId = undefined;
    arena.expectEnd(victim);
    const client = await victim.connect();
    const command = `*${WORDS + 1}\r\n$4\r\nMGET\r\n` + "$1\r\na\r\n".repeat(WORDS);
    assertEquals(await client.command("MULTI"), "OK");
    const end = (async () => {
      for (let queued = 0; queued < COMMANDS; queued++) {
        client.send(command);
        if (await client.nextReply().catch(() => "lost") === "lost") return "lost";
      }
      return "all queued";
    })();
    const { code } = await within("the end of the node", 30_000, victim.process!.exited);
    assertEquals({ code, end: await end }, { code: HEAP_EXIT_CODE, end: "lost" });
    arena.fired("heap exhausted", 1);
    await arena.progress(200, arena.others(victim));
    await victim.start();
    await arena.progress(100);
  });
}

const OPEN_FILES_MAX = 80;

async function descriptorsUsedUp(context: ScenarioContext): Promise<void> {
  await withArena(context, { openFilesMax: OPEN_FILES_MAX, clients: 9 }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 2); round++) {
      const leader = await arena.cluster.leader();
      const node = round % 2 === 0 ? leader : arena.others(leader)[0];
      const { term } = await leader.status();
      const crowd: WireClient[] = [];
      let refused = 0;
      try {
        // The backlog takes in what the process cannot accept.
        for (let i = 0; i < 2 * OPEN_FILES_MAX; i++) crowd.push(await node.connect());
        for (const client of crowd) {
          client.command("PING").then((reply) => reply !== "PONG" && refused++, () => refused++);
        }
        await arena.progress(300);
        await until("connections are refused", { withinMs: 10_000 }, () => refused > 0);
      } finally {
        for (const client of crowd) client.close();
        await Promise.all(crowd.map((client) => client.closed));
      }
      arena.fired("refused connections", refused);
      await until(
        "new clients are served again",
        { withinMs: 10_000 },
        async () =>
          await node.withClient((client) => within("PONG", 1000, client.command("PING"))) ===
            "PONG",
      );
      await arena.progress(100);
      const status = await leader.status();
      assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
      for (const each of arena.nodes) assertEquals(arena.load.problemsOf(each, 0), []);
    }
    assert(arena.nodes.every((node) => node.isRunning), "all nodes run");
  });
}

export const limits: readonly Scenario[] = [
  {
    name: "E33",
    title: "a node that the kernel ends for its memory comes back with everything",
    run: killedForMemory,
  },
  {
    name: "E34",
    title: "a node whose heap is exhausted ends, and comes back with everything",
    run: heapExhausted,
  },
  {
    name: "E35",
    title: "clients that use up all descriptors stop neither the others nor the cluster",
    run: descriptorsUsedUp,
  },
];
