/**
 * `logboat demo`: a cluster on this machine in one terminal, each node a process of its own, so that
 * one can be killed to see what happens. Nothing is started again behind the user's back.
 */

import { parseFlags } from "../config/mod.ts";
import { type Child, type Platform, PlatformError } from "../platform/mod.ts";
import { printOut } from "./console.ts";
import { type DemoNode, demoTips, nodeFlags } from "./demo_node.ts";
import { EXIT_CODES, type ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { escapeControls } from "./log_line.ts";
import type { Subcommand } from "./subcommand.ts";

const NODES_MAX = 9;
const DEFAULT_DIRECTORY = "./logboat-demo";
const HOST = "127.0.0.1";
/** Preferred Redis port of node 1; the next nodes count on from here. */
const FIRST_PORT = "6379";
/** Raft and admin ports lie so far above a node's Redis port. */
const RAFT_DISTANCE = 1000;
const ADMIN_DISTANCE = 2000;
const FIRST_PORT_MAX = 65_535 - ADMIN_DISTANCE - NODES_MAX;
const READY_CHECK_MS = 50;
const READY_MS_MAX = 30_000;
/** More than the nodes' own grace, which they keep by themselves. */
const KILL_AFTER_MS = 12_000;
const COLOURS = [36, 33, 35, 32, 34, 91, 96, 93, 95];

export const demoCommand: Subcommand = {
  name: "demo",
  usage: "demo [--nodes 3] [--dir ./logboat-demo] [--port 6379]",
  summary: "Runs a cluster on this machine in one terminal, to try things out.",
  details:
    "Nodes take ports 6379, 7379 and 8379 and the next ones where they are free. Data stays\n" +
    "in the directory. Ctrl-C stops all nodes.",
  takesSettings: false,
  async run(platform, args) {
    const flags = parseFlags(args, { settings: false, own: ["nodes", "dir", "port"] });
    if (flags.problems.length > 0) {
      throw new CliFailure("usage", flags.problems.map(({ message }) => message));
    }
    if (flags.words.length > 0) {
      throw new CliFailure("usage", [`Cannot use "${flags.words[0]}": expected flags only`]);
    }
    const count = nodeCount(flags.own.get("nodes") ?? "3");
    const directory = flags.own.get("dir") ?? DEFAULT_DIRECTORY;
    const firstPort = portNumber(flags.own.get("port") ?? FIRST_PORT);
    const nodes = await planNodes(platform, count, directory, firstPort);
    return await new Demo(platform, nodes, directory).run();
  },
};

function nodeCount(text: string): number {
  if (/^[1-9]$/.test(text)) return Number(text);
  throw new CliFailure("usage", [
    `Cannot use --nodes: found "${text}", expected an integer from 1 to ${NODES_MAX}`,
  ]);
}

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= FIRST_PORT_MAX) return port;
  throw new CliFailure("usage", [
    `Cannot use --port: found "${text}", expected an integer from 1 to ${FIRST_PORT_MAX}`,
  ]);
}

/** Ports and directories. Clusters of different sizes keep their data apart. */
async function planNodes(
  platform: Platform,
  count: number,
  directory: string,
  firstPort: number,
): Promise<DemoNode[]> {
  const taken = new Set<number>();
  const nodes: DemoNode[] = [];
  for (let id = 1; id <= count; id++) {
    const port = firstPort + id - 1;
    nodes.push({
      id,
      host: HOST,
      redisPort: await freePort(platform, port, taken),
      raftPort: await freePort(platform, port + RAFT_DISTANCE, taken),
      adminPort: await freePort(platform, port + ADMIN_DISTANCE, taken),
      dataDir: `${directory}/${count}-nodes/node-${id}`,
    });
  }
  return nodes;
}

/** The preferred port when nobody has it, else any free one. */
async function freePort(
  platform: Platform,
  preferred: number,
  taken: Set<number>,
): Promise<number> {
  for (let port = preferred;; port = 0) {
    try {
      const listener = await platform.net.listen({
        hostname: HOST,
        port,
        onConnection: (connection) => connection.destroy(),
        onError: () => {},
      });
      const found = listener.port;
      listener.close();
      if (taken.has(found)) continue;
      taken.add(found);
      return found;
    } catch (error) {
      const isTaken = error instanceof PlatformError &&
        ["EADDRINUSE", "EACCES"].includes(error.code);
      if (!isTaken || port === 0) throw error;
    }
  }
}

class Demo {
  readonly #platform: Platform;
  readonly #nodes: readonly DemoNode[];
  readonly #directory: string;
  readonly #coloured: boolean;
  readonly #children = new Map<number, Child>();
  readonly #exits: Promise<void>[] = [];
  readonly #stopRequested: Promise<void>;
  #requestStop: () => void = () => {};
  #stopping = false;
  #isStarted = false;
  /** Why the demo cannot go on. */
  #failure: string | undefined;

  constructor(platform: Platform, nodes: readonly DemoNode[], directory: string) {
    const { process } = platform;
    this.#directory = directory;
    this.#platform = platform;
    this.#nodes = nodes;
    this.#coloured = process.stdoutIsTerminal && (process.env.NO_COLOR ?? "") === "";
    this.#stopRequested = new Promise((resolve) => this.#requestStop = resolve);
  }

