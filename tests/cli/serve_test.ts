/** `logboat serve` as a process: what it says, how it ends, what the tools say about its data. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { type TestNode, withCluster } from "../support/cluster.ts";
import { logboatCommand, runLogboat, ServerProcess } from "../support/server_process.ts";
import { until, within } from "../support/wait.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";

/** A second start with other flags, which must end by itself. */
function startAgain(node: TestNode, ...flags: string[]) {
  const own = node.flags().filter((_, at, all) => {
    const name = at % 2 === 0 ? all[at] : all[at - 1];
    return !flags.includes(name);
  });
  return runLogboat(["serve", ...own, ...flags]);
}

async function withNode(test: (node: TestNode) => Promise<void>): Promise<void> {
  await withCluster({ nodes: 1 }, (cluster) => test(cluster.nodes[0]));
}

/** Flips the lowest bit of one byte. */
async function damage(path: string, at: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[at] ^= 1;
  await Deno.writeFile(path, bytes);
}

Deno.test("it says where it listens, when it is ready and what to try", async () => {
  await withNode(async (node) => {
    const find = (part: string) =>
      until(
        `a line with "${part}"`,
        { withinMs: 5000 },
        () => node.process!.lines.find((line) => line.includes(part)),
      );
    await find(`Redis clients connect here address=127.0.0.1:${node.redisPort}`);
    await find(`admin listens url=http://127.0.0.1:${node.adminPort}/`);
    await find(`ready; try this next command="redis-cli -p ${node.redisPort} SET greeting hello"`);
    assertEquals(await node.stop(), 0);
    assertMatch(node.process!.lines.at(-1)!, /INFO {2}stopped$/);
  });
});

Deno.test("health says ready and live, and the reason when it is not", async () => {
  await withNode(async (node) => {
    const admin = ["--admin-listen", `127.0.0.1:${node.adminPort}`];
    assertEquals(await runLogboat(["health", ...admin]), { code: 0, output: "ready" });
    assertEquals(await runLogboat(["health", "live", ...admin]), { code: 0, output: "live" });
    const url = `http://127.0.0.1:${node.adminPort}`;
    assertEquals(await runLogboat(["health", "--admin", url]), { code: 0, output: "ready" });
  });
  const peers = [
    "--raft-peer",
    "1=127.0.0.1:1,127.0.0.1:2",
    "--raft-peer",
    "2=127.0.0.1:3,127.0.0.1:4",
  ];
  await withCluster({ nodes: 1 }, async ({ directory, nodes: [node] }) => {
    await node.stop();
    const process = new ServerProcess("lonely", [
      ...logboatCommand("default"),
      ...["serve", ...node.flags(`${directory}/lonely`), ...peers],
    ]);
    try {
      const url = `http://127.0.0.1:${node.adminPort}`;
      await until(
        "the admin endpoint",
        { withinMs: 15_000 },
        async () => (await runLogboat(["health", "live", "--admin", url])).code === 0,
      );
      const { code, output } = await runLogboat(["health", "--admin", url]);
      assertEquals(code, EXIT_CODES.notHealthy.code);
      assertMatch(output, /is not ready: no leader is known$/);
    } finally {
      await process.kill();
    }
  });
});

