/** Snapshots between real processes, over their links and on their disks. */

import { withCluster } from "../support/cluster.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("a member that was away takes over a snapshot from the leader and serves", async () => {
  const flags = ["--storage-snapshot-log-bytes", "1mb", "--storage-segment-bytes", "64kb"];
  await withCluster({ nodes: 3, flags }, async (cluster) => {
    await cluster.start();
    const leader = await cluster.leader();
    const away = cluster.nodes.find((node) => node !== leader)!;
    await away.kill();
    const value = "x".repeat(10_000);
    await leader.withClient(async (client) => {
      for (let i = 0; i < 600; i++) await client.call("SET", `key${i % 100}`, `${i}${value}`);
    });
    const { firstIndex } = await leader.status();
    assert(firstIndex > 100, `the log begins with entry ${firstIndex}`);
    await away.start();
    await away.ready();
    await cluster.caughtUp();
    assert((await away.status()).firstIndex > 100, "it read the log instead");
    await away.withClient(async (client) => {
      assertEquals(await client.call("GET", "key99"), `599${value}`);
      assertEquals(await client.call("DBSIZE"), 100);
    });
    await away.stop();
    await away.start();
    await away.ready();
    await cluster.caughtUp();
    await away.withClient(async (client) => {
      assertEquals(await client.call("GET", "key99"), `599${value}`);
    });
  });
});
