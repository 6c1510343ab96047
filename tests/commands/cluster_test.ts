/** CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT against a Redis that is a cluster of one. */

import { slotOf } from "../../src/commands/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { needs } from "../support/peers.ts";
import { freePort, startRealRedis } from "../support/redis_server.ts";
import { parseReply, RespClient } from "../support/resp_client.ts";
import { until } from "../support/wait.ts";
import { encoded, LocalServer } from "./twin.ts";

const TAGS = ["{user}", "{}", "{", "}{a}", "a{b}c", "\xff{\x00}"];
const KEYS = [
  ...TAGS.flatMap((tag) => [1, 2, 3].map((number) => `${tag}${number}`)),
  ...Array.from({ length: 200 }, (_, number) => `key:${number}`),
];

Deno.test("the keys of a slot are those of Redis", needs("redis-server"), async () => {
  const redis = await startRealRedis(
    "--cluster-enabled",
    "yes",
    "--cluster-port",
    String(freePort()),
  );
  const client = await RespClient.connect(redis.port);
  const local = new LocalServer(1);
  const ours = (...parts: string[]) => encoded(local.execute(parts, Date.now()), 2);
  try {
    assertEquals(await client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383"), "+OK\r\n");
    const written = async () => (await client.call("SET", "x", "x")) === "+OK\r\n";
    await until("the cluster of one serves", { withinMs: 20_000 }, written);
    ours("SET", "x", "x");
    for (const key of KEYS) {
      assertEquals(await client.value("CLUSTER", "KEYSLOT", key), slotOf(key), key);
      assertEquals(ours("SET", key, "v"), await client.call("SET", key, "v"));
    }
    for (const slot of new Set(KEYS.map((key) => String(slotOf(key))))) {
      const count = ["CLUSTER", "COUNTKEYSINSLOT", slot];
      assertEquals(ours(...count), await client.call(...count), slot);
      const names = ["CLUSTER", "GETKEYSINSLOT", slot, "1000"];
      const found = parseReply(ours(...names)) as string[];
      assertEquals(found.sort(), (await client.value(...names) as string[]).sort(), slot);
      assertEquals((parseReply(ours("CLUSTER", "GETKEYSINSLOT", slot, "1")) as string[]).length, 1);
    }
    const odd = ["0", "1", "-1", "16383", "16384", "x", "", "9223372036854775807", "1e3", " 1"];
    for (const slot of odd) {
      const count = ["CLUSTER", "COUNTKEYSINSLOT", slot];
      assertEquals(ours(...count), await client.call(...count), slot);
      for (const number of ["0", "-1", "x"]) {
        const names = ["CLUSTER", "GETKEYSINSLOT", slot, number];
        assertEquals(ours(...names), await client.call(...names), `${slot} ${number}`);
      }
    }
  } finally {
    client.close();
    await redis.close();
  }
});
