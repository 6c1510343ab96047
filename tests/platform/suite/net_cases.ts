/** The net port: order, back-pressure, and one `onClosed` on every way out. */

import * as rawNet from "node:net";
import type { Connection, Platform } from "../../../src/platform/mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import {
  type Case,
  codeOfFailure,
  DEADLINE_MS,
  End,
  firstDifference,
  pattern,
  sleep,
  until,
  withPair,
} from "./harness.ts";

const LOOPBACK = "127.0.0.1";
const BIG_BYTES = 8_000_000;
/** More than the kernel's buffers of both ends take, so that a write must be partial. */
const CLOGGING_BYTES = 32_000_000;
/** What a drained connection may keep. */
const IDLE_BUFFER_BYTES_MAX = 64 * 1024;

const exchangeCases: readonly Case[] = [
  {
    name: "addresses: both ends agree",
    run: ({ platform }) =>
      withPair(platform, ({ server, client }) => {
        assertEquals(client.connection.remotePort, server.connection.localPort);
        assertEquals(client.connection.localPort, server.connection.remotePort);
        assertEquals(client.connection.remoteHostname, LOOPBACK);
        assertEquals(server.connection.remoteHostname, LOOPBACK);
        assertEquals(server.connection.localHostname, LOOPBACK);
        return Promise.resolve();
      }),
  },
  {
    name: "start: nothing arrives before, nothing is lost",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        client.start().send(pattern(100_000));
        await sleep(50);
        assertEquals(server.bytes, 0);
        server.start();
        await until("input", () => server.bytes === 100_000);
        assertEquals(firstDifference(server.received(), pattern(100_000)), -1);
      }),
  },
  {
    name: "afterInput: long work in slices does not keep sockets waiting",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        const { clock } = platform;
        server.start();
        client.start();
        let slices = 0;
        let [asked, answered] = [0, 0];
        for (; client.bytes < 3 && slices < 300; slices++) {
          if (client.bytes === asked) {
            client.send(pattern(1));
            asked++;
          }
          if (server.bytes > answered) {
            server.send(pattern(1));
            answered++;
          }
          for (const endMs = clock.nowMs() + 2; clock.nowMs() < endMs;);
          await new Promise<void>((resolve) => clock.afterInput(resolve));
        }
        // A chain of immediates needs more than a hundred.
        assert(slices <= 30, `three answers took ${slices} slices, expected at most 30`);
      }),
  },
  {
    name: "flush: nothing leaves without it, and onDrained says when all has left",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.start();
        client.start();
        client.connection.output.latin1("early");
        await sleep(30);
        assertEquals(server.bytes, 0);
        assertEquals(client.connection.pendingBytes, 5);
        client.connection.flush();
        client.connection.flush();
        await until("drain", () => client.drains > 0);
        assertEquals(client.connection.pendingBytes, 0);
        await until("input", () => server.bytes === 5);
        assertEquals(server.text(), "early");
        assertEquals(client.drains, 1);
      }),
  },
  {
    name: "output: many small messages stay whole and in order under a running write",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.start();
        client.start();
        const expected: string[] = [];
        for (let round = 0; round < 200; round++) {
          for (let i = 0; i < 25; i++) {
            const text = `message ${round}.${i} ${"x".repeat((round * i) % 300)}\n`;
            expected.push(text);
            client.connection.output.latin1(text);
            if (i % 3 === 0) client.connection.flush();
          }
          client.connection.flush();
          if (round % 20 === 0) await sleep(0);
        }
        const text = expected.join("");
        await until("all messages", () => server.bytes >= text.length);
        assertEquals(server.text() === text, true, "messages differ");
      }),
  },
  {
    name: "output: 8 MB in one flush arrive whole, and the buffers shrink again",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.start();
        client.start().send(pattern(BIG_BYTES));
        assertEquals(client.connection.pendingBytes, BIG_BYTES);
        await until("all bytes", () => server.bytes >= BIG_BYTES);
        assertEquals(firstDifference(server.received(), pattern(BIG_BYTES)), -1);
        await until("drain", () => client.drains > 0);
        for (let i = 0; i < 2; i++) {
          client.send(new Uint8Array(10));
          await until("drain", () => client.connection.pendingBytes === 0);
        }
        const kept = client.connection.output.buffer.length;
        assert(kept <= IDLE_BUFFER_BYTES_MAX, `an idle connection keeps ${kept} bytes`);
      }),
  },
  {
    name: "pause: a reader that stops fills the writer up; resume delivers the rest",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.start();
        server.onData = () => server.connection.pause();
        client.start().send(pattern(CLOGGING_BYTES));
        await until("input", () => server.bytes > 0);
        await sleep(100);
        const before = server.bytes;
        assert(before < CLOGGING_BYTES / 2, `a paused reader took ${before} bytes`);
        assert(client.connection.pendingBytes > 0, "nothing is pending");
        assertEquals(client.drains, 0);
        server.onData = undefined;
        server.connection.resume();
        await until("the rest", () => server.bytes >= CLOGGING_BYTES);
        assertEquals(firstDifference(server.received(), pattern(CLOGGING_BYTES)), -1);
        await until("drain", () => client.drains === 1);
      }),
  },
  {
    name: "pause before start: input waits for resume",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.connection.pause();
        server.start();
        client.start().send(pattern(10));
        await sleep(50);
        assertEquals(server.bytes, 0);
        server.connection.resume();
        await until("input", () => server.bytes === 10);
      }),
  },
];

