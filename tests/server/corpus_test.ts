/**
 * Odd and broken RESP, answered byte for byte as by a real Redis: whole, byte by byte, split
 * everywhere, behind a valid command, inside MULTI, before and after AUTH (design/security.md).
 */

import { needs } from "../support/peers.ts";
import { bytesFromLatin1 } from "../../src/base/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { arrivals } from "../support/codec_cases.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { command, RespClient } from "../support/resp_client.ts";
import { waitUntil, withServer } from "./support.ts";

const LONG = "x".repeat(300);

/** Answered, and the connection goes on. */
const CONTINUES: readonly string[] = [
  "PING\r\n",
  "*1\r\n$4\r\nPING\r\n",
  "*-1\r\n*0\r\n\r\n\nPING\n",
  '  ECHO "a\\x41\\n\\t\\"\\q" \r\n',
  "ECHO 'it\\'s'\r\n",
  "*2\r\n$4\r\nECHO\r\n$3\r\nabcXY",
  "*1\rX$4\rYPING\r\n",
  "NOSUCH\r\n",
  command("nosuch", "a", "b"),
  command("", "a"),
  command("a\r\nb", "c\r\nd"),
  command(LONG, "z"),
  command("foo", LONG, "never shown"),
  command("foo", "a".repeat(126), "b", "c"),
  command("f\0o", "x\0y"),
  command("GET"),
  command("gEt", "a", "b"),
  command("CLIENT"),
  command("CLIENT", LONG),
  command("client", "f\r\no"),
  command("client", "getname", "x"),
  command("HELLO", "4"),
  command("HELLO", "1"),
  command("HELLO", "abc"),
  command("HELLO", "2", "FOO"),
  command("HELLO", "2", "SETNAME"),
  command("HELLO", "2", "AUTH", "a"),
  command("HELLO", "2", "SETNAME", "a b"),
  command("PING", "a", "b"),
  command("SELECT", "16"),
  command("SELECT", "x"),
  command("SELECT", "-1"),
  command("SELECT", "99999999999"),
  command("ECHO", ""),
  "MULTI\r\nNOSUCH\r\nEXEC\r\n",
];

/** Answered with a protocol error and closed; the last byte is what breaks the protocol. */
const CLOSES: readonly string[] = [
  "*2147483648\r\n",
  "*abc\r\n",
  "*+1\r\n",
  "*01\r\n",
  "* 1\r\n",
  "*\r\n",
  "*9223372036854775808\r\n",
  "*1\r\n$-1\r\n",
  "*1\r\n$536870913\r\n",
  "*1\r\n$9223372036854775808\r\n",
  "*1\r\n$18446744073709551616\r\n",
  "*1\r\n$4294967296\r\n",
  "*1\r\n:4\r\n",
  "*1\r\n*1\r\n",
  "*1\r\nf\r\n",
  "*2\r\n$4\r\nPING\r\n+x\r\n",
  'SET k "x\r\n',
  "SET k 'x\r\n",
  'SET k "a"b\r\n',
  "QUIT\r\n",
];

/** Closed without a word; whether Redis still sends earlier replies depends on its timing. */
const CLOSES_ALONE: readonly string[] = ["POST / HTTP/1.1\r\n", "Host: localhost\r\n"];

/** No reply, and the bytes wait for more. */
const WAITS: readonly string[] = [
  "set\0a b\r\n",
  "\x16\x03\x01\x00\xa5\x01\x00",
  "PING\r",
  "*1\r",
  "*1\r\n$4\r\nPIN",
  "*1\r\n$536870912",
];

const MARK = command("ECHO", "the end");
const MARK_REPLY = "$7\r\nthe end\r\n";

/** Sends `chunks`; everything that comes back up to the mark, or to the end if it closes. */
async function exchange(
  port: number,
  prefix: string,
  chunks: readonly Uint8Array[],
  closes: boolean,
): Promise<string> {
  const client = await RespClient.connect(port);
  try {
    await client.send(prefix);
    for (const chunk of chunks) await client.send(chunk);
    if (closes) return await client.untilClosed();
    await client.send(prefix === IN_MULTI ? command("EXEC") + MARK : MARK);
    return await client.until(MARK_REPLY);
  } finally {
    client.close();
  }
}

const IN_MULTI = command("MULTI");
const PREFIXES: readonly string[] = ["", command("ECHO", "first"), IN_MULTI];

