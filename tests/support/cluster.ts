/**
 * A cluster of real processes in a temporary directory, for end-to-end tests: on loopback, or where
 * each node is placed. Nodes are started, killed, stopped and started again with the same flags and
 * data.
 */

import { freePorts } from "./ports.ts";
import { logboatCommand, type Runtime, ServerProcess } from "./server_process.ts";
import { until, within } from "./wait.ts";
import { WireClient } from "./wire_client.ts";

/** Where a node lives when it has a network of its own: ports are Logboat's default ones then. */
export interface NodePlacement {
  /** Where clients and tests reach its Redis and admin listeners. */
  readonly clientHost: string;
  /** Where the other members reach its Raft listener, which listens on every address. */
  readonly raftHost: string;
  /** Put before its command line, to enter its place. */
  readonly wrapper: readonly string[];
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly timing?: "lan" | "edge";
  /** More flags for every node. */
  readonly flags?: readonly string[];
  /** One for all, or one for each node in the order of their ids. */
  readonly runtime?: Runtime | readonly Runtime[];
  readonly env?: (node: TestNode) => Record<string, string>;
  /** Put before the command line of every node, for example a shell that changes its streams. */
  readonly wrapper?: readonly string[];
  readonly openFilesMax?: number;
  /** None: on loopback, on free ports. */
  readonly placement?: (id: number) => NodePlacement;
}

/** The part of `/api/v1/status` that tests look at. */
export interface NodeStatus {
  readonly nodeId: number;
  readonly role: string;
  readonly term: number;
  readonly leaderId?: number | null;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly incarnation: number;
  readonly members: readonly {
    readonly id: number;
    readonly connected: boolean;
    readonly snapshotSending: { readonly sentBytes: number; readonly bytes: number } | null;
  }[];
  readonly network: { readonly handshakesRefused: number; readonly damagedFrames: number };
  readonly damagedEntries: number;
  readonly quarantined: string | null;
  readonly snapshotIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** An answer of the admin API. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const startMs = 20_000;
const loopback = "127.0.0.1";
/** What a listener that others can reach is protected with. */
const adminToken = "token-of-the-tests";
const raftSecret = "secret-of-the-tests";

/** One member: its addresses and directory stay, its process comes and goes. */
export class TestNode {
  readonly id: number;
  readonly redisPort: number;
  readonly raftPort: number;
  readonly adminPort: number;
  readonly dataDir: string;
  readonly placement: NodePlacement | undefined;
  readonly #cluster: Cluster;
  /** How the next start runs it. */
  runtime: Runtime;
  /** The current or last process. */
  process: ServerProcess | undefined;

  constructor(cluster: Cluster, id: number, ports: readonly number[], runtime: Runtime) {
    this.#cluster = cluster;
    this.id = id;
    [this.redisPort, this.raftPort, this.adminPort] = ports;
    this.dataDir = `${cluster.directory}/node-${id}`;
    this.placement = cluster.options.placement?.(id);
    this.runtime = runtime;
  }

  /** Where its Redis and admin listeners are. */
  get clientHost(): string {
    return this.placement?.clientHost ?? loopback;
  }

  /** Where members reach its Raft listener. */
  get raftHost(): string {
    return this.placement?.raftHost ?? loopback;
  }

  get isRunning(): boolean {
    return this.process !== undefined && this.process.status === undefined;
  }

  /** The flags of `serve`; `dataDir` may name another directory than the node's own. */
  flags(dataDir = this.dataDir): string[] {
    const { nodes, options } = this.#cluster;
    const flags = [
      ...["--node-id", `${this.id}`, "--node-data-dir", dataDir],
      ...["--redis-listen", `${this.clientHost}:${this.redisPort}`],
      ...["--raft-listen", `${this.#raftListenHost}:${this.raftPort}`],
      ...["--admin-listen", `${this.clientHost}:${this.adminPort}`],
      ...["--raft-timing", options.timing ?? "lan"],
    ];
    for (const node of nodes.length > 1 ? nodes : []) {
      const raft = `${node.raftHost}:${node.raftPort}`;
      const redis = `${node.clientHost}:${node.redisPort}`;
      flags.push("--raft-peer", `${node.id}=${raft},${redis}`);
    }
    if (this.placement !== undefined) {
      flags.push("--redis-protected-mode", "false");
      flags.push("--raft-secret", raftSecret, "--admin-token", adminToken);
    }
    return [...flags, ...options.flags ?? []];
  }

  get #raftListenHost(): string {
    return this.placement === undefined ? loopback : "0.0.0.0";
  }

  /** Starts the process without waiting for it to serve. */
  spawn(): void {
    if (this.isRunning) throw new Error(`Cannot start node ${this.id}: it runs`);
    const { options } = this.#cluster;
    this.process = new ServerProcess(
      `node ${this.id}`,
      [
        ...this.placement?.wrapper ?? [],
        ...options.wrapper ?? [],
        ...logboatCommand(this.runtime),
        "serve",
        ...this.flags(),
      ],
      { env: options.env?.(this), openFilesMax: options.openFilesMax },
    );
    this.#cluster.processes.push(this.process);
  }

  /** Starts the process and waits until it serves. */
  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** Waits until `/readyz` says yes; throws at once when the process ends. */
  async ready(withinMs = startMs): Promise<void> {
    const process = this.process;
    await until(`node ${this.id} ready`, { withinMs }, async () => {
      if (process === undefined || process.status !== undefined) return true;
      const response = await this.#get("/readyz");
      return response.status === 200;
    });
    if (process?.status !== undefined) {
      throw new Error(
        `Cannot start node ${this.id}: it ended with code ${process.status.code}\n` +
          process.tail(20),
      );
    }
  }

