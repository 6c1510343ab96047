/** The HTTP port: answers, limits, and deadlines against slow clients. */

import * as net from "node:net";
import type { HttpAnswer, HttpRequest, HttpServer, Platform } from "../../../src/platform/mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { type Case, codeOfFailure, sleep, until } from "./harness.ts";

const REQUEST_TIMEOUT_MS = 800;

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname;
  if (path === "/slow") await sleep(60_000);
  if (path === "/echo") return new Response(await request.text());
  return new Response(`${request.method} ${path}`, { headers: { "x-test": "yes" } });
}

async function withServer(
  platform: Platform,
  run: (server: HttpServer) => Promise<void>,
): Promise<void> {
  const server = await platform.http.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: answer,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  try {
    await run(server);
  } finally {
    await server.close(0);
  }
}

interface RawResult {
  readonly text: string;
  readonly closedAfterMs: number;
}

/** Sends bytes, then nothing, and waits for the server to end the connection. */
async function sendAndWait(port: number, bytes: string): Promise<RawResult> {
  const startMs = performance.now();
  let text = "";
  let closed = false;
  const socket = net.connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
  socket.on("close", () => closed = true);
  socket.write(bytes);
  try {
    await until("end of the connection", () => closed);
    return { text, closedAfterMs: performance.now() - startMs };
  } finally {
    socket.destroy();
  }
}

function assertDeadline({ closedAfterMs }: RawResult): void {
  assert(closedAfterMs >= REQUEST_TIMEOUT_MS / 2, `closed after ${closedAfterMs} ms: too early`);
  assert(closedAfterMs < 6000, `closed after ${closedAfterMs} ms, expected ${REQUEST_TIMEOUT_MS}`);
}

export const httpCases: readonly Case[] = [
  {
    name: "http: requests, bodies, headers",
    run: ({ platform }) =>
      withServer(platform, async ({ port, hostname }) => {
        assertEquals(hostname, "127.0.0.1");
        const got = await fetch(`http://127.0.0.1:${port}/a/b?c=d`);
        assertEquals(await got.text(), "GET /a/b");
        assertEquals(got.headers.get("x-test"), "yes");
        const body = "x".repeat(100_000);
        const echo = await fetch(`http://127.0.0.1:${port}/echo`, { method: "POST", body });
        assertEquals((await echo.text()) === body, true, "the body differs");
        const head = await fetch(`http://127.0.0.1:${port}/h`, { method: "HEAD" });
        assertEquals([head.status, await head.text()], [200, ""]);
      }),
  },
  {
    name: "http: deadlines for silent, slow-header, slow-body and idle clients",
    run: ({ platform }) =>
      withServer(platform, async ({ port }) => {
        const [silent, header, body, idle] = await Promise.all([
          sendAndWait(port, ""),
          sendAndWait(port, "GET / HTTP/1.1\r\nHost: a\r\n"),
          sendAndWait(port, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"),
          sendAndWait(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ]);
        for (const result of [silent, header, body, idle]) assertDeadline(result);
        assert(idle.text.startsWith("HTTP/1.1 200 "), idle.text);
        assert(!body.text.startsWith("HTTP/1.1 200 "), body.text);
      }),
  },
  {
    name: "http: limits of bodies and headers",
    run: ({ platform }) =>
      withServer(platform, async ({ port }) => {
        const post = "POST /echo HTTP/1.1\r\nHost: a\r\n";
        const long = await sendAndWait(port, `${post}Content-Length: 999999999\r\n\r\nabc`);
        assert(long.text.startsWith("HTTP/1.1 413 "), long.text);
        const chunked = await sendAndWait(port, `${post}Transfer-Encoding: chunked\r\n\r\n`);
        assert(chunked.text.startsWith("HTTP/1.1 411 "), chunked.text);
        const wide = await sendAndWait(port, `GET / HTTP/1.1\r\nX: ${"y".repeat(40_000)}\r\n\r\n`);
        assert(!wide.text.startsWith("HTTP/1.1 200 "), wide.text.slice(0, 100));
        const ok = await fetch(`http://127.0.0.1:${port}/still-here`);
        assertEquals(await ok.text(), "GET /still-here");
      }),
  },
  {
    name: "http: an address in use is an error",
    run: ({ platform }) =>
      withServer(platform, async ({ port }) => {
        const again = () =>
          platform.http.serve({
            hostname: "127.0.0.1",
            port,
            fetch: answer,
            requestTimeoutMs: REQUEST_TIMEOUT_MS,
          });
        assertEquals(await codeOfFailure(again), "EADDRINUSE");
      }),
  },
  {
    name: "http: close waits for running requests no longer than the grace",
    run: ({ platform }) =>
      withServer(platform, async (server) => {
        const pending = fetch(`http://127.0.0.1:${server.port}/slow`).then(
          () => "answered",
          () => "cut",
        );
        await sleep(100);
        const startMs = performance.now();
        await server.close(200);
        const passedMs = performance.now() - startMs;
        assert(passedMs < 5000, `closed after ${passedMs} ms, expected 200`);
        assertEquals(await pending, "cut");
      }),
  },
  {
    name: "http client: an answer, with the body that was sent",
    run: ({ platform }) =>
      withServer(platform, async ({ port }) => {
        const body = "y".repeat(200_000);
        const echo = await platform.http.request(request(port, "/echo", { method: "POST", body }));
        assertEquals([echo.status, await textOf(echo)], [200, body]);
        const gone = await platform.http.request(request(port, "/a", { method: "DELETE" }));
        assertEquals(await textOf(gone), "DELETE /a");
      }),
  },
  {
    name: "http client: nobody there, silence, and an end in the middle are told apart",
    run: async ({ platform }) => {
      const send = (port: number) =>
        codeOfFailure(async () => {
          await textOf(await platform.http.request(request(port, "/", { silenceMsMax: 300 })));
        });
      assertEquals(await send(1), "ECONNREFUSED");
      await withRawServer("", async (port) => assertEquals(await send(port), "ETIMEDOUT"));
      const head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
      await withRawServer(`${head}half`, async (port) => {
        assertEquals(await send(port), "ETIMEDOUT");
      });
      await withRawServer(`${head}half`, async (port) => {
        assertEquals(await send(port), "ECONNRESET");
      }, true);
    },
  },
  {
    name: "http client: a reader may be slower than the silence allows",
    run: ({ platform }) =>
      withServer(platform, async ({ port }) => {
        const body = "z".repeat(500_000);
        const answer = await platform.http.request(
          request(port, "/echo", { method: "POST", body, silenceMsMax: 200 }),
        );
        let length = 0;
        for await (const chunk of answer.body) {
          if (length === 0) await sleep(500);
          length += chunk.length;
        }
        assertEquals(length, body.length);
      }),
  },
];

function request(port: number, path: string, change: Partial<HttpRequest>): HttpRequest {
  return {
    url: `http://127.0.0.1:${port}${path}`,
    method: "GET",
    headers: {},
    body: undefined,
    silenceMsMax: 5000,
    ...change,
  };
}

async function textOf(answer: HttpAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of answer.body) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** Answers any request with `text` and then nothing, or the end of the connection. */
async function withRawServer(
  text: string,
  run: (port: number) => Promise<void>,
  ends = false,
): Promise<void> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      if (text !== "") socket.write(text);
      if (ends) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run((server.address() as net.AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
