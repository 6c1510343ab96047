/** `logboat import`: a file that a real Redis wrote, into running nodes. */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { withCluster } from "../support/cluster.ts";
import { needs } from "../support/peers.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";
import { runLogboat } from "../support/server_process.ts";

Deno.test(
  "an RDB file of Redis is imported through a follower",
  needs("redis-server"),
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "logboat-import-" });
    const redis = await startRealRedis("--dir", directory);
    try {
      const there = await RespClient.connect(redis.port);
      for (let i = 0; i < 1000; i++) await there.call("SET", `key:${i}`, `${i * 7919}`);
      await there.call("SET", "long", "abc".repeat(10_000));
      await there.call("HSET", "hash", "field", "\0\xff", "n", "12");
      await there.call("PEXPIREAT", "hash", "4102444800000");
      await there.call("SELECT", "3");
      await there.call("SET", "elsewhere", "3");
      await there.call("SAVE");
      const file = `${directory}/dump.rdb`;
      await withCluster({ nodes: 3 }, async (cluster) => {
        const leader = await cluster.leader();
        const node = cluster.nodes.find(({ id }) => id !== leader.id)!;
        const at = ["--redis", `127.0.0.1:${node.redisPort}`];
        const first = await runLogboat(["import", file, ...at]);
        assertEquals([first.code, first.output.trim()], [0, "imported 1003 keys"]);
        const here = await RespClient.connect(node.redisPort);
        assertEquals(await here.value("DBSIZE"), 1002);
        assertEquals(await here.value("GET", "key:999"), `${999 * 7919}`);
        assertEquals(await here.value("STRLEN", "long"), 30_000);
        assertEquals(await here.value("HGET", "hash", "field"), "\0\xff");
        assertEquals(await here.value("PEXPIRETIME", "hash"), 4102444800000);

        await here.value("SET", "long", "changed");
        const second = await runLogboat(["import", file, ...at]);
        assertEquals(second.code, 12);
        assertStringIncludes(second.output, "1003 keys exist already");
        assertEquals(await here.value("GET", "long"), "changed");
        const third = await runLogboat(["import", file, ...at, "--replace", "yes"]);
        assertEquals([third.code, third.output.trim()], [0, "imported 1003 keys"]);
        assertEquals(await here.value("STRLEN", "long"), 30_000);
        assertEquals(await here.value("SELECT", "3"), "+OK");
        assertEquals(await here.value("GET", "elsewhere"), "3");

        await there.call("RPUSH", "list", "a");
        await there.call("SAVE");
        const fourth = await runLogboat(["import", file, ...at, "--replace", "yes"]);
        assertEquals(fourth.code, 12);
        assertStringIncludes(fourth.output, "1 list keys were left out");
        here.close();
      });
      there.close();
    } finally {
      await redis.close();
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    }
  },
);

Deno.test("a damaged file is refused before a key is sent", needs("redis-server"), async () => {
  const directory = await Deno.makeTempDir({ prefix: "logboat-import-" });
  const redis = await startRealRedis("--dir", directory);
  try {
    const there = await RespClient.connect(redis.port);
    await there.call("SET", "a", "value");
    await there.call("SAVE");
    there.close();
    const whole = await Deno.readFile(`${directory}/dump.rdb`);
    const file = `${directory}/damaged.rdb`;
    await withCluster({ nodes: 1 }, async (cluster) => {
      const { redisPort } = cluster.nodes[0];
      const damages: Uint8Array[] = [
        new Uint8Array(0),
        whole.subarray(0, whole.length - 1),
        whole.map((byte, i) => i === whole.length - 12 ? byte ^ 1 : byte),
      ];
      for (const bytes of damages) {
        await Deno.writeFile(file, bytes);
        const { code, output } = await runLogboat([
          "import",
          file,
          "--redis",
          `127.0.0.1:${redisPort}`,
        ]);
        assertEquals(code, 6, output);
        assert(output.startsWith(`Cannot import ${file}: `), output);
      }
      const client = await RespClient.connect(redisPort);
      assertEquals(await client.value("DBSIZE"), 0);
      client.close();
    });
    const missing = await runLogboat(["import", `${directory}/none.rdb`]);
    assertEquals(missing.code, 5, missing.output);
  } finally {
    await redis.close();
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
});
