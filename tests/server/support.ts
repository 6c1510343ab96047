/** A Redis listener on a free port with a fake node behind it. */

import { silentLogger } from "../../src/base/mod.ts";
import type { CommandDeclaration } from "../../src/commands/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { REDIS_SETTINGS, RedisServer, type RedisSettings } from "../../src/server/mod.ts";
import { FAKE_COMMANDS, FakeGateway } from "../support/fake_gateway.ts";
import { RespClient } from "../support/resp_client.ts";

export interface TestServer {
  readonly server: RedisServer;
  readonly gateway: FakeGateway;
  readonly port: number;
}

/** Runs `body` with a listener, and closes it and every client made with `connect`. */
export async function withServer(
  body: (
    test: TestServer & { connect(): Promise<RespClient> },
  ) => Promise<void>,
  settings: Partial<RedisSettings> = {},
  commands: Iterable<CommandDeclaration> = FAKE_COMMANDS,
): Promise<void> {
  const platform = denoPlatform();
  const gateway = new FakeGateway({ schedule: (run) => platform.clock.setImmediate(run) });
  const server = new RedisServer({
    platform,
    gateway,
    logger: silentLogger,
    commands,
    version: "0.0.0-test",
    settings: { ...REDIS_SETTINGS, port: 0, ...settings },
  });
  await server.listen();
  const clients: RespClient[] = [];
  const connect = async () => {
    const client = await RespClient.connect(server.port);
    clients.push(client);
    return client;
  };
  try {
    await body({ server, gateway, port: server.port, connect });
  } finally {
    for (const client of clients) client.close();
    gateway.resume();
    await server.drainAndClose(1000);
  }
}

/** Waits until `condition` holds; fails after five seconds. */
export async function waitUntil(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`Waited 5 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
