/**
 * One cluster of the source and the executable: both adapters speak the same protocol and read the
 * same data directory. Needs an executable: `deno task compile`, then `LOGBOAT_BIN=dist/logboat`.
 */

import { assertEquals } from "../support/assert.ts";
import { withCluster } from "../support/cluster.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, MixedOperations } from "../support/load.ts";
import { executablePath, type Runtime } from "../support/server_process.ts";
import { assertSameContents } from "../support/state.ts";
import { until } from "../support/wait.ts";

const other: Record<string, Runtime> = { source: "executable", executable: "source" };

if (executablePath() !== undefined) {
  Deno.test("a cluster of source and executable serves, elects, and swaps data directories", async () => {
    const runtime: Runtime[] = ["source", "executable", "executable"];
    await withCluster({ nodes: 3, runtime }, async (cluster) => {
      const history = new History();
      const mixed = new MixedOperations(60);
      const load = new Load({
        history,
        nodes: cluster.nodes,
        clients: 12,
        seed: 77,
        thinkMsMax: 10,
        choose: (random) => mixed.choose(random),
      });
      const progress = async (what: string) => {
        const before = load.succeeded;
        await until(what, { withinMs: 20_000 }, () => load.succeeded > before + 200);
      };
      try {
        // Each node changes sides once: killed or stopped, started again by the other runtime.
        for (const [i, node] of cluster.nodes.entries()) {
          await progress(`load before node ${node.id} changes`);
          const { term, incarnation } = await node.status();
          if (i === 1) assertEquals(await node.stop(), 0);
          else await node.kill();
          await progress(`load without node ${node.id}`);
          node.runtime = other[node.runtime];
          await node.start();
          const status = await node.status();
          assertEquals(status.incarnation, incarnation + 1);
          assertEquals(status.term >= term, true);
        }
        await progress("load with all nodes changed");
      } finally {
        await load.stop();
      }
      assertEquals(checkHistory(history.operations, { budgetMs: 20_000 }).problem, undefined);
      await cluster.caughtUp();
      await assertSameContents(cluster);
    });
  });
}
