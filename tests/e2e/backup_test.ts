/** `logboat backup` and `restore`, with a real Redis as the judge of the file. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { withMembers } from "../support/members.ts";
import { needs } from "../support/peers.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";
import { runLogboat } from "../support/server_process.ts";
import { until } from "../support/wait.ts";

/** 2100-01-01. */
const DEADLINE_MS = "4102444800000";

Deno.test(
  "a backup under load has every acknowledged write, Redis loads it, and a new cluster grows from it",
  needs("redis-server"),
  async () => {
    await withMembers(async (members) => {
      const [one, two, three, four] = [1, 2, 3, 4].map(() => members.place());
      await one.start();
      await two.start("--join", one.raft);
      await one.sees("1 voter, 2 voter");
      const load = await RespClient.connect(one.redisPort);
      await load.call("HSET", "hash", "field", "\0\xff", "n", "12");
      await load.call("SET", "timed", "value");
      await load.call("PEXPIREAT", "timed", DEADLINE_MS);
      for (let i = 0; i < 3000; i++) await load.call("SET", `key:${i}`, "x".repeat(i % 300));
      let acknowledged = 0;
      let running = true;
      const writing = (async () => {
        while (running) {
          await load.value("SET", "counter", `${acknowledged + 1}`);
          acknowledged++;
        }
      })();
      await until("some writes", { withinMs: 15_000 }, () => acknowledged > 50);
      const before = acknowledged;
      const file = `${members.directory}/dump.rdb`;
      const output = await two.done("backup", file);
      running = false;
      await writing;
      load.close();
      assertMatch(output, /^backed up 3003 keys up to entry \d+ to \S+dump\.rdb, \d+ bytes$/);

      const check = new Deno.Command("redis-check-rdb", { args: [file] }).outputSync();
      assertEquals(check.code, 0, new TextDecoder().decode(check.stdout));
      const redis = await startRealRedis("--dir", members.directory);
      const there = await RespClient.connect(redis.port);
      try {
        assertEquals(await there.value("DBSIZE"), 3003);
        assertEquals(await there.value("HGET", "hash", "field"), "\0\xff");
        assertEquals(await there.value("PEXPIRETIME", "timed"), Number(DEADLINE_MS));
        const counter = Number(await there.value("GET", "counter"));
        assert(counter >= before, `write ${before} was acknowledged, the backup has ${counter}`);
      } finally {
        there.close();
        await redis.close();
      }

      const restored = await runLogboat(["restore", file, ...three.settings]);
      assertEquals(restored.code, 0, restored.output);
      assertStringIncludes(restored.output, "restored 3003 keys");
      await three.start();
      await three.sees("1 voter");
      assertEquals(await three.command("STRLEN", "key:299"), 299);
      assertEquals(await three.command("PEXPIRETIME", "timed"), Number(DEADLINE_MS));
      assertEquals(await three.command("SET", "new", "life"), "OK");
      await four.start("--join", three.raft);
      await three.sees("1 voter, 2 voter");
      assertEquals(await four.command("DBSIZE"), 3004);
      assertEquals(await four.command("GET", "new"), "life");
      const digests = [
        await three.command("DEBUG", "DIGEST"),
        await four.command("DEBUG", "DIGEST"),
      ];
      assertEquals(digests[0], digests[1]);

      const over = await runLogboat(["restore", file, ...three.settings]);
      assertEquals(over.code, EXIT_CODES.unusableData.code);
      assertMatch(over.output, /expected no directory or an empty one/);
      assertEquals(await three.stop(), 0);
      await three.start();
      assertEquals(await three.command("GET", "new"), "life", "nothing was written over");
    });
  },
);

Deno.test(
  "an RDB file of Redis becomes a cluster; other types are refused or left out, damage is refused",
  needs("redis-server"),
  async () => {
    await withMembers(async (members) => {
      const redis = await startRealRedis("--dir", members.directory);
      const there = await RespClient.connect(redis.port);
      await there.call("SET", "a", "1");
      await there.call("RPUSH", "list", "a");
      await there.call("SELECT", "9");
      await there.call("HSET", "h", "f", "v");
      await there.call("SAVE");
      there.close();
      await redis.close();
      const file = `${members.directory}/dump.rdb`;
      const one = members.place();
      const restore = (path: string, ...flags: string[]) =>
        runLogboat(["restore", path, ...flags, ...one.settings]);

      const refused = await restore(file);
      assertEquals(refused.code, EXIT_CODES.importIncomplete.code);
      assertMatch(refused.output, /it has 1 list keys, .* --leave-out yes restores the rest$/);
      const whole = await Deno.readFile(file);
      const damages: Uint8Array[] = [
        whole.subarray(0, whole.length - 1),
        whole.map((byte, at) => at === whole.length - 12 ? byte ^ 1 : byte),
        new TextEncoder().encode("not an RDB file at all"),
      ];
      for (const bytes of damages) {
        const damaged = `${members.directory}/damaged.rdb`;
        await Deno.writeFile(damaged, bytes);
        const { code, output } = await restore(damaged, "--leave-out", "yes");
        assertEquals(code, EXIT_CODES.damagedData.code, output);
        assert(output.startsWith(`Cannot restore ${damaged}: `), output);
      }
      assertEquals((await restore(`${file}.none`)).code, EXIT_CODES.unusableData.code);
      await Deno.stat(one.dataDir).then(
        () => assert(false, "something was written"),
        (error) => assert(error instanceof Deno.errors.NotFound),
      );

      const done = await restore(file, "--leave-out", "yes");
      assertEquals(done.code, 0, done.output);
      assertStringIncludes(done.output, "1 list keys were left out");
      await one.start();
      assertEquals(await one.command("GET", "a"), "1");
      assertEquals(await one.command("DBSIZE"), 1);
      assertMatch(`${await one.command("INFO", "keyspace")}`, /db9:keys=1/);
    });
  },
);
