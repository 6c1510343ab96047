/** E18, E22 to E26: a sync that fails, a torn tail, damaged records, damaged term and vote. */

import { needs } from "../support/peers.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { type Cluster, type TestNode, withCluster } from "../support/cluster.ts";
import { DiskShim } from "../support/disk_shim.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, MixedOperations } from "../support/load.ts";
import {
  copyDirectory,
  flipBit,
  type RecordPlace,
  recordsOfLastSegment,
  recordsOfLog,
} from "../support/log_files.ts";
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

/** Writes `keys` keys on a cluster of three and kills a follower. */
async function killedFollower(cluster: Cluster, keys: number): Promise<TestNode> {
  const leader = await cluster.leader();
  const follower = cluster.nodes.find((node) => node !== leader)!;
  await write(leader, 0, keys);
  await cluster.caughtUp();
  await follower.kill();
  return follower;
}

/** Starts a node on damaged data and waits until it equals the others again. */
async function startAndRepair(cluster: Cluster, node: TestNode): Promise<string> {
  await node.start();
  await cluster.caughtUp();
  await assertSameContents(cluster);
  return node.process!.lines.join("\n");
}

Deno.test("E23, E25: a damaged record, in the middle or the last, comes back from another member", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const damaged = await killedFollower(cluster, 30);
    for (const which of ["middle", "last"]) {
      for (const within of [3, 40]) {
        // Behind a last record that was damaged a segment without any has begun.
        const records = await recordsOfLog(damaged.dataDir);
        const place = which === "last" ? records.at(-1)! : records[records.length >> 1];
        await flipBit(place.file, place.offset + within, 3);
        const verify = await runLogboat(["log", "verify", damaged.dataDir]);
        assertEquals(verify.code, EXIT_CODES.damagedData.code);
        for (const part of [place.file, String(place.offset)]) {
          assertStringIncludes(verify.output, part);
        }
        const output = await startAndRepair(cluster, damaged);
        const what = `${which}, byte ${within}: ${output}`;
        assertStringIncludes(output, `${place.file} is damaged at byte ${place.offset}`, what);
        assertMatch(output, /repaired the log with what another member has/, what);
        await damaged.kill();
        assertEquals((await runLogboat(["log", "verify", damaged.dataDir])).code, 0, what);
      }
    }
  });
});

Deno.test("E23: a single node with a damaged record refuses to start, names file and offset, changes nothing", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    await write(node, 0, 30);
    await node.kill();
    const records = await recordsOfLastSegment(node.dataDir);
    const place = records[records.length >> 1];
    await flipBit(place.file, place.offset + 40, 3);
    const before = await Deno.readFile(place.file);
    node.spawn();
    const status = await within("the damaged node ends", 15_000, node.process!.exited);
    assertEquals(status.code, EXIT_CODES.damagedData.code);
    const output = node.process!.lines.join("\n");
    for (const part of [place.file, String(place.offset), "logboat restore FILE"]) {
      assertStringIncludes(output, part);
    }
    assertEquals(await Deno.readFile(place.file), before, "the file was changed");
    await flipBit(place.file, place.offset + 40, 3);
    await node.start();
    assertEquals(await node.withClient((client) => client.call("GET", "key:29")), "value 29");
  });
});

Deno.test("E24: a record damaged on all members halts them, and nothing is invented", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    await write(await cluster.leader(), 0, 20);
    await cluster.caughtUp();
    const places: RecordPlace[] = [];
    for (const node of cluster.nodes) await node.kill();
    for (const node of cluster.nodes) {
      const records = await recordsOfLastSegment(node.dataDir);
      const place = records.find(({ index }) => index === 10)!;
      await flipBit(place.file, place.offset + 40, 3);
      places.push(place);
    }
    for (const node of cluster.nodes) node.spawn();
    const lines = () => cluster.nodes.map((node) => node.process!.lines.join("\n"));
    await until(
      "all say that nobody has it",
      { withinMs: 20_000 },
      () => lines().every((text) => /no other member has entries/.test(text)),
    );
    // One good copy is enough for all.
    const [first] = cluster.nodes;
    await first.kill();
    await flipBit(places[0].file, places[0].offset + 40, 3);
    await first.start();
    await cluster.caughtUp();
    await assertSameContents(cluster);
    assertEquals(await first.withClient((client) => client.call("GET", "key:19")), "value 19");
  });
});

Deno.test("E26: one bad copy of term and vote is written again, two end the node with the way back", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const damaged = await killedFollower(cluster, 5);
    await flipBit(`${damaged.dataDir}/state-a`, 45, 2);
    assertMatch(await startAndRepair(cluster, damaged), /term and vote were read from its copy/);
    await damaged.kill();
    for (const name of ["state-a", "state-b"]) {
      await flipBit(`${damaged.dataDir}/${name}`, 45, 2);
    }
    damaged.spawn();
    const status = await within("the damaged node ends", 15_000, damaged.process!.exited);
    assertEquals(status.code, EXIT_CODES.damagedData.code);
    const output = damaged.process!.lines.join("\n");
    assertStringIncludes(output, "logboat serve --join HOST:PORT --replace ID");
  });
});
