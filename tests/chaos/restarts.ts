/** E45, E47, E48: planned stops under load, and an output that nobody reads. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assertEquals, assertGreater, assertMatch } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import { type Arena, withArena } from "./arena.ts";
import { takeSnapshot } from "./log_growth.ts";
import { freePlace, join, memberId, settled } from "./member_changes.ts";
import { metric } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** A client may lose its connection to the node that stops; nobody else may notice anything. */
function assertUndisturbed(
  arena: Arena,
  stopped: TestNode,
  sinceMs: number,
  newcomers: readonly TestNode[] = [],
): void {
  for (const node of arena.others(stopped, ...newcomers)) {
    assertEquals(arena.load.problemsOf(node, sinceMs), [], `clients of node ${node.id}`);
  }
  for (const client of arena.load.clients.filter((client) => client.node === stopped)) {
    for (const { atMs, text } of client.errors) {
      if (atMs >= sinceMs) assertMatch(text, /^(CLUSTERDOWN|UNCERTAIN) /);
    }
  }
}

async function rollingRestart(context: ScenarioContext): Promise<void> {
  await withArena(context, { timing: "edge" }, async (arena) => {
    for (let round = 0; round < (context.long ? 5 : 1); round++) {
      for (const node of arena.nodes) {
        await arena.progress(100);
        const sinceMs = performance.now();
        await arena.stop(node);
        context.note(`node ${node.id} stopped in ${(performance.now() - sinceMs).toFixed(0)} ms`);
        arena.fired("SIGTERM", 1);
        await arena.progress(100, arena.others(node));
        await node.start();
        await arena.progress(100, [node]);
        assertUndisturbed(arena, node, sinceMs);
      }
    }
  });
}

/** The leader, or each node in turn, gives its place to a node that starts with nothing. */
async function rollingReplacement(context: ScenarioContext): Promise<void> {
  await withArena(context, { timing: "edge", spares: 1 }, async (arena) => {
    for (const node of context.long ? [...arena.nodes] : [await arena.cluster.leader()]) {
      await arena.progress(100);
      const sinceMs = performance.now();
      const place = freePlace(arena);
      const replaces = await memberId(node);
      arena.expectEnd(node);
      await join(arena, place, { replaces });
      const { code } = await within("the end of the replaced", 30_000, node.process!.exited);
      assertEquals(code, EXIT_CODES.removed.code);
      node.isPresent = false;
      await settled(arena);
      context.note(`node ${replaces} replaced in ${(performance.now() - sinceMs).toFixed(0)} ms`);
      await arena.progress(100);
      assertUndisturbed(arena, node, sinceMs, [place]);
    }
    for (const node of [...arena.nodes]) {
      await arena.stop(node);
      arena.fired("SIGTERM", 1);
      await arena.progress(50, arena.others(node));
      await node.start();
      await arena.progress(50, [node]);
    }
  });
}

async function leaderStopped(context: ScenarioContext): Promise<void> {
  await withArena(context, { timing: "edge", shim: "disk" }, async (arena) => {
    for (let round = 0; round < (context.long ? 10 : 2); round++) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      const sinceMs = performance.now();
      await arena.stop(leader);
      arena.fired("SIGTERM", 1);
      const next = await arena.cluster.leader();
      assertGreater((await next.status()).term, term);
      await arena.progress(100, arena.others(leader));
      assertUndisturbed(arena, leader, sinceMs);
      await leader.start();
    }
    await stoppedTwice(arena);
  });
}

/** The first SIGTERM cannot finish, because the disk hangs; the second one ends it at once. */
async function stoppedTwice(arena: Arena): Promise<void> {
  const leader = await arena.cluster.leader();
  const process = leader.process!;
  await arena.diskShim.set(leader, "hang");
  arena.expectEnd(leader);
  await until(
    "a sync hangs",
    { withinMs: 10_000 },
    async () => await arena.diskShim.firedCount(leader) > 0,
  );
  process.signal("SIGTERM");
  await until("nobody is accepted any more", { withinMs: 5000 }, async () => {
    try {
      (await leader.connect()).close();
      return false;
    } catch (error) {
      return error instanceof Deno.errors.ConnectionRefused;
    }
  });
  assertEquals(process.status, undefined, "it waits for the sync");
  process.signal("SIGTERM");
  const { code } = await within("the end at once", 2000, process.exited);
  assertEquals(code, EXIT_CODES.terminated.code);
  arena.fired("second SIGTERM", 1);
  await arena.diskShim.set(leader, "none");
  await arena.progress(100, arena.others(leader));
  await leader.start();
  await arena.progress(100, [leader]);
}

const PIPE_BYTES = 65_536;
/** Room for a few lines, so that it soon shows when they cannot leave. */
const LOG_BUFFER_BYTES = 4096;

/** Each snapshot makes a line. */
async function linesAreDropped(node: TestNode): Promise<number> {
  return await until(`node ${node.id} drops lines`, { withinMs: 30_000 }, async () => {
    await takeSnapshot(node);
    return await metric(node, "logboat_output_lines_dropped_total") || undefined;
  });
}

/** Both streams of every node go into a pipe that is full from the start and then loses its reader. */
async function outputUnread(context: ScenarioContext): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "logboat-pipe-" });
  const path = `${directory}/pipe`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const pipe = await Deno.open(path, { read: true, write: true });
  for (let filled = 0; filled < PIPE_BYTES;) {
    filled += await pipe.write(new Uint8Array(PIPE_BYTES - filled).fill(0x2e));
  }
  const wrapper = ["sh", "-c", 'exec "$@" >"$0" 2>&1', path];
  let open = true;
  try {
    const flags = ["--log-buffer-bytes-max", `${LOG_BUFFER_BYTES}`];
    const options = { wrapper, flags };
    await withArena(context, options, async (arena) => {
      const leader = await arena.cluster.leader();
      const { term } = await leader.status();
      arena.fired("dropped lines", await linesAreDropped(leader));
      await arena.progress(200);
      pipe.close();
      open = false;
      for (const node of arena.nodes) await takeSnapshot(node);
      await arena.progress(200);
      const status = await leader.status();
      assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    });
  } finally {
    if (open) pipe.close();
    await Deno.remove(directory, { recursive: true });
  }
}

export const restarts: readonly Scenario[] = [
  {
    name: "E45",
    title: "a rolling restart disturbs no client of the nodes that stay",
    run: rollingRestart,
  },
  {
    name: "E45b",
    title: "members replaced by new ones while they run, then a rolling restart",
    run: rollingReplacement,
  },
  {
    name: "E47",
    title: "an output that nobody reads, or that has gone, holds nothing up",
    run: outputUnread,
  },
  {
    name: "E48",
    title: "SIGTERM hands over and ends with 0; a second one ends at once what cannot finish",
    run: leaderStopped,
  },
];
