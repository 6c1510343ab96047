/** E29: a data directory that was copied to another machine. */

import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { Cluster, type TestNode, withCluster } from "../support/cluster.ts";
import { copyDirectory } from "../support/log_files.ts";
import { freePorts } from "../support/ports.ts";
import { logboatCommand, ServerProcess } from "../support/server_process.ts";
import { until, within } from "../support/wait.ts";

Deno.test("E29: a node that finds another node's data refuses to start", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const [first, second] = cluster.nodes;
    await second.kill();
    await first.kill();
    await Deno.remove(second.dataDir, { recursive: true });
    await copyDirectory(first.dataDir, second.dataDir);
    await first.start();
    second.spawn();
    const status = await within("the copy ends", 15_000, second.process!.exited);
    assertEquals(status.code, EXIT_CODES.wrongIdentity.code);
    assertMatch(second.process!.lines.join("\n"), /node.*1/);
    assertEquals(await first.withClient((client) => client.call("SET", "a", "1")), "OK");
  });
});

Deno.test("E29: a copy of a running node's data gets no link, and the members log it", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const [first, ...others] = cluster.nodes;
    await first.kill();
    const copyDir = `${cluster.directory}/copy`;
    await copyDirectory(first.dataDir, copyDir);
    await first.start();
    const { term } = await (await cluster.leader()).status();
    const copy = startCopy(cluster, first, copyDir);
    await until(
      "a member refuses the copy",
      { withinMs: 15_000 },
      () =>
        [...others.map((node) => node.process!), copy].some((process) =>
          process.lines.some((line) => /copied data directory|is a copy/.test(line))
        ),
    );
    // The cluster goes on in the same term, with the original.
    const leader = await cluster.leader();
    assertEquals((await leader.status()).term, term);
    for (const node of cluster.nodes) {
      assertEquals(await node.withClient((client) => client.call("INCR", "n")), node.id);
    }
  });
});

/** Starts the same node on another machine, so to speak: same id and members, other addresses. */
function startCopy(cluster: Cluster, original: TestNode, dataDir: string): ServerProcess {
  const [redis, raft, admin] = freePorts(3);
  const flags = original.flags(dataDir);
  for (
    const [name, port] of [["--redis-listen", redis], ["--raft-listen", raft], [
      "--admin-listen",
      admin,
    ]] as const
  ) {
    flags[flags.indexOf(name) + 1] = `127.0.0.1:${port}`;
  }
  const process = new ServerProcess("copy", [...logboatCommand("default"), "serve", ...flags]);
  cluster.processes.push(process);
  return process;
}