const endCases: readonly Case[] = [
  {
    name: "close: what is pending is delivered first",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.connection.pause();
        server.start();
        client.start().send(pattern(BIG_BYTES));
        client.connection.output.latin1("bye");
        client.connection.close();
        client.connection.close();
        await sleep(30);
        server.connection.resume();
        assertEquals(await client.closed(), undefined);
        await server.closed();
        assertEquals(server.bytes, BIG_BYTES + 3);
        assertEquals(
          firstDifference(server.received().subarray(0, BIG_BYTES), pattern(BIG_BYTES)),
          -1,
        );
      }),
  },
  {
    name: "close: from inside onData, after an answer",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.onData = () => {
          server.connection.output.latin1("answer");
          server.connection.close();
          assertEquals(server.closes.length, 0, "onClosed came from inside close");
        };
        server.start();
        client.start().send(pattern(10));
        assertEquals(await client.closed(), undefined);
        assertEquals(await server.closed(), undefined);
        assertEquals(client.text(), "answer");
      }),
  },
  {
    name: "destroy: ends at once and once; later calls do nothing",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        server.start();
        client.start().send(pattern(CLOGGING_BYTES));
        client.connection.destroy();
        client.connection.destroy();
        client.connection.close();
        assertEquals(client.closes.length, 0, "onClosed came from inside destroy");
        assertEquals(await client.closed(), undefined);
        await server.closed();
        client.send(pattern(10));
        client.connection.pause();
        client.connection.resume();
        assertEquals(client.connection.pendingBytes, 0);
        await sleep(20);
        assertEquals(client.closes.length, 1);
      }),
  },
  {
    name: "destroy: no onData after it",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        let calls = 0;
        server.onData = () => {
          calls++;
          server.connection.destroy();
        };
        server.start();
        client.start().send(pattern(BIG_BYTES));
        await server.closed();
        await client.closed();
        assertEquals(calls, 1);
      }),
  },
  {
    name: "destroy before start: the handler still hears of the end, once",
    run: ({ platform }) =>
      withPair(platform, async ({ server, client }) => {
        client.connection.destroy();
        client.start();
        assertEquals(client.closes.length, 0, "onClosed came from inside start");
        assertEquals(await client.closed(), undefined);
        server.start();
        await server.closed();
      }),
  },
  {
    name: "a peer that closes its half is gone",
    run: ({ platform }) =>
      withRawPeer(platform, async (server, raw) => {
        server.start();
        raw.end("last words");
        assertEquals(await server.closed(), undefined);
        assertEquals(server.text(), "last words");
      }),
  },
  {
    name: "a peer that has sent all still reads, when the handler knows of ends",
    run: ({ platform }) =>
      withRawPeer(platform, async (server, raw) => {
        let ends = 0;
        server.onEnd = () => {
          ends++;
          server.send(new TextEncoder().encode("an answer"));
          server.connection.close();
        };
        server.start();
        let heard = "";
        raw.setEncoding("utf8").on("data", (text) => heard += text);
        raw.end("last words");
        assertEquals(await server.closed(), undefined);
        assertEquals(server.text(), "last words");
        assertEquals(ends, 1);
        await until("the answer", () => heard === "an answer");
      }),
  },
  {
    name: "a reset ends the connection once, with a code",
    run: ({ platform }) =>
      withRawPeer(platform, async (server, raw) => {
        server.start();
        raw.resetAndDestroy();
        const error = await server.closed();
        if (error !== undefined) assertEquals(error.code, "ECONNRESET");
      }),
  },
  {
    name: "a reset under a pending write ends the connection once",
    run: ({ platform }) =>
      withRawPeer(platform, async (server, raw) => {
        server.start();
        raw.pause();
        server.send(pattern(CLOGGING_BYTES));
        await sleep(30);
        assert(server.connection.pendingBytes > 0);
        raw.resetAndDestroy();
        const error = await server.closed();
        assert(
          error === undefined || ["ECONNRESET", "EPIPE"].includes(error.code),
          `closed with ${error?.code}`,
        );
        assertEquals(server.connection.pendingBytes, 0);
      }),
  },
];

