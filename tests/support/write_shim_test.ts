import { Prng } from "../../src/base/mod.ts";
import { assertEquals, assertGreater } from "./assert.ts";
import { withCluster } from "./cluster.ts";
import { needs } from "./peers.ts";
import { WriteShim } from "./write_shim.ts";

/** Writes a value, cuts the power right after the reply, and reads it after the next start. */
async function afterPowerCut(fsync: "always" | "never"): Promise<unknown> {
  const shim = await WriteShim.build();
  const flags = ["--storage-fsync", fsync];
  let value: unknown;
  try {
    const env = (node: Parameters<typeof shim.environment>[0]) => shim.environment(node);
    await withCluster({ nodes: 1, flags, env }, async (cluster) => {
      const [node] = cluster.nodes;
      await node.withClient((client) => client.call("SET", "key", "acknowledged"));
      await node.kill();
      const cut = await shim.cutPower(node, new Prng(1), 0);
      if (fsync === "never") assertGreater(cut.undone, 0);
      await node.start();
      value = await node.withClient((client) => client.call("GET", "key"));
    });
  } finally {
    await shim.remove();
  }
  return value;
}

Deno.test(
  "a power cut takes a write that was not synced, and none that was",
  needs("cc"),
  async () => {
    assertEquals(await afterPowerCut("never"), null);
    assertEquals(await afterPowerCut("always"), "acknowledged");
  },
);