  async #get(path: string): Promise<{ status: number; body: string }> {
    return await this.#request(path, {});
  }

  async #request(path: string, init: RequestInit): Promise<{ status: number; body: string }> {
    const authorization = `Bearer ${adminToken}`;
    const response = await fetch(`http://${this.clientHost}:${this.adminPort}${path}`, {
      signal: AbortSignal.timeout(2000),
      ...init,
      headers: { connection: "close", authorization, ...init.headers },
    });
    return { status: response.status, body: await response.text() };
  }

  /** Asks the admin API for an action. The answer may take as long as the action. */
  async post(path: string, body: unknown, withinMs: number): Promise<AdminAnswer> {
    const { status, body: text } = await this.#request(path, {
      method: "POST",
      signal: AbortSignal.timeout(withinMs),
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status, body: JSON.parse(text) };
  }

  async readiness(): Promise<{ status: number; body: string }> {
    return await this.#get("/readyz");
  }

  async metrics(): Promise<string> {
    return (await this.#get("/metrics")).body;
  }

  async status(): Promise<NodeStatus> {
    const { status, body } = await this.#get("/api/v1/status");
    if (status !== 200) throw new Error(`Cannot read the status of node ${this.id}: ${body}`);
    return JSON.parse(body) as NodeStatus;
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    await this.process?.kill();
  }

  /** SIGTERM, and waits for the exit code. */
  async stop(withinMs = 15_000): Promise<number> {
    const process = this.process;
    if (process === undefined) throw new Error(`Cannot stop node ${this.id}: it never ran`);
    process.signal("SIGTERM");
    return (await within(`node ${this.id} to stop`, withinMs, process.exited)).code;
  }

  /** A new connection. Throws when nobody listens. */
  connect(): Promise<WireClient> {
    return WireClient.connect(this.redisPort, this.clientHost);
  }

  /** Runs `body` with a connection that is closed afterwards. */
  async withClient<T>(body: (client: WireClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await body(client);
    } finally {
      client.close();
      await client.closed;
    }
  }
}

export class Cluster {
  readonly options: ClusterOptions;
  readonly directory: string;
  readonly nodes: TestNode[] = [];
  /** Every process that was ever started, for the logs and the end. */
  readonly processes: ServerProcess[] = [];

  constructor(options: ClusterOptions, directory: string) {
    this.options = options;
    this.directory = directory;
    const ports = options.placement === undefined
      ? freePorts(3 * options.nodes)
      : Array.from({ length: options.nodes }, () => [6379, 7379, 8379]).flat();
    for (let i = 0; i < options.nodes; i++) {
      const { runtime } = options;
      const own = (typeof runtime === "object" ? runtime[i] : runtime) ?? "default";
      this.nodes.push(new TestNode(this, i + 1, ports.slice(3 * i, 3 * i + 3), own));
    }
  }

  node(id: number): TestNode {
    return this.nodes[id - 1];
  }

  /** Starts every node that does not run, and waits until all serve. */
  async start(): Promise<void> {
    for (const node of this.nodes) {
      if (!node.isRunning) node.spawn();
    }
    await this.ready();
  }

  async ready(withinMs = startMs): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ready(withinMs)));
  }

  /** The node that every running node takes for the leader, and that says so itself. */
  async leader(withinMs = 15_000): Promise<TestNode> {
    return await until("one leader that all agree on", { withinMs }, async () => {
      const running = this.nodes.filter((node) => node.isRunning);
      const states = await Promise.all(running.map((node) => node.status()));
      const leaders = states.filter((status) => status.role === "leader");
      if (leaders.length !== 1) return undefined;
      const { nodeId, term } = leaders[0];
      const agreed = states.every((status) => status.leaderId === nodeId && status.term === term);
      return agreed ? this.node(nodeId) : undefined;
    });
  }

  /** Waits until every node has applied everything that is committed anywhere. */
  async caughtUp(withinMs = 15_000): Promise<void> {
    await until("every node caught up", { withinMs }, async () => {
      const states = await Promise.all(this.nodes.map((node) => node.status()));
      const commit = Math.max(...states.map((status) => status.commitIndex));
      return states.every((status) => status.appliedIndex === commit);
    });
  }

  /** Ends all processes and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.kill()));
    await Deno.remove(this.directory, { recursive: true });
  }

  /** The ends of all logs. */
  logs(lines = 40): string {
    return this.processes.map((process) => {
      const end = process.status === undefined ? "running" : `ended, code ${process.status.code}`;
      return `${process.name} (pid ${process.pid}, ${end})\n${process.tail(lines)}`;
    }).join("\n");
  }
}

const portTries = 4;

/** Runs `body` with a cluster whose nodes all serve. Prints the logs when it throws. */
export async function withCluster(
  options: ClusterOptions,
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await startedCluster(options);
  await closing(cluster, () => body(cluster));
}

/** The same, with no node started. */
export async function withStoppedCluster(
  options: ClusterOptions,
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = new Cluster(options, await Deno.makeTempDir({ prefix: "logboat-e2e-" }));
  await closing(cluster, () => body(cluster));
}

async function closing(cluster: Cluster, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    console.error(cluster.logs());
    throw error;
  } finally {
    await cluster.close();
  }
}

/** Starts with other ports when somebody took one between the probe and the start. */
async function startedCluster(options: ClusterOptions): Promise<Cluster> {
  for (let tries = 1;; tries++) {
    const directory = await Deno.makeTempDir({ prefix: "logboat-e2e-" });
    const cluster = new Cluster(options, directory);
    try {
      await cluster.start();
      return cluster;
    } catch (error) {
      const logs = cluster.logs();
      await cluster.close();
      if (tries < portTries && /in use|EADDRINUSE/i.test(logs)) continue;
      console.error(logs);
      throw error;
    }
  }
}