Deno.test("broken and odd requests are answered as by Redis", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  try {
    await withServer(async ({ port }) => {
      const cases = [
        ...CONTINUES.map((stream) => ({ stream, closes: false })),
        ...[...CLOSES, ...CLOSES_ALONE].map((stream) => ({ stream, closes: true })),
      ];
      for (const { stream, closes } of cases) {
        const bytes = bytesFromLatin1(stream);
        for (const prefix of PREFIXES) {
          const alone = stream.startsWith("MULTI") || CLOSES_ALONE.includes(stream);
          if (prefix !== "" && alone) continue;
          const wanted = await exchange(redis.port, prefix, [bytes], closes);
          const found = await exchange(port, prefix, [bytes], closes);
          assertEquals(found, wanted, JSON.stringify(prefix + stream));
        }
        const wanted = await exchange(redis.port, "", [bytes], closes);
        const short = bytes.length <= 40 ? [...arrivals(bytes)] : [...arrivals(bytes)].slice(0, 2);
        for (const { name, chunks } of short) {
          const found = await exchange(port, "", chunks, closes);
          assertEquals(found, wanted, `${JSON.stringify(stream)}, ${name}`);
        }
      }
    }, { bulkBytesMax: 512 * 1024 * 1024 });
  } finally {
    await redis.close();
  }
});

Deno.test(
  "before and after AUTH the answers are those of Redis, too long input included",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis("--requirepass", "secret");
    const early = [
      "*11\r\n",
      "*1\r\n$16385\r\n",
      "*abc\r\n",
      "a".repeat(65_537),
      "*" + "1".repeat(65_536),
      "*1\r\n$" + "1".repeat(65_536),
      "POST / HTTP/1.1\r\n",
      "QUIT\r\n",
    ];
    const asked = [
      command("GET", "k"),
      command("GET"),
      command("NOSUCH", "a"),
      command("CLIENT", "NOSUCH"),
      command("HELLO"),
      command("HELLO", "3"),
      command("HELLO", "5"),
      command("HELLO", "2", "AUTH", "default", "wrong"),
      command("HELLO", "2", "AUTH", "nobody", "secret"),
      command("AUTH", "wrong"),
      command("AUTH", "nobody", "secret"),
      command("AUTH", "a", "b", "c"),
      command("RESET"),
      command("MULTI"),
      command("EXEC"),
    ];
    const logIn = command("AUTH", "secret");
    try {
      await withServer(async ({ port, server }) => {
        for (const stream of early) {
          const bytes = [bytesFromLatin1(stream)];
          assertEquals(
            await exchange(port, "", bytes, true),
            await exchange(redis.port, "", bytes, true),
            JSON.stringify(stream.slice(0, 40)),
          );
        }
        for (const stream of asked) {
          const chunks = [bytesFromLatin1(stream), bytesFromLatin1(logIn)];
          server.authentication.noteSuccess("127.0.0.1");
          assertEquals(
            await exchange(port, "", chunks, false),
            await exchange(redis.port, "", chunks, false),
            JSON.stringify(stream),
          );
        }
        for (const stream of [...CONTINUES.filter((it) => !it.includes("HELLO")), ...CLOSES]) {
          const closes = CLOSES.includes(stream);
          const chunks = [bytesFromLatin1(stream)];
          assertEquals(
            await exchange(port, logIn, chunks, closes),
            await exchange(redis.port, logIn, chunks, closes),
            JSON.stringify(stream),
          );
        }
      }, { password: "secret", bulkBytesMax: 512 * 1024 * 1024 });
    } finally {
      await redis.close();
    }
  },
);

Deno.test("what Redis waits on without a word is waited on here", async () => {
  await withServer(async ({ connect, server }) => {
    for (const stream of WAITS) {
      const client = await connect();
      await client.send(command("ECHO", "first") + stream);
      assertEquals(await client.reply(), "$5\r\nfirst\r\n");
      const id = [...server.sessions.keys()].at(-1)!;
      await waitUntil(
        `${JSON.stringify(stream)} to arrive`,
        () => server.sessions.get(id)?.queryBytes === stream.length,
      );
      client.close();
      await waitUntil("the close", () => !server.sessions.has(id));
    }
  }, { bulkBytesMax: 512 * 1024 * 1024 });
});
