/** Damaged streams on real sockets: the listener answers or closes, and lives on. */

import { bytesFromLatin1, Prng } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { command, RespClient } from "../support/resp_client.ts";
import { waitUntil, withServer } from "./support.ts";

const STREAMS: readonly string[] = [
  command("SET", "k", "v") + command("GET", "k") + command("PING"),
  command("MULTI") + command("INCR", "n") + command("SELECT", "2") + command("EXEC"),
  command("HELLO", "3", "SETNAME", "a") + command("CLIENT", "LIST") + command("INFO"),
  command("COMMAND", "DOCS", "get") + command("COMMAND", "GETKEYS", "set", "a", "b"),
  command("CONFIG", "GET", "*") + command("CLUSTER", "SLOTS") + command("ROLE"),
  "SET \"a\\x41\" 'b'\r\nCLIENT REPLY SKIP\r\nPING\r\n",
];

Deno.test("fuzz: no damage to a stream harms the listener", async () => {
  const seed = 7_379;
  const random = new Prng(seed);
  await withServer(async ({ port, server, connect }) => {
    const deadlineMs = performance.now() + 2000;
    for (let round = 0; performance.now() < deadlineMs; round++) {
      const bytes = bytesFromLatin1(random.pick(STREAMS) + random.pick(STREAMS));
      for (let i = random.between(1, 8); i > 0; i--) {
        bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
      }
      const client = await RespClient.connect(port);
      try {
        for (let at = 0; at < bytes.length;) {
          const next = Math.min(bytes.length, at + random.between(1, 60));
          await client.send(bytes.subarray(at, next));
          at = next;
        }
      } catch (error) {
        // The server closed on a protocol error while more was sent: as it should.
        assert(
          error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset,
          `seed ${seed}, round ${round}: ${error}`,
        );
      } finally {
        client.close();
      }
    }
    await waitUntil("every client to be gone", () => server.sessions.size === 0);
    const client = await connect();
    assertEquals(await client.call("PING"), "+PONG\r\n");
    const held = (await client.value("CLIENT", "INFO") as string).match(/tot-mem=(\d+)/)![1];
    assert(Number(held) < 200_000);
  });
});
