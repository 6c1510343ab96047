/** The admin endpoint over real sockets, as clients and slow clients see it. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { until, within } from "../support/wait.ts";
import { adminApp } from "../../src/admin/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { fakeNode } from "./support.ts";

async function withServer(
  token: string,
  test: (port: number) => Promise<void>,
  requestTimeoutMs = 5000,
): Promise<void> {
  const server = await denoPlatform().http.serve({
    hostname: "127.0.0.1",
    port: 0,
    requestTimeoutMs,
    fetch: adminApp(fakeNode({ token })).fetch,
  });
  try {
    await test(server.port);
  } finally {
    await server.close(100);
  }
}

/** Sends raw bytes and reads until the server closes. */
async function exchange(port: number, text: string): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  return await within("the server to close", 10_000, new Response(connection.readable).text());
}

Deno.test("health, status and metrics over HTTP", async () => {
  await withServer("", async (port) => {
    for (const path of ["/healthz", "/readyz", "/api/v1/status", "/metrics", "/"]) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      const text = await response.text();
      assertEquals(response.status, 200, path);
      assert(text.length > 5, path);
    }
  });
});

Deno.test("the Host header that counts is the one on the wire", async () => {
  await withServer("", async (port) => {
    const request = (host: string) =>
      exchange(port, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assertMatch(await request(`localhost:${port}`), /^HTTP\/1\.1 200 /);
    assertMatch(await request("evil.example"), /^HTTP\/1\.1 403 /);
  });
});

Deno.test("the token is asked for over HTTP too", async () => {
  await withServer("t0ken", async (port) => {
    const url = `http://127.0.0.1:${port}/api/v1/transfer`;
    const refused = await fetch(url, { method: "POST" });
    await refused.body?.cancel();
    assertEquals(refused.status, 401);
    const taken = await fetch(url, {
      method: "POST",
      body: '{"to":2}',
      headers: { authorization: "Bearer t0ken", "content-type": "application/json" },
    });
    assertEquals([taken.status, await taken.json()], [200, { leaderId: 2 }]);
  });
});

Deno.test("a client that never ends its header is cut off", async () => {
  await withServer("", async (port) => {
    const startMs = performance.now();
    await until("the connection to be closed", { withinMs: 10_000 }, async () => {
      await exchange(port, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
      return true;
    });
    assert(performance.now() - startMs >= 250, "closed before its time was over");
  }, 300);
});
