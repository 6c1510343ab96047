/** RDB files: ours to a real Redis, its own to us. */

import { bytesFromLatin1 } from "../../../src/base/mod.ts";
import {
  type DeadlineMs,
  HashValue,
  Keyspace,
  RdbError,
  RdbFileReader,
  RdbFileWalk,
  stringText,
  stringValue,
  type Value,
} from "../../../src/keyspace/mod.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { needs } from "../../support/peers.ts";
import { startRealRedis } from "../../support/redis_server.ts";
import { RespClient } from "../../support/resp_client.ts";

/** Redis removes what has expired when it loads: a day in 2100. */
const LATER_MS = 4_102_444_800_000;

function fill(keyspace: Keyspace): void {
  keyspace.beginWrite(1_700_000_000_000);
  for (const db of [0, 3]) {
    const database = keyspace.db(db);
    for (let i = 0; i < 500; i++) database.set(`key ${i}`, i * i * i * 1000);
    database.set("12", "12");
    database.set("long", new Uint8Array(200_000).fill(65));
    database.set("short array", bytesFromLatin1("77"));
    database.setUntil("timed", "v", LATER_MS);
    for (const [key, fields] of [["small", 5], ["512", 512], ["large", 3000]] as const) {
      const hash = new HashValue();
      for (let i = 0; i < fields; i++) hash.set(`f${i}`, stringValue(bytesFromLatin1(`${i}`)));
      database.set(key, hash);
    }
  }
}

function fileOf(keyspace: Keyspace): Uint8Array {
  const walk = new RdbFileWalk(keyspace.beginWalk(), [["redis-ver", "7.0.0"], ["mine", "17"]]);
  const slices: Uint8Array[] = [];
  for (let slice = walk.next(9999); slice !== undefined; slice = walk.next(9999)) {
    slices.push(slice.slice());
  }
  return Uint8Array.from(slices.flatMap((slice) => [...slice]));
}

interface Contents {
  readonly entries: Map<string, unknown>;
  readonly skipped: string[];
}

function textOf(value: Value): unknown {
  if (!(value instanceof HashValue)) return stringText(value as string);
  const pairs: string[] = [];
  value.forEach((fieldValue, field) => pairs.push(`${field}=${stringText(fieldValue)}`));
  return pairs.sort();
}

function read(bytes: Uint8Array, sliceBytes: number): Contents {
  const entries = new Map<string, unknown>();
  const skipped: string[] = [];
  const reader = new RdbFileReader({
    aux: () => {},
    entry(db: number, key: string, value: Value, deadlineMs: DeadlineMs | undefined) {
      entries.set(`${db} ${key}`, { value: textOf(value), deadlineMs });
    },
    skippedKey: (db, key, typeName) => skipped.push(`${db} ${key} ${typeName}`),
    skippedOther: (what) => skipped.push(what),
  });
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    reader.push(bytes.subarray(at, at + sliceBytes));
  }
  reader.finish();
  return { entries, skipped: skipped.sort() };
}

