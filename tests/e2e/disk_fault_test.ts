/** E18, E22, E23: a sync that fails, a torn tail, a damaged record. */

import { needs } from "../support/peers.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { type TestNode, withCluster } from "../support/cluster.ts";
import { DiskShim } from "../support/disk_shim.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, MixedOperations } from "../support/load.ts";
import { copyDirectory, flipBit, recordsOfLastSegment } from "../support/log_files.ts";
import { runLogboat } from "../support/server_process.ts";
import { assertSameContents } from "../support/state.ts";
import { until, within } from "../support/wait.ts";
import { ConnectionLost, WireError } from "../support/wire_client.ts";

async function withShim(body: (shim: DiskShim) => Promise<void>): Promise<void> {
  const shim = await DiskShim.build();
  try {
    await body(shim);
  } finally {
    await shim.remove();
  }
}

Deno.test(
  "E18: a single node whose sync fails once acknowledges nothing more and ends",
  needs("cc"),
  async () => {
    await withShim(async (shim) => {
      await withCluster({ nodes: 1, env: (node) => shim.environment(node) }, async (cluster) => {
        const [node] = cluster.nodes;
        const client = await node.connect();
        await client.call("SET", "before", "1");
        await shim.set(node, "eio-once");
        const outcomes = await Promise.allSettled([
          client.command("SET", "failed", "1"),
          client.command("SET", "behind", "1"),
        ]);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") assert(outcome.reason instanceof ConnectionLost);
          else assert(outcome.value instanceof WireError, `acknowledged: ${outcome.value}`);
        }
        const status = await within("the process ends", 10_000, node.process!.exited);
        assertEquals(status.code, EXIT_CODES.diskFailed.code);
        assertEquals(await shim.firedCount(node), 1);
        assertMatch(node.process!.lines.join("\n"), /sync|EIO|disk/i);
        client.close();
        await node.start();
        assertEquals(await node.withClient((again) => again.call("GET", "before")), "1");
      });
    });
  },
);

Deno.test(
  "E18: a leader whose sync fails once under load ends; no acknowledged write is lost",
  needs("cc"),
  async () => {
    await withShim(async (shim) => {
      await withCluster({ nodes: 3, env: (node) => shim.environment(node) }, async (cluster) => {
        const history = new History();
        const mixed = new MixedOperations(60);
        const load = new Load({
          history,
          nodes: cluster.nodes,
          clients: 12,
          seed: 18,
          thinkMsMax: 10,
          choose: (random) => mixed.choose(random),
        });
        let failed: TestNode;
        try {
          await until("some load", { withinMs: 15_000 }, () => load.succeeded > 300);
          failed = await cluster.leader();
          await shim.set(failed, "eio-once");
          const status = await within("the leader ends", 10_000, failed.process!.exited);
          assertEquals(status.code, EXIT_CODES.diskFailed.code);
          assertEquals(await shim.firedCount(failed), 1);
          const before = load.succeeded;
          await until(
            "the others serve",
            { withinMs: 15_000 },
            () => load.succeeded > before + 300,
          );
          await failed.start();
        } finally {
          await load.stop();
        }
        for (const node of cluster.nodes.filter((node) => node !== failed)) {
          assertEquals(load.problemsOf(node, 0), [], `node ${node.id}`);
        }
        assertEquals(checkHistory(history.operations, { budgetMs: 20_000 }).problem, undefined);
        await cluster.caughtUp();
        await assertSameContents(cluster);
      });
    });
  },
);

/** Writes keys `from` to `to` - 1, each an entry of its own. */
async function write(node: TestNode, from: number, to: number): Promise<void> {
  await node.withClient(async (client) => {
    for (let i = from; i < to; i++) await client.call("SET", `key:${i}`, `value ${i}`);
  });
}

/** Puts a copy of `from` in place of the node's data. */
async function restoreData(node: TestNode, from: string): Promise<void> {
  await Deno.remove(node.dataDir, { recursive: true });
  await copyDirectory(from, node.dataDir);
}

Deno.test("E22: a torn last record is cut off with one warning, everything before it stays", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    const keys = 20;
    // The last write is one that no sync had finished: the persist record does not know it.
    const record = `${node.dataDir}/persist-record`;
    await write(node, 0, keys - 1);
    const before = await Deno.readFile(record);
    await write(node, keys - 1, keys);
    await node.kill();
    const last = (await recordsOfLastSegment(node.dataDir)).at(-1)!;
    await Deno.writeFile(record, before);
    const whole = `${cluster.directory}/whole`;
    await copyDirectory(node.dataDir, whole);
    // In the header, at its end, in the payload, at its end; every offset is a test of storage.
    for (const cut of [1, 20, 32, 40, last.bytes - 1]) {
      await restoreData(node, whole);
      await Deno.truncate(last.file, last.offset + cut);
      await node.start();
      await node.withClient(async (client) => {
        const names = Array.from({ length: keys }, (_, i) => `key:${i}`);
        const values = names.slice(0, -1).map((_, i): string | null => `value ${i}`);
        assertEquals(await client.call("MGET", ...names), [...values, null], `cut at ${cut}`);
        assertEquals(await client.call("SET", "after", "1"), "OK");
      });
      const warnings = node.process!.lines.filter((line) => /\bwarn/i.test(line));
      assertEquals(warnings.length, 1, `cut at ${cut}: ${warnings.join("\n")}`);
      await node.kill();
    }
  });
});

Deno.test("E23: a node with a damaged record refuses to start, names file and offset, changes nothing", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const leader = await cluster.leader();
    const damaged = cluster.nodes.find((node) => node !== leader)!;
    await leader.withClient(async (client) => {
      for (let i = 0; i < 30; i++) await client.call("SET", `key:${i}`, `value ${i}`);
    });
    await cluster.caughtUp();
    await damaged.kill();
    const records = await recordsOfLastSegment(damaged.dataDir);
    const place = records[records.length >> 1];
    await flipBit(place.file, place.offset + 40, 3);
    const before = await Deno.readFile(place.file);

    const verify = await runLogboat(["log", "verify", damaged.dataDir]);
    assertEquals(verify.code, EXIT_CODES.damagedData.code);
    for (const part of [place.file, String(place.offset)]) {
      assertStringIncludes(verify.output, part);
    }
    damaged.spawn();
    const status = await within("the damaged node ends", 15_000, damaged.process!.exited);
    assertEquals(status.code, EXIT_CODES.damagedData.code);
    const output = damaged.process!.lines.join("\n");
    for (const part of [place.file, String(place.offset)]) assertStringIncludes(output, part);
    assertEquals(await Deno.readFile(place.file), before, "the file was changed");

    assertEquals(await leader.withClient((client) => client.call("GET", "key:3")), "value 3");
    assertEquals(await leader.withClient((client) => client.call("SET", "more", "1")), "OK");
    await flipBit(place.file, place.offset + 40, 3);
    assertEquals((await runLogboat(["log", "verify", damaged.dataDir])).code, 0);
    await damaged.start();
    await cluster.caughtUp();
    await assertSameContents(cluster);
  });
});
