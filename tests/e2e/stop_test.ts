/** E47 and E48: a log that nobody reads, and SIGTERM. */

import { needs } from "../support/peers.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assertEquals, assertGreater } from "../support/assert.ts";
import { withCluster } from "../support/cluster.ts";
import { DiskShim } from "../support/disk_shim.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, MixedOperations } from "../support/load.ts";
import { assertSameContents } from "../support/state.ts";
import { until, within } from "../support/wait.ts";

/** What a pipe of Linux holds. */
const pipeBytes = 65_536;

Deno.test("E47: a full output pipe, and one whose reader went away, hold nothing up", async () => {
  const directory = await Deno.makeTempDir({ prefix: "logboat-pipe-" });
  const path = `${directory}/pipe`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const pipe = await Deno.open(path, { read: true, write: true });
  let open = true;
  try {
    // Not one byte more fits in: the first line of the log has to wait already.
    for (let filled = 0; filled < pipeBytes;) {
      filled += await pipe.write(new Uint8Array(pipeBytes - filled).fill(0x2e));
    }
    const wrapper = ["sh", "-c", 'exec "$@" >"$0" 2>&1', path];
    await withCluster({ nodes: 1, wrapper, flags: ["--log-level", "debug"] }, async (cluster) => {
      const [node] = cluster.nodes;
      const churn = async (value: number) => {
        for (let i = 0; i < 20; i++) {
          await node.withClient(async (client) => {
            assertEquals(await client.call("INCR", "n"), value * 20 + i + 1);
          });
        }
      };
      await churn(0);
      pipe.close();
      open = false;
      await churn(1);
      assertEquals(await node.stop(), 0);
    });
  } finally {
    if (open) pipe.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("E48: a leader stopped by SIGTERM under load hands over, exits 0; other clients see no error", async () => {
  await withCluster({ nodes: 3, timing: "edge" }, async (cluster) => {
    const history = new History();
    const mixed = new MixedOperations(60);
    const load = new Load({
      history,
      nodes: cluster.nodes,
      clients: 12,
      seed: 48,
      thinkMsMax: 10,
      choose: (random) => mixed.choose(random),
    });
    try {
      for (let round = 0; round < 2; round++) {
        const before = load.succeeded;
        await until("some load", { withinMs: 15_000 }, () => load.succeeded > before + 300);
        const leader = await cluster.leader();
        const { term } = await leader.status();
        const sinceMs = performance.now();
        assertEquals(await leader.stop(10_000), 0, "exit code");
        const stopMs = performance.now() - sinceMs;
        const next = await cluster.leader();
        assertGreater((await next.status()).term, term);
        const after = load.succeeded;
        await until("the others serve", { withinMs: 15_000 }, () => load.succeeded > after + 300);
        for (const node of cluster.nodes.filter((node) => node !== leader)) {
          assertEquals(load.problemsOf(node, sinceMs), [], `node ${node.id}`);
        }
        console.log(`E48: SIGTERM to exit in ${stopMs.toFixed(0)} ms`);
        await leader.start();
      }
    } finally {
      await load.stop();
    }
    assertEquals(checkHistory(history.operations, { budgetMs: 20_000 }).problem, undefined);
    await cluster.caughtUp();
    await assertSameContents(cluster);
  });
});

Deno.test(
  "E48: a second SIGTERM ends a node at once whose first cannot finish",
  needs("cc"),
  async () => {
    const shim = await DiskShim.build();
    try {
      await withCluster({ nodes: 1, env: (node) => shim.environment(node) }, async (cluster) => {
        const [node] = cluster.nodes;
        const process = node.process!;
        const client = await node.connect();
        await shim.set(node, "hang");
        const write = client.command("SET", "never", "synced").then(
          () => "answered",
          () => "lost",
        );
        await until(
          "the sync hangs",
          { withinMs: 10_000 },
          async () => await shim.firedCount(node) > 0,
        );
        process.signal("SIGTERM");
        await until("the node accepts nobody any more", { withinMs: 5000 }, async () => {
          try {
            (await node.connect()).close();
            return false;
          } catch (error) {
            return error instanceof Deno.errors.ConnectionRefused;
          }
        });
        assertEquals(process.status, undefined, "it waits for the sync");
        process.signal("SIGTERM");
        const status = await within("the end at once", 2000, process.exited);
        assertEquals(status.code, EXIT_CODES.terminated.code);
        assertEquals(await write, "lost");
        client.close();
      });
    } finally {
      await shim.remove();
    }
  },
);

Deno.test("E48: SIGTERM while a node catches up ends it with 0; it goes on where it was", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const leader = await cluster.leader();
    const away = cluster.nodes.find((node) => node !== leader)!;
    await away.kill();
    await leader.withClient(async (client) => {
      for (let i = 0; i < 400; i++) {
        assertEquals(await client.call("SET", `k${i}`, "x".repeat(20_000)), "OK");
      }
    });
    const { commitIndex } = await leader.status();
    away.spawn();
    const applied = () => away.status().then((status) => status.appliedIndex, () => 0);
    let stoppedAt = 0;
    await until("the node to be under way", { withinMs: 15_000 }, async () => {
      stoppedAt = await applied();
      return stoppedAt > 0;
    });
    assertEquals(await away.stop(10_000), 0, "exit code");
    console.log(`E48: stopped at entry ${stoppedAt} of ${commitIndex}`);
    await away.start();
    await cluster.caughtUp();
    await assertSameContents(cluster);
  });
});
