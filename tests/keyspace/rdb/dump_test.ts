/** DUMP payloads against a real Redis, and payloads that are damaged. */

import { bytesFromLatin1, latin1FromBytes, Prng } from "../../../src/base/mod.ts";
import {
  dumpValue,
  encodingOfValue,
  HashValue,
  restoreValue,
  stringText,
  type StringValue,
  stringValue,
  type Value,
} from "../../../src/keyspace/mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { bitFlips, truncations } from "../../support/codec_cases.ts";
import { needs } from "../../support/peers.ts";
import { startRealRedis } from "../../support/redis_server.ts";
import { RespClient } from "../../support/resp_client.ts";

const INTEGERS = [0, 1, -1, 12, 13, 127, 128, -128, -129, 4095, 4096, -4096, -4097, 32767, 32768]
  .concat([-32768, -32769, 8388607, 8388608, -8388608, -8388609, 2 ** 31 - 1, 2 ** 31])
  .concat([-(2 ** 31), -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);
const TEXTS = ["", "a", "007", "-0", "+1", "1.5", "9223372036854775807", "-9223372036854775808"]
  .concat(["9223372036854775808", "a".repeat(20), "\x00\xff\r\n"])
  .concat(INTEGERS.map(String));
const LONG_TEXTS = ["x".repeat(44), "a".repeat(21), "abc".repeat(100), "q".repeat(70_000)];

function valueOf(text: string): StringValue {
  return stringValue(bytesFromLatin1(text));
}

function hashOf(...texts: readonly string[]): HashValue {
  const hash = new HashValue();
  for (let i = 0; i < texts.length; i += 2) hash.set(texts[i], valueOf(texts[i + 1]));
  return hash;
}

function restored(payload: Uint8Array): Value {
  const result = restoreValue(payload);
  assert(result.kind === "value", JSON.stringify(result));
  return result.value;
}

function fieldsOf(value: Value): string[] {
  assert(value instanceof HashValue);
  const texts: string[] = [];
  value.forEach((fieldValue, field) => texts.push(field, stringText(fieldValue)));
  return texts;
}

function sortedPairs(flat: readonly unknown[]): string[] {
  return flat.flatMap((field, i) => i % 2 === 0 ? [`${field}=${flat[i + 1]}`] : []).sort();
}

/** The text of a bulk reply. */
function bulk(reply: string): string {
  const start = reply.indexOf("\r\n") + 2;
  return reply.slice(start, -2);
}

Deno.test(
  "dump: strings and hashes go to Redis and back, byte for byte where Redis does not compress",
  {
    ...needs("redis-server"),
  },
  async () => {
    const redis = await startRealRedis();
    const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
    try {
      for (const text of [...TEXTS, ...LONG_TEXTS]) {
        await client.call("SET", "k", text);
        const theirs = bytesFromLatin1(bulk(await client.call("DUMP", "k")));
        const value = restored(theirs);
        assertEquals(stringText(value as StringValue), text);
        assertEquals(value, valueOf(text), "the same form as a SET gives");
        const ours = dumpValue(valueOf(text));
        if (!LONG_TEXTS.includes(text)) assertEquals(ours, theirs, JSON.stringify(text));
        assertEquals(
          await client.call("RESTORE", "r", "0", latin1FromBytes(ours), "REPLACE"),
          "+OK\r\n",
        );
        assertEquals(bulk(await client.call("GET", "r")), text);
      }
      const random = new Prng(7);
      for (const count of [1, 2, 17, 100, 512, 513, 2000]) {
        const texts: string[] = [];
        for (let i = 0; i < count; i++) {
          texts.push(i % 3 === 0 ? String(i) : `f${i}`);
          texts.push(random.pick(count > 40 ? TEXTS : [...TEXTS, ...LONG_TEXTS]));
        }
        await client.call("DEL", "h");
        await client.call("HSET", "h", ...texts);
        const theirs = restored(bytesFromLatin1(bulk(await client.call("DUMP", "h"))));
        assertEquals(sortedPairs(fieldsOf(theirs)), sortedPairs(texts));
        const ours = hashOf(...texts);
        assertEquals(encodingOfValue(theirs), encodingOfValue(ours));
        assertEquals(bulk(await client.call("OBJECT", "ENCODING", "h")), encodingOfValue(ours));
        const payload = latin1FromBytes(dumpValue(ours));
        assertEquals(await client.call("RESTORE", "r", "0", payload, "REPLACE"), "+OK\r\n");
        const back = await client.value("HGETALL", "r") as string[];
        assertEquals(sortedPairs(back), sortedPairs(texts));
      }
      const small = TEXTS.flatMap((text, i) => [`field ${i}`, text]);
      await client.call("DEL", "h");
      await client.call("CONFIG", "SET", "rdbcompression", "no");
      await client.call("HSET", "h", ...small);
      assertEquals(
        dumpValue(hashOf(...small)),
        bytesFromLatin1(bulk(await client.call("DUMP", "h"))),
      );
    } finally {
      client.close();
      await redis.close();
    }
  },
);

Deno.test("dump: other types of Redis are named", { ...needs("redis-server") }, async () => {
  const redis = await startRealRedis();
  const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
  try {
    await client.call("RPUSH", "list", "a", "1", "b".repeat(10_000));
    await client.call("SADD", "set", "a", "b");
    await client.call("SADD", "intset", "1", "2");
    await client.call("ZADD", "zset", "1", "a", "2", "b");
    await client.call("ZADD", "zset skiplist", "1.5", "a".repeat(100));
    await client.call("XADD", "stream", "1-1", "f", "v");
    await client.call("XGROUP", "CREATE", "stream", "g", "0");
    await client.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">");
    for (const key of ["list", "set", "intset", "zset", "zset skiplist", "stream"]) {
      const result = restoreValue(bytesFromLatin1(bulk(await client.call("DUMP", key))));
      assert(result.kind === "unsupportedType", JSON.stringify(result));
      assertEquals(result.typeName, key === "intset" ? "set" : key.split(" ")[0]);
    }
  } finally {
    client.close();
    await redis.close();
  }
});

Deno.test("dump: a payload that is cut or has one bit flipped is never taken for a value", () => {
  for (const value of [valueOf("hello"), 12, hashOf("f", "1", "g", "text")]) {
    const payload = dumpValue(value);
    for (const { name, bytes } of truncations(payload)) {
      assert(restoreValue(bytes).kind !== "value", name);
    }
    for (const { name, bytes } of bitFlips(payload)) {
      const { kind } = restoreValue(bytes);
      assert(kind === "badChecksum" || kind === "newerVersion", `${name}: ${kind}`);
    }
  }
});
