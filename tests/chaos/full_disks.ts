/** E20 and E21: disks without room, on file systems of a few megabytes. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Cluster, TestNode } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import { WireError } from "../support/wire_client.ts";
import { type Arena, withArena } from "./arena.ts";
import { run } from "./namespaces.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const SMALL = "16m";
const LARGE = "512m";
const VALUE_BYTES = 100_000;

/** The mount is this run's own: it goes away with the run's namespace at the latest. */
async function mountSmall(node: TestNode): Promise<void> {
  await Deno.mkdir(node.dataDir, { mode: 0o700 });
  await run("mount", ["-t", "tmpfs", "-o", `size=${SMALL},mode=700`, "chaos", node.dataDir]);
}

async function makeRoom(node: TestNode): Promise<void> {
  await run("mount", ["-o", `remount,size=${LARGE}`, node.dataDir]);
}

async function unmount(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) {
    await run("umount", ["--lazy", node.dataDir], { mayFail: true });
  }
}

async function isFull(node: TestNode): Promise<boolean> {
  return /full/.test((await node.readiness()).body);
}

/** Writes until the node says that its disk is full. Late answers do not matter here. */
async function fill(arena: Arena, node: TestNode): Promise<void> {
  const client = await node.connect();
  const value = "x".repeat(VALUE_BYTES);
  let lastError: unknown;
  for (let i = 0; i < 1000 && !await isFull(node); i++) {
    const reply = client.command("SET", `fill:${i % 4}`, value);
    const outcome = await within("a write", 200, reply).catch((error) => error);
    if (outcome instanceof WireError) lastError = outcome.message;
  }
  client.close();
  assert(await isFull(node), `the disk of node ${node.id} never got full (${lastError})`);
  arena.fired("full disk", 1);
}

async function becomeLeader(arena: Arena, node: TestNode): Promise<void> {
  const leader = await arena.cluster.leader();
  if (leader === node) return;
  const { status, body } = await leader.post("/api/v1/transfer", { to: node.id }, 20_000);
  assertEquals(status, 200, JSON.stringify(body));
  assertEquals(await arena.cluster.leader(), node);
}

async function fullLeader(context: ScenarioContext): Promise<void> {
  const prepare = (cluster: Cluster) => mountSmall(cluster.nodes[0]);
  await withArena(context, { prepare, cleanUp: unmount }, async (arena) => {
    const [node] = arena.nodes;
    const others = arena.others(node);
    await becomeLeader(arena, node);
    await fill(arena, node);
    await until(
      "another node leads",
      { withinMs: 15_000 },
      async () =>
        (await Promise.all(others.map((n) => n.status()))).some((s) => s.role === "leader"),
    );
    await arena.progress(200, others);
    assert(await isFull(node), "it is still full");
    await makeRoom(node);
    await until("it has room", { withinMs: 10_000 }, async () => !await isFull(node));
    await arena.progress(200, [node]);
  });
}

/** Nobody else can lead: writes are refused with the reason, reads are served, until there is room. */
async function fullSingle(context: ScenarioContext): Promise<void> {
  const prepare = (cluster: Cluster) => mountSmall(cluster.nodes[0]);
  const options = { nodes: 1, clients: 6, prepare, cleanUp: unmount };
  await withArena(context, options, async (arena) => {
    const [node] = arena.nodes;
    await node.withClient((client) => client.call("SET", "known", "value"));
    await fill(arena, node);
    const fullMs = performance.now();
    await node.withClient(async (client) => {
      const refusal = await until("a refusal", { withinMs: 10_000 }, async () => {
        const reply = await client.command("SET", "refused", "1");
        return reply instanceof WireError ? reply.message : undefined;
      });
      assertMatch(refusal, /disk is full/);
      assertEquals(await client.call("GET", "known"), "value");
    });
    await until(
      "a client of the load is refused",
      { withinMs: 10_000 },
      () => arena.load.clients.some(({ errors }) => errors.some(({ atMs }) => atMs > fullMs)),
    );
    await makeRoom(node);
    await arena.progress(300);
  });
}

/**
 * Small files, so that a new one is due at any moment; then an election that needs the full node. Its
 * vote needs no room; the new leader can commit nothing before it has some.
 */
async function electionOnFullDisk(context: ScenarioContext): Promise<void> {
  const prepare = (cluster: Cluster) => mountSmall(cluster.nodes[0]);
  const flags = ["--storage-segment-bytes", "64kb"];
  await withArena(context, { prepare, cleanUp: unmount, flags }, async (arena) => {
    const [node] = arena.nodes;
    await fill(arena, node);
    const leader = await until("another leader", { withinMs: 15_000 }, async () => {
      const found = await arena.cluster.leader();
      return found === node ? undefined : found;
    });
    await arena.progress(100, arena.others(node));
    const [next] = arena.others(node, leader);
    await arena.kill(leader);
    await until(
      "an election with the vote of the full node",
      { withinMs: 15_000 },
      async () => (await next.status()).role === "leader",
    );
    assert(await isFull(node), "it is still full");
    await makeRoom(node);
    await arena.progress(100, [node, next]);
    await leader.start();
    await arena.progress(100);
  });
}

export const fullDisks: readonly Scenario[] = [
  {
    name: "E20",
    title: "a leader whose disk is full hands over, and catches up when there is room",
    run: fullLeader,
  },
  {
    name: "E20b",
    title: "a single node whose disk is full refuses writes, serves reads, and recovers",
    run: fullSingle,
  },
  {
    name: "E21",
    title: "a disk that is full at a new segment file, and while an election needs the node",
    run: electionOnFullDisk,
  },
];
