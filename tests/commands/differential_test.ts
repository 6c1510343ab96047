/**
 * Differential: every data command against a real redis-server, replies byte for byte in both
 * versions of the protocol, contents afterwards.
 */

import { needs } from "../support/peers.ts";
import { DATA_COMMANDS } from "../../src/commands/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";
import { Draw, drawCommand, drawShortLived, GENERATORS } from "./generator.ts";
import { Twin } from "./twin.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 107, 117, 121, 141];
const BATCHES = 60;
const BATCH = 50;

Deno.test("every data command has a generator, and no generator is left over", () => {
  assertEquals(
    Object.keys(GENERATORS).sort(),
    DATA_COMMANDS.commands.map((command) => command.name).sort(),
  );
});

Deno.test(
  "generated commands answer as Redis, byte for byte",
  needs("redis-server"),
  async (test) => {
    const redis = await startRealRedis();
    try {
      for (const seed of SEEDS) {
        const version = seed % 2 === 0 ? 3 : 2;
        await test.step(`seed ${seed}, RESP${version}`, async () => {
          const twin = await Twin.open(redis.port, version, seed);
          try {
            await runGenerated(twin, new Draw(seed));
          } finally {
            twin.close();
          }
        });
      }
    } finally {
      await redis.close();
    }
  },
);

async function runGenerated(twin: Twin, draw: Draw): Promise<void> {
  let expiring = false;
  for (let i = 0; i < BATCHES; i++) {
    const batch = Array.from({ length: BATCH }, () => drawCommand(draw))
      // Redis removes an expired key when a read meets it, this keyspace when a write does.
      .filter((parts) => !(expiring && parts[0].toLowerCase() === "dbsize"));
    await twin.run(batch);
    if (draw.random.chance(0.2)) await twin.select(draw.random.between(0, 3));
    if (draw.random.chance(0.3)) {
      expiring = true;
      await twin.run([drawShortLived(draw), drawShortLived(draw)]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  await twin.compareContents();
}

Deno.test(
  "declarations are Redis's: arity, flags, key positions",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis();
    try {
      const client = await RespClient.connect(redis.port);
      for (const command of DATA_COMMANDS.commands) {
        // The one command that is not Redis's.
        if (command.name === "debug|digest") continue;
        const [info] = await client.value("COMMAND", "INFO", command.name) as unknown[][];
        const [name, arity, flags, first, last, step] = info as [
          string,
          number,
          string[],
          number,
          number,
          number,
        ];
        const keys = command.keys ?? { first: 0, last: 0, step: 0 };
        assertEquals(
          [name, arity, flags.map((flag) => flag.replace(/^\+/, "")).sort(), first, last, step],
          [
            command.name,
            command.arity,
            [...command.flags].sort(),
            keys.first,
            keys.last,
            keys.step,
          ],
          command.name,
        );
      }
      client.close();
    } finally {
      await redis.close();
    }
  },
);
