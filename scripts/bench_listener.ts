/**
 * What the Redis listener costs by itself: processor time a request against a node that answers at
 * once, beside a bare socket that answers `+OK` to everything. Processor time, because on a busy
 * machine requests a second say more about the neighbours.
 * `deno run -A scripts/bench_listener.ts` (needs `redis-benchmark` on the PATH).
 */

import { Ring, silentLogger } from "../src/base/mod.ts";
import type { Gateway, ReplyTarget } from "../src/node/mod.ts";
import { denoPlatform } from "../src/platform/deno/mod.ts";
import { OK } from "../src/resp/mod.ts";
import { REDIS_SETTINGS, RedisServer } from "../src/server/mod.ts";
import { FAKE_COMMANDS, FakeGateway } from "../tests/support/fake_gateway.ts";

const VALUE = "x".repeat(64);
const platform = denoPlatform();

/** Answers all operations of a turn at its end, doing nothing. */
function idleGateway(): Gateway {
  const queue: Ring<{ readonly reads: boolean; readonly target: ReplyTarget }> = new Ring();
  let scheduled = false;
  const answer = () => {
    scheduled = false;
    for (let left = queue.length; left > 0; left--) {
      const { reads, target } = queue.shift()!;
      target.onReply(reads ? VALUE : OK);
    }
  };
  const submit = (reads: boolean, target: ReplyTarget) => {
    queue.push({ reads, target });
    if (scheduled) return;
    scheduled = true;
    platform.clock.setImmediate(answer);
  };
  return {
    openLane: () => ({
      write: (_db, _request, target) => submit(false, target),
      read: (_db, _request, target) => submit(true, target),
      transaction: (_items, _writes, target) => submit(false, target),
      readsLocally: false,
      pending: 0,
      close() {},
    }),
    saturated: false,
    onRelief() {},
    view: () => new FakeGateway().view(),
  };
}

/** A socket that answers each `*` it reads with `+OK`. */
async function startEcho(): Promise<{ port: number; close(): void }> {
  const replies = new TextEncoder().encode("+OK\r\n".repeat(20_000));
  const listener = await platform.net.listen({
    hostname: "127.0.0.1",
    port: 0,
    onError() {},
    onConnection(connection) {
      connection.start({
        onData(bytes) {
          let commands = 0;
          for (let i = 0; i < bytes.length; i++) if (bytes[i] === 42) commands++;
          connection.output.bytes(replies, 0, 5 * commands);
          connection.flush();
        },
        onClosed() {},
      });
    },
  });
  return listener;
}

async function measure(name: string, port: number, args: readonly string[], requests: number) {
  const startedSeconds = platform.process.cpuSeconds();
  const { stdout } = await new Deno.Command("redis-benchmark", {
    args: ["-p", String(port), "-n", String(requests), "-d", "64", "-r", "100000", "-q", ...args],
    stderr: "null",
  }).output();
  const usedSeconds = platform.process.cpuSeconds() - startedSeconds;
  const rate = /([0-9.]+) requests per second/.exec(new TextDecoder().decode(stdout))?.[1];
  const micros = (usedSeconds * 1e6 / requests).toFixed(2);
  console.log(`${name}  ${args.join(" ")}: ${micros} us of processor, ${rate} a second`);
}

const server = new RedisServer({
  platform,
  gateway: idleGateway(),
  logger: silentLogger,
  commands: FAKE_COMMANDS,
  version: "bench",
  settings: { ...REDIS_SETTINGS, port: 0 },
});
await server.listen();
const echo = await startEcho();
for (let round = 1; round <= 2; round++) {
  for (const test of ["set", "get"]) {
    for (const [args, requests] of [[["-c", "50"], 100_000], [["-c", "50", "-P", "16"], 800_000]]) {
      const all = ["-t", test, ...args as string[]];
      await measure("listener", server.port, all, requests as number);
      await measure("echo    ", echo.port, all, requests as number);
    }
  }
}
echo.close();
await server.drainAndClose(1000);
