/** Real clients against real processes: redis-cli, ioredis and node-redis, on every node. */

import { needs } from "../support/peers.ts";
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { assert, assertEquals, assertGreater, assertStringIncludes } from "../support/assert.ts";
import { type Cluster, type TestNode, withCluster } from "../support/cluster.ts";
import { assertSameContents } from "../support/state.ts";
import { WireError } from "../support/wire_client.ts";

for (const nodes of [1, 3]) {
  Deno.test(`real clients work on every node of a cluster of ${nodes}`, async (t) => {
    await withCluster({ nodes }, async (cluster) => {
      for (const node of cluster.nodes) {
        await t.step({
          name: `redis-cli on node ${node.id}`,
          ...needs("redis-cli"),
          fn: () => redisCliSession(node),
        });
        await t.step(`ioredis on node ${node.id}`, () => ioredisSession(node));
        await t.step(`node-redis on node ${node.id}`, () => nodeRedisSession(node));
        await t.step(`RESP2 and RESP3 on node ${node.id}`, () => wireSession(node));
      }
      if (nodes > 1) {
        await t.step("a transaction through a follower", () => followerTransaction(cluster));
        await t.step(
          "writes on one node are read at once on the others",
          () => crossReads(cluster),
        );
      }
      await cluster.caughtUp();
      await assertSameContents(cluster);
    });
  });
}

