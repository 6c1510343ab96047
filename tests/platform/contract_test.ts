/** The contract of the ports, on both adapters and on three runtimes. */

import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { nodePlatform } from "../../src/platform/node/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { withChild } from "./child.ts";
import { bunContractCommand, programCommand } from "./runtimes.ts";
import { contractCases, withDirectory } from "./suite/mod.ts";

/** A port whose connections are never accepted: its process is stopped, its queue is full. */
async function withBlackHole(run: (port: number) => Promise<void>): Promise<void> {
  await withChild([...(await programCommand("node in deno")), "blackhole"], async (child) => {
    const port = Number(await child.readStdout().line("port"));
    child.process.kill("SIGSTOP");
    const fillers: Deno.Conn[] = [];
    try {
      for (;;) fillers.push(await connectWithin(port, 300));
    } catch {
      await run(port);
    } finally {
      for (const filler of fillers) filler.close();
    }
  });
}

function connectWithin(port: number, timeoutMs: number): Promise<Deno.Conn> {
  const signal = AbortSignal.timeout(timeoutMs);
  return Deno.connect({ hostname: "127.0.0.1", port, signal });
}

for (const platform of [denoPlatform(), nodePlatform()]) {
  Deno.test(`platform contract: ${platform.process.versions.runtime}`, async (test) => {
    await withBlackHole(async (blackHolePort) => {
      for (const { name, run } of contractCases) {
        await test.step(
          name,
          () => withDirectory((directory) => run({ platform, directory, blackHolePort })),
        );
      }
    });
  });
}

Deno.test("platform contract: bun", async (test) => {
  await withBlackHole(async (port) => {
    await withChild([...(await bunContractCommand()), String(port)], async (child) => {
      child.readStdout();
      const status = child.process.status;
      let ended = false;
      status.then(() => ended = true);
      for (const [at, { name }] of contractCases.entries()) {
        await test.step(name, async () => {
          await child.until("result", () => child.lines.length > at || ended);
          assert(child.lines.length > at, `no result: ${child.errors.join("\n")}`);
          const result = JSON.parse(child.lines[at]);
          assert(result.runtime.startsWith("bun "), result.runtime);
          assertEquals(result.name, name);
          assertEquals(result.failure, "");
        });
      }
      assertEquals((await status).code, 0);
    });
  });
});
