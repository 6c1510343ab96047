/** Integers and 80-bit floats, the latter against a real Redis. */

import { needs } from "../support/peers.ts";
import { Prng } from "../../src/base/mod.ts";
import {
  addInt64,
  addLongDouble,
  type Int64,
  longDoubleText,
  parseInt64,
  parseLongDouble,
  parseShortInteger,
} from "../../src/keyspace/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { command, parseReply, RespClient } from "../support/resp_client.ts";

Deno.test("integers: the strict form only, exact to 64 bits", () => {
  const cases: [string, Int64 | undefined][] = [
    ["0", 0],
    ["-1", -1],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
    ["9223372036854775808", undefined],
    ["-9223372036854775809", undefined],
    ["99999999999999999999", undefined],
    ["-0", undefined],
    ["00", undefined],
    ["01", undefined],
    ["+1", undefined],
    ["", undefined],
    ["-", undefined],
    ["1e3", undefined],
    [" 1", undefined],
    ["0x1", undefined],
  ];
  for (const [text, value] of cases) {
    assertEquals(parseInt64(text), value, text);
    const bytes = new TextEncoder().encode(text);
    const short = text.length <= 15 ? value : undefined;
    assertEquals(parseShortInteger(bytes, 0, bytes.length) as Int64 | undefined, short, text);
  }
  assertEquals(addInt64(9007199254740991, 1), 9007199254740992n);
  assertEquals(addInt64(9007199254740992n, -1), 9007199254740991);
  assertEquals(addInt64(9223372036854775807n, 1), undefined);
  assertEquals(addInt64(-9223372036854775808n, -1), undefined);
});

Deno.test(
  "floats: sums as Redis prints them, for generated numbers",
  needs("redis-server"),
  async () => {
    const seed = 20_240;
    const random = new Prng(seed);
    const pairs = Array.from({ length: 6000 }, () => [number(random), number(random)]);
    const redis = await startRealRedis();
    const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
    try {
      for (let at = 0; at < pairs.length; at += 500) {
        const batch = pairs.slice(at, at + 500);
        await client.send(
          batch.map(([a, b]) => command("SET", "k", a) + command("INCRBYFLOAT", "k", b)).join(""),
        );
        for (const [a, b] of batch) {
          await client.reply();
          const theirs = parseReply(await client.reply());
          assertEquals(sum(a, b), theirs, `seed ${seed}: ${a} + ${b}`);
        }
      }
    } finally {
      client.close();
      await redis.close();
    }
  },
);

function sum(a: string, b: string): string {
  const first = parseLongDouble(a);
  const second = parseLongDouble(b);
  if (first === undefined || second === undefined) return "-ERR value is not a valid float";
  const total = addLongDouble(first, second);
  return total === undefined || typeof total === "string"
    ? "-ERR increment would produce NaN or Infinity"
    : longDoubleText(total);
}

/** Decimal and hexadecimal numbers of all sizes, near ties and near the ends of the range. */
function number(random: Prng): string {
  const sign = random.pick(["", "-", "+"]);
  const digits = (most: number) =>
    Array.from({ length: random.between(1, most) }, () => random.between(0, 9)).join("");
  switch (random.between(0, 7)) {
    case 0:
      return `${sign}${digits(5)}.${digits(3)}`;
    case 1:
      return `${sign}${digits(40)}.${digits(40)}`;
    case 2:
      return `${sign}${digits(20)}e${random.between(-30, 30)}`;
    case 3:
      return `${sign}${digits(3)}.${digits(25)}E${random.between(-4990, 4960)}`;
    case 4:
      // Halfway between two neighbours, and a little off it.
      return String(2n ** BigInt(random.between(60, 70)) + BigInt(random.between(0, 9)));
    case 5:
      return `${sign}0x${random.u32().toString(16)}${random.u32().toString(16)}.${
        random.u32().toString(16)
      }p${random.between(-120, 120)}`;
    case 6:
      return `${sign}0x1.fffffffffffffffp${random.between(-16_460, 16_390)}`;
    default:
      return random.pick(["0", "-0", "1e-18", "5e-18", "inf", "-inf", "nan", "1e", ".", "1.", ""]);
  }
}
