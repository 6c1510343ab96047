/** DUMP and RESTORE against a real Redis in both directions, and payloads that are damaged. */

import { bytesFromLatin1, latin1FromBytes, Prng } from "../../src/base/mod.ts";
import { dumpValue, HashValue, restoreValue, stringValue } from "../../src/keyspace/mod.ts";
import { RespError } from "../../src/resp/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { needs } from "../support/peers.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";
import { LocalServer } from "./twin.ts";

const NOW_MS = 1_700_000_000_000;

/** Strings of every form: numbers of each width, short, long, compressible and not. */
function texts(): string[] {
  const random = new Prng(7);
  const noise = Array.from({ length: 3000 }, () => String.fromCharCode(random.between(0, 255)));
  const numbers = ["0", "-128", "127", "-129", "32767", "-32769", "2147483647", "-2147483649"];
  return [
    ...numbers,
    "9223372036854775807",
    "-9223372036854775808",
    "",
    "short",
    "007",
    "ab".repeat(40),
    "x".repeat(16_000),
    "abcabcabd".repeat(3000),
    noise.join(""),
  ];
}

/** Commands that make a hash of each encoding, with integers, long and binary texts. */
function hashes(): string[][] {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, i) => [`field:${i}`, String(i * 7919 - 4000)]).flat();
  return [
    ["HSET", "small", "name", "value", "", "\0\xff", "12", "-4096", "huge", "9223372036854775807"],
    ["HSET", "packed", ...fields(500)],
    ["HSET", "table", ...fields(2000)],
    ["HSET", "long", "text", "y".repeat(5000), "n", "x".repeat(64)],
  ];
}

Deno.test("what a real Redis dumps is restored here", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  try {
    const client = await RespClient.connect(redis.port);
    const local = new LocalServer(1);
    for (const text of texts()) {
      await client.value("SET", "k", text);
      const payload = await client.value("DUMP", "k") as string;
      assertEquals(local.execute(["RESTORE", "k", "0", payload, "REPLACE"], NOW_MS), okReply());
      assertEquals(asText(local.execute(["GET", "k"], NOW_MS)), text);
    }
    for (const command of hashes()) {
      await client.value(...command);
      const payload = await client.value("DUMP", command[1]) as string;
      assertEquals(local.execute(["RESTORE", command[1], "0", payload], NOW_MS), okReply());
      const found = local.execute(["HLEN", command[1]], NOW_MS);
      assertEquals(found, (command.length - 2) / 2);
      for (let i = 2; i < command.length; i += 2) {
        const value = local.execute(["HGET", command[1], command[i]], NOW_MS);
        assertEquals(asText(value), command[i + 1]);
      }
    }
    client.close();
  } finally {
    await redis.close();
  }
});

Deno.test("what is dumped here a real Redis restores", needs("redis-server"), async () => {
  const redis = await startRealRedis("--sanitize-dump-payload", "yes");
  try {
    const client = await RespClient.connect(redis.port);
    const local = new LocalServer(1);
    for (const text of texts()) {
      local.execute(["SET", "k", text], NOW_MS);
      const payload = asText(local.execute(["DUMP", "k"], NOW_MS));
      assertEquals(await client.value("RESTORE", "k", "0", payload, "REPLACE"), "+OK");
      assertEquals(await client.value("GET", "k"), text);
    }
    for (const command of hashes()) {
      local.execute(command, NOW_MS);
      const payload = asText(local.execute(["DUMP", command[1]], NOW_MS));
      assertEquals(await client.value("RESTORE", command[1], "0", payload), "+OK");
      const encoding = await client.value("OBJECT", "ENCODING", command[1]);
      assertEquals(encoding, local.execute(["OBJECT", "ENCODING", command[1]], NOW_MS));
      for (let i = 2; i < command.length; i += 2) {
        assertEquals(await client.value("HGET", command[1], command[i]), command[i + 1]);
      }
    }
    client.close();
  } finally {
    await redis.close();
  }
});

Deno.test("a payload with one bit flipped, or cut anywhere, is refused", () => {
  const hash = new HashValue();
  hash.set("field", stringValue(bytesFromLatin1("value")));
  hash.set("number", 123456);
  for (const whole of [dumpValue("a text of some length"), dumpValue(hash)]) {
    assertEquals(restoreValue(whole).kind, "value");
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = whole.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      assert(restoreValue(damaged).kind !== "value", `bit ${bit} went unnoticed`);
    }
    for (let length = 0; length < whole.length; length++) {
      const local = new LocalServer(1);
      const payload = latin1FromBytes(whole.subarray(0, length));
      const reply = local.execute(["RESTORE", "k", "0", payload], NOW_MS);
      assert(reply instanceof RespError, `${length} bytes were taken for a payload`);
      assertEquals(reply.text, "ERR DUMP payload version or checksum are wrong");
    }
  }
});

Deno.test("a time to live of RESTORE counts from the entry's stamp", () => {
  const local = new LocalServer(1);
  const payload = latin1FromBytes(dumpValue("value"));
  assertEquals(local.execute(["RESTORE", "k", "5000", payload], NOW_MS), okReply());
  assertEquals(local.execute(["PEXPIRETIME", "k"], NOW_MS), NOW_MS + 5000);
  const until = String(NOW_MS + 700);
  assertEquals(local.execute(["RESTORE", "a", until, payload, "ABSTTL"], NOW_MS), okReply());
  assertEquals(local.execute(["PEXPIRETIME", "a"], NOW_MS), NOW_MS + 700);
  // In the past already: the old value goes, the new one never shows.
  local.execute(["RESTORE", "a", "1", payload, "ABSTTL", "REPLACE"], NOW_MS);
  assertEquals(local.execute(["EXISTS", "a"], NOW_MS), 0);
});

function okReply() {
  return new LocalServer(1).execute(["SET", "any", "value"], NOW_MS);
}

function asText(reply: unknown): string {
  if (reply instanceof Uint8Array) return latin1FromBytes(reply);
  if (typeof reply !== "string") throw new Error(`Expected a string, found ${String(reply)}`);
  return reply;
}