Deno.test("a second process, a taken port, another node's directory: a code for each", async () => {
  await withNode(async (node) => {
    const free = ["--redis-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    const locked = await startAgain(node, ...free);
    assertEquals(locked.code, EXIT_CODES.locked.code);
    assertMatch(locked.output, /Cannot open data directory .* locked by another process/);
    const other = ["--node-data-dir", `${node.dataDir}-2`];
    const taken = await startAgain(node, ...other, "--admin-listen", "127.0.0.1:0");
    assertEquals(taken.code, EXIT_CODES.cannotListen.code);
    assertStringIncludes(
      taken.output,
      `Cannot listen on 127.0.0.1:${node.redisPort} (redis.listen): the address is in use`,
    );
    assertEquals(await node.stop(), 0);
    const wrong = await startAgain(node, "--node-id", "9");
    assertEquals(wrong.code, EXIT_CODES.wrongIdentity.code);
    assertMatch(wrong.output, /belongs to node 1, expected node 9/);
  });
});

Deno.test("log verify and dump: a running node, a stopped one, a damaged one", async () => {
  await withNode(async (node) => {
    await node.withClient(async (client) => {
      for (let i = 0; i < 5; i++) await client.call("SET", `key${i}`, "value");
    });
    assertEquals((await runLogboat(["log", "verify", node.dataDir])).code, EXIT_CODES.locked.code);
    assertEquals(await node.stop(), 0);
    const fine = await runLogboat(["log", "verify", node.dataDir]);
    assertEquals(fine.code, 0, fine.output);
    assertMatch(fine.output, /^identity: node 1, cluster [0-9a-f]{32}, started 1 times$/m);
    assertMatch(fine.output, /^state: term \d+, voted for node 1$/m);
    assertMatch(fine.output, /^no damage: entries 1 to \d+ in 1 terms, 1 segments$/m);
    const dump = await runLogboat(["log", "dump", node.dataDir]);
    assertEquals(dump.code, 0);
    assertMatch(dump.output, /^1 term 1 noop, 32 bytes at \d+$/m);
    const operations = [...dump.output.matchAll(/: (\d+) operations of node 1, start 1, batch/g)];
    assertEquals(operations.reduce((sum, [, count]) => sum + Number(count), 0), 5);

    const [segment] = [...Deno.readDirSync(`${node.dataDir}/log`)];
    const path = `${node.dataDir}/log/${segment.name}`;
    const offset = Number(/^1 term 1 noop, 32 bytes at (\d+)$/m.exec(dump.output)![1]);
    await damage(path, offset + 20);
    const damaged = await runLogboat(["log", "verify", node.dataDir]);
    assertEquals(damaged.code, EXIT_CODES.damagedData.code);
    assertStringIncludes(damaged.output, `DAMAGE in ${path} at byte ${offset}: `);
    const before = await Deno.readFile(path);
    const refused = await startAgain(node);
    assertEquals(refused.code, EXIT_CODES.damagedData.code);
    assertStringIncludes(refused.output, `${path} is damaged at byte ${offset}`);
    assertEquals(await Deno.readFile(path), before, "the damaged file was changed");
    assert(!refused.output.includes("    at "), `a stack trace: ${refused.output}`);
  });
});

Deno.test("a client that never reads delays a stop for half the grace; a second signal, not at all", async () => {
  const flags = ["--redis-output-bytes-max", "0", "--redis-output-soft-bytes", "0"];
  for (const [graceMs, code] of [["60000", EXIT_CODES.terminated.code], ["1000", 0]] as const) {
    const options = { nodes: 1, flags: [...flags, "--process-shutdown-grace-ms", graceMs] };
    await withCluster(options, async ({ nodes: [node] }) => {
      const stuck = await Deno.connect({ hostname: "127.0.0.1", port: node.redisPort });
      await node.withClient((client) => client.call("SET", "big", "x".repeat(1_000_000)));
      await stuck.write(new TextEncoder().encode("GET big\r\n".repeat(50)));
      await until(
        "the replies to pile up",
        { withinMs: 10_000 },
        async () => /logboat_commands_total\{family="string"\} 51/.test(await node.metrics()),
      );
      node.process!.signal("SIGTERM");
      await until(
        "the first signal to be seen",
        { withinMs: 5000 },
        () => node.process!.lines.some((line) => line.includes("stopping;")),
      );
      if (code !== 0) node.process!.signal("SIGTERM");
      const status = await within("the end", 5000, node.process!.exited);
      assertEquals(status.code, code);
      stuck.close();
    });
  }
});

Deno.test("SIGUSR1 does nothing", async () => {
  await withNode(async (node) => {
    node.process!.signal("SIGUSR1");
    assertEquals(await node.withClient((client) => client.command("SET", "a", "1")), "OK");
    assertEquals(await node.stop(), 0);
  });
});
