/** A child process for the tests of the process port: `program.ts <adapter> <action> [argument]`. */

import * as net from "node:net";
import process from "node:process";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import type { Connection, Platform, Signal } from "../../src/platform/mod.ts";
import { nodePlatform } from "../../src/platform/node/mod.ts";

const [adapter, action, argument] = process.argv.slice(2);
const platform: Platform = adapter === "deno" ? denoPlatform() : nodePlatform();

function say(text: string): Promise<void> {
  return platform.process.writeStdout(new TextEncoder().encode(`${text}\n`));
}

function complain(text: string): Promise<void> {
  return platform.process.writeStderr(new TextEncoder().encode(`${text}\n`));
}

/** Keeps the process alive until it is killed. */
function stay(): void {
  platform.clock.setTimer(3_600_000, () => {});
}

async function listen(onConnection: (connection: Connection) => void): Promise<number> {
  const listener = await platform.net.listen({
    hostname: "127.0.0.1",
    port: 0,
    onConnection,
    onError: (error) => void say(`accept ${error.code}`),
  });
  return listener.port;
}

function echo(connection: Connection): void {
  connection.start({
    onData(bytes) {
      connection.output.bytes(bytes);
      connection.flush();
    },
    onClosed() {},
  });
}

const actions: Readonly<Record<string, () => void | Promise<void>>> = {
  /** Echoes; says its port, and its processor time twice a second. */
  async echo() {
    // As the program does at its start; half a second later Deno opens its own pipe for signals.
    platform.process.onSignal("SIGUSR1", () => {});
    await new Promise((resolve) => setTimeout(resolve, 800));
    await say(`port ${await listen(echo)}`);
    setInterval(() => void say(`cpu ${platform.process.cpuSeconds()}`), 500);
  },

  /** A bug in the place that the argument names must reach `onUncaught`. */
  async bug() {
    platform.process.onUncaught(async (error) => {
      await say(`uncaught ${(error as Error).message}`);
      platform.process.exit(70);
    });
    const fail = () => {
      throw new Error(`bug in ${argument}`);
    };
    if (argument === "timer") platform.clock.setTimer(1, fail);
    if (argument === "immediate") platform.clock.setImmediate(fail);
    if (argument === "rejection") Promise.reject(new Error("bug in rejection"));
    const port = await listen((connection) => {
      if (argument === "onConnection") fail();
      connection.start({
        onData() {
          if (argument === "onData") fail();
          connection.output.latin1("answer");
          connection.flush();
        },
        onDrained: argument === "onDrained" ? fail : undefined,
        onClosed() {
          if (argument === "onClosed") fail();
        },
      });
    });
    const client = await platform.net.connect({ hostname: "127.0.0.1", port, timeoutMs: 5000 });
    client.start({ onData: () => client.destroy(), onClosed() {} });
    client.output.latin1("question");
    client.flush();
    stay();
  },

  /** Writes more to stdout than any pipe holds, and reports how long the event loop stood still. */
  async flood() {
    let gapMs = 0;
    let last = platform.clock.nowMs();
    const ticker = setInterval(() => {
      const now = platform.clock.nowMs();
      gapMs = Math.max(gapMs, now - last);
      last = now;
    }, 5);
    const line = `${"x".repeat(999)}\n`;
    const bytes = new TextEncoder().encode(line.repeat(10));
    let last10 = Promise.resolve();
    for (let i = 0; i < 100; i++) last10 = platform.process.writeStdout(bytes);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await complain(`gap ${gapMs}`);
    await last10;
    clearInterval(ticker);
    await complain("done");
    platform.process.exit(0);
  },

  /** Goes on although nobody reads its output any more. */
  async pipe() {
    for (let i = 0; i < 20; i++) {
      await say(`line ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await complain("alive");
    platform.process.exit(0);
  },

  signals() {
    const names: Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"];
    for (const name of names) platform.process.onSignal(name, () => void say(name));
    stay();
    return say("ready");
  },

  /** Takes a lock and holds it to the end. */
  async lock() {
    try {
      await platform.disk.lock(argument);
      await say("locked");
      stay();
    } catch (error) {
      await say((error as { code: string }).code);
      platform.process.exit(3);
    }
  },

  async self() {
    const { selfCommand, args, env, stdoutIsTerminal, versions, pid } = platform.process;
    const seen = { selfCommand, args, color: env.LOGBOAT_TEST_COLOR, stdoutIsTerminal, versions };
    await say(JSON.stringify({ ...seen, pid }));
    platform.process.exit(5);
  },

  /** Says the clock every 20 ms. */
  clock() {
    setInterval(() => void say(`now ${platform.clock.nowMs()}`), 20);
  },

  /** A listener with a queue of one; stopped by a signal, it answers nobody. */
  blackhole() {
    const server = net.createServer();
    server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
      void say(`port ${(server.address() as net.AddressInfo).port}`);
    });
  },
};

await actions[action]();
