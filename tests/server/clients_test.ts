/** The client libraries that people use, against the listener. */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { assertEquals } from "../support/assert.ts";
import { withServer } from "./support.ts";

Deno.test("ioredis connects, selects, runs, pipelines and ends a transaction", async () => {
  await withServer(async ({ port, gateway }) => {
    const client = new Redis({ port, host: "127.0.0.1", db: 3, connectionName: "io" });
    try {
      assertEquals(await client.set("k", "v"), "OK");
      assertEquals(await client.get("k"), "v");
      assertEquals(gateway.stores[3].get("k"), "v");
      assertEquals(await client.client("GETNAME"), "io");
      const results = await client.pipeline().incr("n").incr("n").get("none").exec();
      assertEquals(results, [[null, 1], [null, 2], [null, null]]);
      assertEquals(await client.multi().incr("n").del("n").exec(), [[null, 3], [null, 1]]);
      assertEquals(
        await client.call("NOSUCH").catch((error: Error) => error.message.slice(0, 28)),
        "ERR unknown command 'NOSUCH'",
      );
    } finally {
      client.disconnect();
    }
  });
});

Deno.test("ioredis logs in with a password", async () => {
  await withServer(async ({ port }) => {
    const client = new Redis({ port, host: "127.0.0.1", password: "secret" });
    try {
      assertEquals(await client.ping(), "PONG");
    } finally {
      client.disconnect();
    }
  }, { password: "secret" });
});

Deno.test("node-redis connects, runs, pipelines and ends a transaction", async () => {
  await withServer(async ({ port, gateway }) => {
    const url = `redis://:secret@127.0.0.1:${port}/2`;
    const client = createClient({ url, name: "nr" });
    const errors: unknown[] = [];
    client.on("error", (error: unknown) => errors.push(error));
    await client.connect();
    try {
      assertEquals(await client.set("k", "v"), "OK");
      assertEquals(gateway.stores[2].get("k"), "v");
      assertEquals(await client.clientGetName(), "nr");
      assertEquals(await Promise.all([client.incr("n"), client.incr("n"), client.get("x")]), [
        1,
        2,
        null,
      ]);
      const replies: unknown = await client.multi().incr("n").get("n").exec();
      assertEquals(replies, [3, "3"]);
      assertEquals(await client.configGet("databases"), { databases: "16" });
      assertEquals(errors, []);
    } finally {
      client.destroy();
    }
  }, { password: "secret" });
});
