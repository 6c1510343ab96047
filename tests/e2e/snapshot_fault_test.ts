/** E27, E28: damaged, cut, empty and missing snapshots and segments, on real processes. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { type Cluster, type TestNode, withCluster } from "../support/cluster.ts";
import { copyDirectory, flipBit } from "../support/log_files.ts";
import { assertSameContents } from "../support/state.ts";
import { until, within } from "../support/wait.ts";

const FLAGS = ["--storage-snapshot-log-bytes", "1mb", "--storage-segment-bytes", "64kb"];
const VALUE = "x".repeat(10_000);

/** Newest last. */
async function filesOf(node: TestNode, directory: string, ending: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${node.dataDir}/${directory}`)) {
    if (name.endsWith(ending)) names.push(`${node.dataDir}/${directory}/${name}`);
  }
  return names.sort();
}

/** Writes until `node` has two snapshots, and some more. */
async function writeSnapshots(cluster: Cluster, node: TestNode): Promise<void> {
  const leader = await cluster.leader();
  await leader.withClient(async (client) => {
    for (let i = 0; (await filesOf(node, "snapshots", ".manifest")).length < 2; i++) {
      assert(i < 1000, "no second snapshot was taken");
      await client.call("SET", `key:${i % 200}`, `${i} ${VALUE}`);
    }
    for (let i = 0; i < 20; i++) await client.call("SET", `after:${i}`, "1");
  });
  await cluster.caughtUp();
}

/** The copy counts its starts on: a second process with the same count would be refused. */
async function restore(node: TestNode, from: string): Promise<void> {
  const identity = await Deno.readFile(`${node.dataDir}/identity`);
  await Deno.remove(node.dataDir, { recursive: true });
  await copyDirectory(from, node.dataDir);
  await Deno.writeFile(`${node.dataDir}/identity`, identity);
}

/** Starts the node; what it serves is what the others serve. Returns what it said. */
async function startAndCompare(cluster: Cluster, node: TestNode): Promise<string> {
  await node.start();
  await cluster.caughtUp();
  await assertSameContents(cluster);
  const output = node.process!.lines.join("\n");
  await node.kill();
  return output;
}

async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

const DAMAGES: Readonly<Record<string, (data: string, manifest: string) => Promise<void>>> = {
  "its first bytes": (data) => flipBit(data, 3, 1),
  "its middle": async (data) => flipBit(data, (await sizeOf(data)) >> 1, 5),
  "its last byte": async (data) => flipBit(data, (await sizeOf(data)) - 1, 0),
  "its manifest": (_, manifest) => flipBit(manifest, 20, 4),
  "its end, cut off": async (data) => Deno.truncate(data, (await sizeOf(data)) - 100),
  "all of it: an empty file": (data) => Deno.truncate(data, 0),
  "all of it: no file": (data) => Deno.remove(data),
};

Deno.test("E27: a snapshot that is damaged anywhere is not used: the one before it and the log are", async () => {
  await withCluster({ nodes: 3, flags: FLAGS }, async (cluster) => {
    const leader = await cluster.leader();
    const node = cluster.nodes.find((one) => one !== leader)!;
    await writeSnapshots(cluster, node);
    await node.kill();
    const whole = `${cluster.directory}/whole`;
    await copyDirectory(node.dataDir, whole);
    for (const [what, damage] of Object.entries(DAMAGES)) {
      await restore(node, whole);
      const [data] = (await filesOf(node, "snapshots", ".rdb")).slice(-1);
      const [manifest] = (await filesOf(node, "snapshots", ".manifest")).slice(-1);
      await damage(data, manifest);
      const output = await startAndCompare(cluster, node);
      assertMatch(output, /Cannot use snapshot \d+/, what);
      assertMatch(output, /loaded a snapshot/, what);
    }
    // Nothing left to fall back to: the leader has one.
    await restore(node, whole);
    for (const data of await filesOf(node, "snapshots", ".rdb")) await flipBit(data, 100, 1);
    assertMatch(await startAndCompare(cluster, node), /the state of this node is lost/);
  });
});

Deno.test("E27: a single node falls back once, and refuses to start on two damaged snapshots", async () => {
  await withCluster({ nodes: 1, flags: FLAGS }, async (cluster) => {
    const [node] = cluster.nodes;
    await writeSnapshots(cluster, node);
    const before = await node.withClient((client) => client.call("DBSIZE"));
    await node.kill();
    const [older, newer] = await filesOf(node, "snapshots", ".rdb");
    await flipBit(newer, 5000, 1);
    await node.start();
    assertEquals(await node.withClient((client) => client.call("DBSIZE")), before);
    await node.kill();
    for (const data of await filesOf(node, "snapshots", ".rdb")) {
      if (data === older || data === newer) await flipBit(data, 7000, 1);
    }
    node.spawn();
    const status = await within("the node ends", 15_000, node.process!.exited);
    assertEquals(status.code, EXIT_CODES.damagedData.code);
    assertMatch(node.process!.lines.join("\n"), /restore/);
  });
});

Deno.test("E28: a segment that is gone from the middle comes back, without the newest the node refuses", async () => {
  await withCluster({ nodes: 3, flags: FLAGS.slice(2) }, async (cluster) => {
    const leader = await cluster.leader();
    const node = cluster.nodes.find((one) => one !== leader)!;
    await leader.withClient(async (client) => {
      for (let i = 0; i < 60; i++) await client.call("SET", `key:${i}`, VALUE);
    });
    await cluster.caughtUp();
    await node.kill();
    const whole = `${cluster.directory}/whole`;
    await copyDirectory(node.dataDir, whole);
    const segments = await filesOf(node, "log", ".log");
    assert(segments.length > 5, `${segments.length} segments`);
    await Deno.remove(segments[3]);
    const output = await startAndCompare(cluster, node);
    assertMatch(output, /repaired the log with what another member has/);

    for (const [at, path] of [segments[0], segments.at(-1)!].entries()) {
      await restore(node, whole);
      await Deno.remove(path);
      node.spawn();
      const status = await within("the node ends", 15_000, node.process!.exited);
      assertEquals(status.code, EXIT_CODES.damagedData.code, `${at}`);
      assertStringIncludes(node.process!.lines.join("\n"), `${path} is damaged at byte 0`);
    }
    // What only helps to judge damage is made again.
    await restore(node, whole);
    await Deno.remove(`${node.dataDir}/persist-record`);
    await startAndCompare(cluster, node);
    await until("it is there again", { withinMs: 5000 }, async () => {
      return (await sizeOf(`${node.dataDir}/persist-record`)) > 0;
    });
  });
});
