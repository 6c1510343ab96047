/** MIGRATE between nodes and a real Redis, all of them processes. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { withCluster } from "../support/cluster.ts";
import { needs } from "../support/peers.ts";
import { freePort, startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";

const HOST = "127.0.0.1";

Deno.test(
  "keys move from a follower to a real Redis and back",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis("--requirepass", "secret");
    try {
      await withCluster({ nodes: 3 }, async (cluster) => {
        const leader = await cluster.leader();
        const node = cluster.nodes.find(({ id }) => id !== leader.id)!;
        const here = await RespClient.connect(node.redisPort);
        const there = await RespClient.connect(redis.port);
        await there.call("AUTH", "secret");
        const migrate = (...rest: string[]) =>
          here.value("MIGRATE", HOST, String(redis.port), ...rest);

        await here.value("MSET", "a", "1", "b", "x".repeat(5000));
        await here.value("HSET", "h", "f", "v", "n", "17");
        await here.value("PEXPIRE", "h", "100000");
        const target = ["0", "5000", "AUTH", "secret"];
        assertEquals(await migrate("", ...target, "KEYS", "a", "b", "h", "nobody"), "+OK");
        assertEquals(await here.value("EXISTS", "a", "b", "h"), 0);
        assertEquals(await there.value("MGET", "a", "b"), ["1", "x".repeat(5000)]);
        assertEquals(await there.value("HGETALL", "h"), ["f", "v", "n", "17"]);
        assertEquals(Number(await there.value("PTTL", "h")) > 90_000, true);
        assertEquals(await migrate("a", ...target), "+NOKEY");

        await here.value("SET", "a", "2");
        assertMatch(
          String(await migrate("a", ...target)),
          /^-ERR Target instance replied with error: BUSYKEY/,
        );
        assertEquals(await here.value("GET", "a"), "2");
        assertEquals(await migrate("a", "0", "5000", "COPY", "REPLACE", "AUTH", "secret"), "+OK");
        assertEquals(await here.value("GET", "a"), "2");
        assertEquals(await there.value("GET", "a"), "2");
        assertMatch(
          String(await migrate("a", "0", "5000")),
          /^-ERR Target instance replied with error: NOAUTH/,
        );

        const back = ["MIGRATE", HOST, String(node.redisPort), "", "0", "5000"];
        assertEquals(await there.value(...back, "REPLACE", "KEYS", "a", "b", "h"), "+OK");
        assertEquals(await here.value("STRLEN", "b"), 5000);
        assertEquals(await here.value("HGET", "h", "n"), "17");
        assertEquals(await there.value("DBSIZE"), 0);
        here.close();
        there.close();
      });
    } finally {
      await redis.close();
    }
  },
);

Deno.test("MIGRATE refuses what Redis refuses, in its words", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  try {
    await withCluster({ nodes: 1 }, async (cluster) => {
      const here = await RespClient.connect(cluster.nodes[0].redisPort);
      const there = await RespClient.connect(redis.port);
      const nobody = String(freePort());
      const cases = [
        ["h", "1", "k", "0"],
        ["h", "1", "k", "x", "10"],
        ["h", "1", "k", "0", "x"],
        ["h", "1", "k", "0", "10", "KEYS", "a"],
        ["h", "1", "k", "0", "10", "COPPY"],
        ["h", "1", "k", "0", "10", "AUTH"],
        ["h", "1", "k", "0", "10", "AUTH2", "user"],
        ["h", "1", "missing", "0", "10"],
        ["h", "1", "", "0", "10", "KEYS", "missing", "too"],
        [HOST, nobody, "here", "0", "500"],
        [HOST, nobody, "", "0", "500", "COPY", "replace", "KEYS", "here"],
      ];
      for (const client of [here, there]) await client.value("SET", "here", "1");
      for (const words of cases) {
        assertEquals(
          await here.value("MIGRATE", ...words),
          await there.value("MIGRATE", ...words),
          words.join(" "),
        );
      }
      await here.value("MULTI");
      await here.value("MIGRATE", HOST, nobody, "here", "0", "500");
      assertMatch(JSON.stringify(await here.value("EXEC")), /MIGRATE cannot run inside MULTI/);
      here.close();
      there.close();
    });
  } finally {
    await redis.close();
  }
});

Deno.test("what is written to keys on their way is kept when the target refuses it", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const { redisPort } = cluster.nodes[0];
    const here = await RespClient.connect(redisPort);
    const writer = await RespClient.connect(redisPort);
    await here.value("MSET", "a", "old", "b", "old");
    let restores = 0;
    const target = answering(async (command) => {
      if (!command.includes("RESTORE")) return "+OK";
      if (++restores > 2) return "-ERR enough";
      // Both have been read, neither is removed yet.
      if (restores === 2) await writer.value("MSET", "a", "new", "b", "new");
      return "+OK";
    });
    try {
      const words = [HOST, String(target.port), "", "0", "5000", "KEYS", "a", "b"];
      const reply = await here.value("MIGRATE", ...words);
      assertEquals(reply, "-ERR Target instance replied with error: ERR enough");
      assertEquals(restores, 4);
      assertEquals(await here.value("MGET", "a", "b"), ["new", "new"]);
    } finally {
      await target.close();
      here.close();
      writer.close();
    }
  });
});

/** A server of one connection that answers each command, sent alone, with a line. */
function answering(answer: (command: string) => Promise<string>) {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const serving = (async () => {
    const connection = await listener.accept();
    const buffer = new Uint8Array(4096);
    for (let bytes = await connection.read(buffer); bytes !== null;) {
      const line = await answer(new TextDecoder("latin1").decode(buffer.subarray(0, bytes)));
      await connection.write(new TextEncoder().encode(`${line}\r\n`));
      bytes = await connection.read(buffer);
    }
    connection.close();
  })().catch(() => {});
  return {
    port: (listener.addr as Deno.NetAddr).port,
    close: async () => {
      listener.close();
      await serving;
    },
  };
}
