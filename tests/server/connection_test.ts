/** The listener on connections without a socket: turns, flushes, and where a client comes from. */

import { bytesFromLatin1, ByteWriter, latin1FromBytes, silentLogger } from "../../src/base/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import type { Connection, ConnectionHandler, Platform } from "../../src/platform/mod.ts";
import { REDIS_SETTINGS, RedisServer } from "../../src/server/mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { FAKE_COMMANDS, FakeGateway } from "../support/fake_gateway.ts";
import { command } from "../support/resp_client.ts";

class LooseConnection implements Connection {
  readonly remoteHostname: string;
  readonly remotePort = 1;
  readonly localHostname = "127.0.0.1";
  readonly localPort = 2;
  readonly output = new ByteWriter();
  handler: ConnectionHandler | undefined = undefined;
  paused = false;
  closed = false;
  flushes = 0;

  constructor(remoteHostname: string) {
    this.remoteHostname = remoteHostname;
  }

  start(handler: ConnectionHandler): void {
    this.handler = handler;
  }
  flush(): void {
    this.flushes++;
  }
  get pendingBytes(): number {
    return this.output.length;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.closed = true;
  }
  destroy(): void {
    this.closed = true;
  }
  get replies(): string[] {
    return latin1FromBytes(this.output.view()).split("\r\n").slice(0, -1);
  }
}

async function withConnection(
  body: (connection: LooseConnection, turns: (() => void)[]) => void,
  { remoteHostname = "127.0.0.1", settings = REDIS_SETTINGS } = {},
): Promise<void> {
  const turns: (() => void)[] = [];
  const real = denoPlatform();
  const connection = new LooseConnection(remoteHostname);
  const platform: Platform = {
    ...real,
    clock: {
      ...real.clock,
      nowMs: () => real.clock.nowMs(),
      wallMs: () => real.clock.wallMs(),
      setTimer: (delayMs, callback) => real.clock.setTimer(delayMs, callback),
      setImmediate: (callback) => turns.push(callback),
      afterInput: (callback) => real.clock.afterInput(callback),
    },
    net: {
      connect: () => Promise.reject(new Error("Cannot connect: nothing to connect to")),
      listen: (options) => {
        options.onConnection(connection);
        return Promise.resolve({ hostname: "127.0.0.1", port: 1, close() {} });
      },
    },
  };
  const server = new RedisServer({
    platform,
    gateway: new FakeGateway({ schedule: (run) => turns.push(run) }),
    logger: silentLogger,
    commands: FAKE_COMMANDS,
    version: "0.0.0-test",
    settings,
  });
  await server.listen();
  body(connection, turns);
  connection.handler?.onClosed(undefined);
  await server.drainAndClose(0);
}

function runTurn(turns: (() => void)[]): void {
  for (const callback of turns.splice(0)) callback();
}

Deno.test("a turn serves a bounded number of one client's commands; the rest follow", async () => {
  await withConnection((connection, turns) => {
    const count = 2000;
    const commands = Array.from({ length: count }, (_, i) => command("PING", String(i))).join("");
    const bytes = bytesFromLatin1(commands);
    connection.handler!.onData(bytes);
    bytes.fill(0);
    const first = connection.replies.length / 2;
    assert(first > 0 && first < count / 2, `${first} commands in one turn`);
    assert(connection.paused, "the connection is still being read");
    let turnsTaken = 0;
    for (; turns.length > 0; turnsTaken++) runTurn(turns);
    assert(turnsTaken >= 3, `only ${turnsTaken} turns for the rest`);
    assertEquals(
      connection.replies.filter((_, i) => i % 2 === 1),
      Array.from({ length: count }, (_, i) => String(i)),
    );
    assert(!connection.paused, "the connection is not read again");
  });
});

Deno.test("replies that come in one turn leave in one flush", async () => {
  await withConnection((connection, turns) => {
    connection.handler!.onData(bytesFromLatin1(command("INCR", "n").repeat(100)));
    assertEquals(connection.flushes, 0);
    while (turns.length > 0) runTurn(turns);
    assertEquals(connection.replies.length, 100);
    assertEquals(connection.flushes, 1);
  });
});

Deno.test("without a password only clients of this machine are served", async () => {
  for (const remoteHostname of ["10.1.2.3", "192.168.0.1", "fe80::1", "::ffff:10.0.0.1"]) {
    await withConnection((connection) => {
      assertMatch(connection.replies[0], /^-DENIED Redis is running in protected mode because/);
      assert(connection.closed && connection.handler === undefined);
    }, { remoteHostname });
    const served = (connection: LooseConnection) => assert(connection.handler !== undefined);
    await withConnection(served, {
      remoteHostname,
      settings: { ...REDIS_SETTINGS, protectedMode: false },
    });
    await withConnection(served, {
      remoteHostname,
      settings: { ...REDIS_SETTINGS, password: "secret" },
    });
  }
  for (const remoteHostname of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
    await withConnection((connection) => assert(connection.handler !== undefined), {
      remoteHostname,
    });
  }
});
