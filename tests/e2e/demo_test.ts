/** `logboat demo`: three nodes in one terminal, stopped together. */

import { assert, assertEquals } from "../support/assert.ts";
import { logboatCommand, ServerProcess } from "../support/server_process.ts";
import { until, within } from "../support/wait.ts";
import { WireClient } from "../support/wire_client.ts";

Deno.test("demo starts three nodes that serve, says how to try them, and stops all on SIGINT", async () => {
  const directory = await Deno.makeTempDir({ prefix: "logboat-demo-" });
  const command = [...logboatCommand("default"), "demo", "--dir", directory];
  const demo = new ServerProcess("demo", command);
  try {
    await until("the demo says what to try", { withinMs: 30_000 }, () => {
      assert(demo.status === undefined, `it ended:\n${demo.tail(30)}`);
      return demo.lines.some((line) => /^\s*redis-cli -p \d+/.test(line));
    });
    const output = demo.lines.join("\n");
    const ports = [...output.matchAll(/Redis clients connect here address=127\.0\.0\.1:(\d+)/g)]
      .map((match) => Number(match[1]));
    assertEquals(new Set(ports).size, 3, output);
    const clients = await Promise.all(ports.map((port) => WireClient.connect(port)));
    await clients[0].call("SET", "demo", "works");
    for (const client of clients) assertEquals(await client.call("GET", "demo"), "works");
    demo.signal("SIGINT");
    const status = await within("the demo stops", 20_000, demo.exited);
    assertEquals(status.code, 0);
    await within("every node is gone", 5000, Promise.all(clients.map((client) => client.closed)));
    for (const client of clients) client.close();
    for (const port of ports) {
      const refused = await WireClient.connect(port).then(() => false, () => true);
      assert(refused, `somebody still listens on ${port}`);
    }
  } catch (error) {
    console.error(demo.tail(60));
    throw error;
  } finally {
    await stopped(demo);
    await Deno.remove(directory, { recursive: true });
  }
});

/** Asks first, so that a demo that failed its test takes its nodes with it. */
async function stopped(demo: ServerProcess): Promise<void> {
  demo.signal("SIGINT");
  await within("the demo stops", 20_000, demo.exited).catch(() => demo.kill());
}
