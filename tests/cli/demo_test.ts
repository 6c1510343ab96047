/** `logboat demo`: starts, tells what to try, notices a killed node, stops cleanly. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { freePorts } from "../support/ports.ts";
import { logboatCommand, ServerProcess } from "../support/server_process.ts";
import { until, within } from "../support/wait.ts";
import { WireClient } from "../support/wire_client.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";

const startMs = 40_000;

interface RunningDemo {
  readonly process: ServerProcess;
  readonly directory: string;
  line(part: RegExp): Promise<RegExpExecArray>;
}

async function withDemo(test: (demo: RunningDemo) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "logboat-demo-" });
  const process = new ServerProcess("demo", [
    ...logboatCommand("default"),
    ...["demo", "--nodes", "3", "--dir", directory, "--port", `${freePorts(1)[0]}`],
  ]);
  const line = (part: RegExp) =>
    until(`a line like ${part}`, { withinMs: startMs }, () => {
      if (process.status !== undefined) throw new Error(`it ended\n${process.tail(40)}`);
      return process.lines.map((each) => part.exec(each)).find((match) => match !== null);
    });
  try {
    await test({ process, directory, line });
  } finally {
    // Its children end with it: a demo that is asked to stop waits for them.
    process.signal("SIGTERM");
    await within("the end of the demo", 20_000, process.exited);
    await Deno.remove(directory, { recursive: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, 0 as unknown as Deno.Signal);
    return true;
  } catch {
    return false;
  }
}

Deno.test("three nodes start, one is killed, the others go on, Ctrl-C stops all", async () => {
  await withDemo(async ({ process, line }) => {
    const nodes = await Promise.all([1, 2, 3].map(async (id) => {
      const match = await line(
        new RegExp(`^  node ${id}: Redis 127.0.0.1:(\\d+), admin (\\S+), process (\\d+)$`),
      );
      return { id, redisPort: Number(match[1]), admin: match[2], pid: Number(match[3]) };
    }));
    await line(/^Ctrl-C stops all nodes\.$/);
    const tips = process.lines.join("\n");
    assertStringIncludes(tips, "Try this in another terminal:");
    assert(!tips.includes("\x1b"), "colours without a terminal");
    for (const { id } of nodes) assertMatch(tips, new RegExp(`^node ${id} \\| .* ready`, "m"));

    const killed = Number(/kill -9 (\d+) /.exec(tips)![1]);
    const victim = nodes.find(({ pid }) => pid === killed)!;
    const survivor = nodes.find(({ pid }) => pid !== killed)!;
    const client = await WireClient.connect(survivor.redisPort);
    assertEquals(await client.command("SET", "greeting", "hello"), "OK");
    Deno.kill(killed, "SIGKILL");
    await line(
      new RegExp(
        `^Node ${victim.id} \\(process ${killed}\\) ended with code 137; the others go on`,
      ),
    );
    assertEquals(await client.command("GET", "greeting"), "hello");
    assertEquals(await client.command("SET", "after", "kill"), "OK");
    client.close();

    process.signal("SIGINT");
    const status = await within("the demo to stop", 20_000, process.exited);
    assertEquals(status.code, 0, process.tail(40));
    for (const { pid } of nodes) assert(!isAlive(pid), `process ${pid} lives on`);
    assertMatch(process.lines.at(-1)!, /^All nodes have stopped\.$/);
  });
});

Deno.test("a node that cannot start ends the demo with its reason and a code", async () => {
  const directory = await Deno.makeTempDir({ prefix: "logboat-demo-" });
  try {
    await Deno.writeTextFile(`${directory}/1-nodes`, "no directory");
    const process = new ServerProcess("demo", [
      ...logboatCommand("default"),
      ...["demo", "--nodes", "1", "--dir", directory, "--port", `${freePorts(1)[0]}`],
    ]);
    const status = await within("the end of the demo", startMs, process.exited);
    assertEquals(status.code, EXIT_CODES.demoFailed.code, process.tail(40));
    const output = process.lines.join("\n");
    assertMatch(output, /^node 1 \| Cannot use data directory /m);
    assertMatch(output, /^Cannot start the demo: a node ended at its start/m);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a port that is taken is replaced by a free one, and the tips name that", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const directory = await Deno.makeTempDir({ prefix: "logboat-demo-" });
  const process = new ServerProcess("demo", [
    ...logboatCommand("default"),
    ...["demo", "--nodes", "1", "--dir", directory, "--port", `${taken.addr.port}`],
  ]);
  try {
    const match = await until("the tips", { withinMs: startMs }, () => {
      if (process.status !== undefined) throw new Error(`it ended\n${process.tail(40)}`);
      return process.lines.map((line) => /^ {2}node 1: Redis 127.0.0.1:(\d+),/.exec(line))
        .find((found) => found !== null);
    });
    assert(Number(match[1]) !== taken.addr.port);
    const client = await WireClient.connect(Number(match[1]));
    assertEquals(await client.command("SET", "greeting", "hello"), "OK");
    client.close();
  } finally {
    process.signal("SIGTERM");
    assertEquals((await within("the end of the demo", 20_000, process.exited)).code, 0);
    taken.close();
    await Deno.remove(directory, { recursive: true });
  }
});