async function redisCli(node: TestNode, args: string[], input?: string): Promise<string> {
  const child = new Deno.Command("redis-cli", {
    args: ["-p", `${node.redisPort}`, ...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return text.decode(stdout) + text.decode(stderr);
}

async function redisCliSession(node: TestNode): Promise<void> {
  const key = `cli:${node.id}`;
  assertEquals(await redisCli(node, ["PING"]), "PONG\n");
  assertEquals(await redisCli(node, ["SET", key, "hello world", "EX", "1000"]), "OK\n");
  assertEquals(await redisCli(node, ["GET", key]), "hello world\n");
  assertEquals(await redisCli(node, ["-3", "HSET", `${key}:h`, "a", "1", "b", "2"]), "2\n");
  assertStringIncludes(await redisCli(node, ["-3", "HGETALL", `${key}:h`]), "a");
  assertStringIncludes(await redisCli(node, ["INFO", "raft"]), "role");
  assertStringIncludes(await redisCli(node, ["INFO", "server"]), "redis_version:");
  assertStringIncludes(await redisCli(node, ["NOSUCH", "x"]), "ERR unknown command 'NOSUCH'");
  const script = `MULTI\nINCR ${key}:n\nINCR ${key}:n\nEXEC\n`;
  assertEquals(await redisCli(node, [], script), "OK\nQUEUED\nQUEUED\n1\n2\n");
  const lines = Array.from({ length: 500 }, (_, i) => `SET ${key}:bulk:${i} ${i}\r\n`).join("");
  assertStringIncludes(await redisCli(node, ["--pipe"], lines), "errors: 0, replies: 500");
  assertStringIncludes(await redisCli(node, ["--scan", "--pattern", `${key}:bulk:49*`]), ":499");
  assertStringIncludes(await redisCli(node, ["--bigkeys"]), "summary");
}

async function ioredisSession(node: TestNode): Promise<void> {
  const redis = new Redis({ host: "127.0.0.1", port: node.redisPort, maxRetriesPerRequest: 3 });
  try {
    const key = `ioredis:${node.id}`;
    assertEquals(await redis.set(key, "value", "PX", 100_000), "OK");
    assertEquals(await redis.get(key), "value");
    assertGreater(await redis.pttl(key), 90_000);
    assertEquals(await redis.incrby(`${key}:n`, 41), 41);
    assertEquals(await redis.hset(`${key}:h`, { name: "x", size: "2" }), 2);
    assertEquals(await redis.hgetall(`${key}:h`), { name: "x", size: "2" });
    const piped = await redis.pipeline().incr(`${key}:n`).get(`${key}:n`).hlen(`${key}:h`).exec();
    assertEquals(piped, [[null, 42], [null, "42"], [null, 2]]);
    const transaction = await redis.multi().set(`${key}:t`, "1").append(`${key}:t`, "2").exec();
    assertEquals(transaction, [[null, "OK"], [null, 2]]);
    const binary = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i));
    await redis.set(`${key}:binary`, binary);
    assertEquals([...(await redis.getBuffer(`${key}:binary`))!], [...binary]);
    const scanned: string[] = [];
    // The client's types do not say that its streams can be iterated.
    const pages = redis.scanStream({ match: `${key}*` }) as unknown as AsyncIterable<string[]>;
    for await (const page of pages) scanned.push(...page);
    assertEquals(new Set(scanned).size, 5);
    assertEquals(await redis.del(`${key}:t`, `${key}:none`), 1);
  } finally {
    await redis.quit();
  }
}

async function nodeRedisSession(node: TestNode): Promise<void> {
  const redis = createClient({ socket: { host: "127.0.0.1", port: node.redisPort } });
  const errors: unknown[] = [];
  // The client's types do not say that it emits events.
  const emitter = redis as unknown as {
    on(name: string, listener: (event: unknown) => void): void;
  };
  emitter.on("error", (error) => errors.push(error));
  await redis.connect();
  try {
    const key = `node-redis:${node.id}`;
    assertEquals(await redis.set(key, "value", { expiration: { type: "EX", value: 100 } }), "OK");
    assertEquals(await redis.get(key), "value");
    assertEquals(await redis.ttl(key), 100);
    assertEquals(await redis.hSet(`${key}:h`, { a: "1", b: "2" }), 2);
    assertEquals({ ...await redis.hGetAll(`${key}:h`) }, { a: "1", b: "2" });
    const replies = await Promise.all([
      redis.incr(`${key}:n`),
      redis.incr(`${key}:n`),
      redis.get(`${key}:n`),
    ]);
    assertEquals(replies, [1, 2, "2"]);
    const transaction = await redis.multi().set(`${key}:t`, "x").strLen(`${key}:t`).exec();
    assertEquals(transaction as unknown[], ["OK", 1]);
    assertEquals(await redis.exists([key, `${key}:h`, "none"]), 2);
  } finally {
    await redis.close();
  }
  assertEquals(errors, []);
}

async function wireSession(node: TestNode): Promise<void> {
  await node.withClient(async (client) => {
    const key = `wire:${node.id}`;
    await client.call("HSET", key, "f", "v");
    assertEquals(await client.call("HGETALL", key), ["f", "v"]);
    const hello = await client.call("HELLO", 3);
    assert(hello instanceof Map && hello.get("proto") === 3);
    assertEquals(await client.call("HGETALL", key), new Map([["f", "v"]]) as never);
    assertEquals(await client.call("GET", "none"), null);
    // Every reply of a long pipeline, in order, a read seeing the writes before it.
    const commands = Array.from(
      { length: 900 },
      (_, i) => i % 3 === 2 ? ["GET", `${key}:n`] : ["INCR", `${key}:n`],
    );
    const replies = await client.pipeline(commands);
    let count = 0;
    const expected = commands.map(([name]) => name === "INCR" ? ++count : String(count));
    assertEquals(replies, expected);
    const error = await client.command("INCR", key);
    assert(error instanceof WireError && error.message.startsWith("WRONGTYPE "), `${error}`);
    assertEquals(await client.call("RESET"), "RESET");
    assertEquals(await client.call("HGETALL", key), ["f", "v"]);
  });
}

async function followerTransaction(cluster: Cluster): Promise<void> {
  const leader = await cluster.leader();
  const follower = cluster.nodes.find((node) => node !== leader)!;
  await follower.withClient(async (client) => {
    const replies = await client.pipeline([
      ["MULTI"],
      ["SET", "t:a", "1"],
      ["INCR", "t:a"],
      ["HSET", "t:a", "f", "v"],
      ["GET", "t:a"],
      ["EXEC"],
    ]);
    assertEquals(replies.slice(0, 5), ["OK", "QUEUED", "QUEUED", "QUEUED", "QUEUED"]);
    const [set, incremented, wrongType, read] = replies[5] as unknown[];
    assertEquals([set, incremented, read], ["OK", 2, "2"]);
    assert(wrongType instanceof WireError && wrongType.message.startsWith("WRONGTYPE "));
    const aborted = await client.pipeline([["MULTI"], ["SET", "t:a"], ["SET", "t:a", "9"], [
      "EXEC",
    ]]);
    assert(aborted[3] instanceof WireError && aborted[3].message.startsWith("EXECABORT "));
    assertEquals(await client.call("GET", "t:a"), "2");
  });
}

async function crossReads(cluster: Cluster): Promise<void> {
  const clients = await Promise.all(cluster.nodes.map((node) => node.connect()));
  try {
    for (let i = 0; i < 60; i++) {
      await clients[i % 3].call("SET", "cross", `${i}`);
      for (const reader of clients) assertEquals(await reader.call("GET", "cross"), `${i}`);
    }
  } finally {
    for (const client of clients) client.close();
    await Promise.all(clients.map((client) => client.closed));
  }
}