  async run(): Promise<ExitName> {
    const { process } = this.#platform;
    process.onSignal("SIGINT", () => this.#onSignal("interrupted"));
    process.onSignal("SIGTERM", () => this.#onSignal("terminated"));
    process.onSignal("SIGUSR1", () => {});
    for (const node of this.#nodes) this.#start(node);
    if (await this.#allReady()) {
      const running = this.#nodes.map((node) => ({
        ...node,
        pid: this.#children.get(node.id)?.pid ?? 0,
      }));
      await this.#say(demoTips(running, await leaderSeenBy(this.#nodes[0])));
    }
    await this.#stopRequested;
    await this.#stop();
    if (this.#failure !== undefined) throw new CliFailure("demoFailed", [this.#failure]);
    await this.#say("All nodes have stopped.");
    return "ok";
  }

  #start(node: DemoNode): void {
    const { process } = this.#platform;
    const command = [...process.selfCommand, "serve", ...nodeFlags(node, this.#nodes)];
    const child = process.spawn(command, (line) => void this.#line(node.id, line));
    this.#children.set(node.id, child);
    this.#exits.push(child.exited.then((code) => this.#onExit(node, child.pid, code)));
  }

  #onExit(node: DemoNode, pid: number, code: number): void {
    this.#children.delete(node.id);
    if (this.#stopping) return;
    const left = this.#children.size;
    const majority = Math.floor(this.#nodes.length / 2) + 1;
    const effect = left >= majority
      ? "the others go on"
      : `${left} of ${this.#nodes.length} run, which is no majority: nothing can be written`;
    void this.#say(`Node ${node.id} (process ${pid}) ended with code ${code}; ${effect}.`);
    if (!this.#isStarted) this.#fail("Cannot start the demo: a node ended at its start");
    else if (left === 0) this.#fail("Cannot go on with the demo: every node has ended");
  }

  #fail(reason: string): void {
    this.#failure ??= `${reason}; see the lines above. Stop what holds its ports or its ` +
      `directory, or delete ${this.#directory} to begin anew`;
    this.#requestStop();
  }

  #onSignal(atOnce: "interrupted" | "terminated"): void {
    const { process } = this.#platform;
    if (this.#stopping) {
      for (const child of this.#children.values()) child.kill("SIGKILL");
      process.exit(EXIT_CODES[atOnce].code);
    }
    this.#stopping = true;
    void this.#say("Stopping all nodes; again to end at once.");
    this.#requestStop();
  }

  /** Waits until every node serves; false when one ended before or the user stopped. */
  async #allReady(): Promise<boolean> {
    const { clock } = this.#platform;
    const endMs = clock.nowMs() + READY_MS_MAX;
    const waiting = new Set(this.#nodes);
    while (waiting.size > 0 && !this.#stopping) {
      if (this.#failure !== undefined) return false;
      if (clock.nowMs() > endMs) {
        this.#fail(`Cannot start the demo: not all nodes were ready in ${READY_MS_MAX / 1000} s`);
        return false;
      }
      for (const node of [...waiting]) if (await isReady(node)) waiting.delete(node);
      if (waiting.size > 0) await this.#pause(READY_CHECK_MS);
    }
    this.#isStarted = true;
    return !this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    const { clock } = this.#platform;
    for (const child of this.#children.values()) child.kill("SIGTERM");
    const timer = clock.setTimer(KILL_AFTER_MS, () => {
      for (const [id, child] of this.#children) {
        void this.#say(`Node ${id} did not stop in ${KILL_AFTER_MS / 1000} s: it is killed.`);
        child.kill("SIGKILL");
      }
    });
    await Promise.all(this.#exits);
    timer.cancel();
  }

  #line(id: number, line: string): Promise<void> {
    const text = escapeControls(line);
    if (!this.#coloured) return printOut(this.#platform.process, `node ${id} | ${text}`);
    const colour = COLOURS[(id - 1) % COLOURS.length];
    return printOut(this.#platform.process, `\x1b[${colour}mnode ${id} |\x1b[0m ${text}`);
  }

  #say(text: string): Promise<void> {
    const line = this.#coloured
      ? text.replace(/^(?=.)/gm, "\x1b[1m").replace(/$/gm, "\x1b[0m")
      : text;
    return printOut(this.#platform.process, line);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#platform.clock.setTimer(delayMs, resolve));
  }
}

async function isReady(node: DemoNode): Promise<boolean> {
  return (await ask(node, "/readyz"))?.ok ?? false;
}

async function leaderSeenBy(node: DemoNode): Promise<number | undefined> {
  const status = (await ask(node, "/api/v1/status"))?.answer as { leaderId?: number } | undefined;
  return status?.leaderId;
}

/** Undefined when the node does not answer. */
async function ask(
  { host, adminPort }: DemoNode,
  path: string,
): Promise<{ ok: boolean; answer: unknown } | undefined> {
  try {
    const response = await fetch(`http://${host}:${adminPort}${path}`, {
      signal: AbortSignal.timeout(1000),
      headers: { connection: "close" },
    });
    return { ok: response.ok, answer: await response.json() };
  } catch {
    return undefined;
  }
}