Deno.test("rdb file: redis-check-rdb accepts ours, and redis-server loads it", {
  ...needs("redis-server", "redis-check-rdb"),
}, async () => {
  const keyspace = new Keyspace();
  fill(keyspace);
  const directory = await Deno.makeTempDir({ prefix: "rdb-file-" });
  try {
    await Deno.writeFile(`${directory}/dump.rdb`, fileOf(keyspace));
    const check = await new Deno.Command("redis-check-rdb", { args: [`${directory}/dump.rdb`] })
      .output();
    const said = new TextDecoder().decode(check.stdout);
    assert(check.success && said.includes("Checksum OK") && said.includes("1014 keys read"), said);
    // The directory that is given last counts; the helper's own stays empty.
    const redis = await startRealRedis("--dir", directory);
    const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
    try {
      for (const db of [0, 3]) {
        await client.call("SELECT", String(db));
        assertEquals(await client.value("DBSIZE"), 507);
        assertEquals(await client.value("GET", "key 499"), String(499 ** 3 * 1000));
        assertEquals(await client.value("GET", "12"), "12");
        assertEquals(await client.value("GET", "short array"), "77");
        assertEquals(await client.value("STRLEN", "long"), 200_000);
        assertEquals(await client.value("PEXPIRETIME", "timed"), LATER_MS);
        assertEquals(await client.value("OBJECT", "ENCODING", "512"), "listpack");
        assertEquals(await client.value("HLEN", "large"), 3000);
        assertEquals(await client.value("HGET", "large", "f2999"), "2999");
      }
    } finally {
      client.close();
      await redis.close();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

for (const compression of ["yes", "no"]) {
  Deno.test(
    `rdb file: what Redis saves is read, types that Logboat lacks are named (compression ${compression})`,
    {
      ...needs("redis-server"),
    },
    async () => {
      const directory = await Deno.makeTempDir({ prefix: "rdb-file-" });
      const args = ["--dir", directory, "--rdbcompression", compression];
      const redis = await startRealRedis(...args);
      const client = await RespClient.connect(redis.port, { timeoutMs: 30_000 });
      try {
        const expected = new Map<string, unknown>();
        for (const db of [0, 5]) {
          await client.call("SELECT", String(db));
          for (const text of ["", "1", "-200", "70000", "text", "z".repeat(5000), "12345678901"]) {
            await client.call("SET", `s ${text.slice(0, 9)}`, text);
            expected.set(`${db} s ${text.slice(0, 9)}`, { value: text, deadlineMs: undefined });
          }
          await client.call("SET", "timed", "v", "PXAT", String(LATER_MS));
          expected.set(`${db} timed`, { value: "v", deadlineMs: LATER_MS });
          for (const count of [3, 512, 1500]) {
            const pairs = Array.from({ length: count }, (_, i) => [`field ${i}`, `${i * 7}`]);
            await client.call("HSET", `h${count}`, ...pairs.flat());
            const value = pairs.map(([field, text]) => `${field}=${text}`).sort();
            expected.set(`${db} h${count}`, { value, deadlineMs: undefined });
          }
        }
        await client.call("RPUSH", "l", "a", "b".repeat(20_000));
        await client.call("SADD", "i", "1", "2");
        await client.call("SADD", "s", "a");
        await client.call("ZADD", "z", "1", "a");
        await client.call("ZADD", "zz", "1.5", "a".repeat(100));
        await client.call("XADD", "x", "1-1", "f", "v");
        await client.call("XGROUP", "CREATE", "x", "g", "0");
        await client.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">");
        const library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        await client.call("FUNCTION", "LOAD", library);
        assertEquals(await client.call("SAVE"), "+OK\r\n");
        const bytes = await Deno.readFile(`${directory}/dump.rdb`);
        for (const sliceBytes of [1, 7, 1000, bytes.length]) {
          const { entries, skipped } = read(bytes, sliceBytes);
          assertEquals(entries, expected);
          const names = ["i set", "l list", "s set", "x stream", "z zset", "zz zset"];
          assertEquals(skipped, [...names.map((name) => `5 ${name}`), "function"]);
        }
      } finally {
        client.close();
        await redis.close();
        await Deno.remove(directory, { recursive: true });
      }
    },
  );
}

Deno.test("rdb file: a newer version, another file and a wrong checksum are told apart", () => {
  const keyspace = new Keyspace();
  keyspace.beginWrite(1);
  keyspace.db(0).set("k", "v");
  const bytes = fileOf(keyspace);
  assertEquals(read(bytes, 3).entries.size, 1);
  const problemOf = (change: (bytes: Uint8Array) => Uint8Array) => {
    const changed = change(bytes.slice());
    return assertThrows(() => read(changed, 1000), RdbError).problem;
  };
  const withVersion = (text: string) => (copy: Uint8Array) => {
    copy.set(bytesFromLatin1(text), 5);
    return copy;
  };
  assertEquals(problemOf(withVersion("0011")), "newerVersion");
  assertEquals(problemOf(withVersion("x011")), "damaged");
  assertEquals(
    problemOf((copy) => copy.map((byte, i) => i === copy.length - 1 ? byte ^ 1 : byte)),
    "badChecksum",
  );
  assertEquals(problemOf((copy) => copy.slice(0, -1)), "damaged");
  assertEquals(problemOf((copy) => new Uint8Array([...copy, 0])), "damaged");
});
