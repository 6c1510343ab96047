/** Patterns against a real Redis, and the hostile ones against time. */

import { needs } from "../support/peers.ts";
import { Prng } from "../../src/base/mod.ts";
import { globMatches } from "../../src/keyspace/mod.ts";
import { assertEquals, assertLess } from "../support/assert.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { command, parseReply, RespClient } from "../support/resp_client.ts";

const ALPHABET = ["*", "?", "[", "]", "^", "-", "\\", "a", "b", "c", "\x80", "\xff", "\0"];

Deno.test("generated patterns match as in Redis", needs("redis-server"), async () => {
  const seed = 7;
  const random = new Prng(seed);
  const word = (most: number, letters: readonly string[]) =>
    Array.from({ length: random.between(0, most) }, () => random.pick(letters)).join("");
  const texts = [...new Set(Array.from({ length: 300 }, () => word(6, ALPHABET)))];
  const patterns = [
    ...Array.from({ length: 3000 }, () => word(8, ALPHABET)),
    ...["*", "**", "", "[", "[^", "[a", "[^a", "[a-", "[-a]", "[c-a]", "\\", "a\\", "[\\]]", "[]"],
    ...["[^]", "[a-\\]]", "h?llo", "*a*b*c*", "[\x80-a]", "[a-\xff]", "a*?", "?*", "[a]*[b]"],
  ];
  const redis = await startRealRedis();
  const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
  try {
    await client.call("MSET", ...texts.flatMap((text) => [text, ""]));
    for (let at = 0; at < patterns.length; at += 100) {
      const batch = patterns.slice(at, at + 100);
      await client.send(batch.map((pattern) => command("KEYS", pattern)).join(""));
      for (const pattern of batch) {
        const theirs = parseReply(await client.reply()) as string[];
        // KEYS does not ask the matcher about `*` alone.
        const ours = texts.filter((text) => pattern === "*" || globMatches(pattern, text));
        assertEquals(
          ours.sort(),
          theirs.sort(),
          `seed ${seed}: ${JSON.stringify(pattern)}`,
        );
      }
    }
  } finally {
    client.close();
    await redis.close();
  }
});

Deno.test("hostile patterns end soon (CVE-2022-36021, CVE-2024-31228)", () => {
  const long = "a".repeat(100_000);
  const cases: [string, string, boolean][] = [
    ["*a".repeat(50) + "*b", "a".repeat(5000), false],
    ["a*".repeat(200_000) + "b", long, false],
    ["*".repeat(1_000_000), long, true],
    ["*".repeat(1_000_000) + "b", long, false],
    ["[".repeat(1_000_000), long, false],
    ["[[[[[[[[", "[", true],
    ["\\".repeat(1_000_000), "\\".repeat(500_000), true],
    ["*" + "?".repeat(50_000) + "b", long, false],
  ];
  for (const [pattern, text, expected] of cases) {
    const startedMs = performance.now();
    assertEquals(globMatches(pattern, text), expected, pattern.slice(0, 20));
    assertLess(performance.now() - startedMs, 1000, pattern.slice(0, 20));
  }
});