const listenCases: readonly Case[] = [
  {
    name: "listen: an address in use, and one that is not ours",
    async run({ platform }) {
      const { net } = platform;
      const ignore = { onConnection: () => {}, onError: () => {} };
      const listener = await net.listen({ hostname: LOOPBACK, port: 0, ...ignore });
      assert(listener.port > 0);
      assertEquals(listener.hostname, LOOPBACK);
      const { port } = listener;
      const again = () => net.listen({ hostname: LOOPBACK, port, ...ignore });
      assertEquals(await codeOfFailure(again), "EADDRINUSE");
      const foreign = () => net.listen({ hostname: "203.0.113.7", port: 0, ...ignore });
      // Deno's `node:net` says EINVAL.
      assert(["EADDRNOTAVAIL", "EINVAL"].includes(await codeOfFailure(foreign)));
      listener.close();
      listener.close();
      await untilRefused(platform, port);
      (await again()).close();
    },
  },
  {
    name: "listener.close: no new connections, old ones live on",
    async run({ platform }) {
      const { net } = platform;
      const accepted: Connection[] = [];
      const listener = await net.listen({
        hostname: LOOPBACK,
        port: 0,
        onConnection: (connection) => void accepted.push(connection),
        onError: () => {},
      });
      const target = { hostname: LOOPBACK, port: listener.port, timeoutMs: DEADLINE_MS };
      const client = new End(await net.connect(target)).start();
      await until("connection", () => accepted.length === 1);
      listener.close();
      await untilRefused(platform, listener.port);
      const server = new End(accepted[0]).start();
      client.send(pattern(1000));
      await until("input", () => server.bytes === 1000);
      client.connection.destroy();
      await server.closed();
    },
  },
  {
    name: "connect: refused",
    async run({ platform }) {
      const listener = await platform.net.listen({
        hostname: LOOPBACK,
        port: 0,
        onConnection: () => {},
        onError: () => {},
      });
      listener.close();
      await untilRefused(platform, listener.port);
    },
  },
  {
    name: "connect: a peer that does not answer costs the timeout and no more",
    async run({ platform: { net, clock }, blackHolePort }) {
      const startMs = clock.nowMs();
      const target = { hostname: LOOPBACK, port: blackHolePort, timeoutMs: 300 };
      assertEquals(await codeOfFailure(() => net.connect(target)), "ETIMEDOUT");
      const passedMs = clock.nowMs() - startMs;
      assert(passedMs >= 290 && passedMs < 5000, `gave up after ${passedMs} ms, expected 300`);
    },
  },
  {
    name: "many connections at a time",
    async run({ platform: { net } }) {
      const ends: End[] = [];
      const listener = await net.listen({
        hostname: LOOPBACK,
        port: 0,
        onConnection(connection) {
          const end = new End(connection);
          end.onData = (bytes) => end.send(bytes.slice());
          ends.push(end.start());
        },
        onError: () => {},
      });
      const target = { hostname: LOOPBACK, port: listener.port, timeoutMs: DEADLINE_MS };
      const clients = await Promise.all(
        Array.from({ length: 100 }, async () => new End(await net.connect(target)).start()),
      );
      clients.forEach((client, i) => client.send(pattern(5000, i)));
      await until("echoes", () => clients.every((client) => client.bytes === 5000));
      clients.forEach((client, i) => {
        assertEquals(firstDifference(client.received(), pattern(5000, i)), -1);
        client.connection.destroy();
      });
      await until("ends", () => ends.every((end) => end.closes.length === 1));
      listener.close();
    },
  },
];

/**
 * Waits until nobody listens on a port: a closed listener lets go at the end of its turn, and a
 * connection that the kernel took before is reset.
 */
async function untilRefused({ net }: Platform, port: number): Promise<void> {
  const target = { hostname: LOOPBACK, port, timeoutMs: DEADLINE_MS };
  for (let tries = 0; tries < 100; tries++) {
    const code = await codeOfFailure(async () => (await net.connect(target)).destroy());
    if (code === "ECONNREFUSED") return;
    assert(["none", "ECONNRESET"].includes(code), `a closed port answered ${code}`);
    await sleep(10);
  }
  throw new Error("Cannot go on: the closed listener still accepts");
}

/** A connection whose other end is a plain socket. */
async function withRawPeer(
  platform: Platform,
  run: (server: End, raw: rawNet.Socket) => Promise<void>,
): Promise<void> {
  const accepted: Connection[] = [];
  const listener = await platform.net.listen({
    hostname: LOOPBACK,
    port: 0,
    onConnection: (connection) => void accepted.push(connection),
    onError: () => {},
  });
  const raw = rawNet.connect({ host: LOOPBACK, port: listener.port });
  raw.on("error", () => {});
  try {
    await until("connection", () => accepted.length === 1);
    await run(new End(accepted[0]), raw);
  } finally {
    raw.destroy();
    listener.close();
    for (const connection of accepted) connection.destroy();
  }
}

export const netCases: readonly Case[] = [...exchangeCases, ...endCases, ...listenCases];
