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
  /** Members from the first start on. */
  readonly nodes: number;
  /** Places for nodes that may join later; needs `placement`. */
  readonly spares?: number;
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
    readonly standing: "voter" | "learner" | "joining" | "leaving";
    readonly connected: boolean;
    readonly snapshotSending: { readonly sentBytes: number; readonly bytes: number } | null;
  }[];
  readonly changingMembers: boolean;
  readonly configurationIndex: number;
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

/** How a node asks to become a member of a cluster that runs. */
export interface Joining {
  /** A member. */
  readonly through: TestNode;
  readonly as?: "voter" | "learner";
  /** The id of the voter whose place it takes. */
  readonly replaces?: number;
}

/**
 * A place for one member: its addresses stay, its process comes and goes. With `join` another member
 * begins in it, with another directory and an id that the cluster gives it.
 */
export class TestNode {
  /** The number of the place, and the id of the member that is there from the first start on. */
  readonly id: number;
  readonly redisPort: number;
  readonly raftPort: number;
  readonly adminPort: number;
  dataDir: string;
  /** Whether a member is here, running or about to be started again. */
  isPresent: boolean;
  readonly placement: NodePlacement | undefined;
  readonly #cluster: Cluster;
  /** How the next start runs it. */
  runtime: Runtime;
  /** The current or last process. */
  process: ServerProcess | undefined;
  #joining: Joining | undefined;
  #directories = 1;

  constructor(cluster: Cluster, id: number, ports: readonly number[], runtime: Runtime) {
    this.#cluster = cluster;
    this.id = id;
    [this.redisPort, this.raftPort, this.adminPort] = ports;
    this.dataDir = `${cluster.directory}/node-${id}`;
    this.isPresent = id <= cluster.options.nodes;
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
    const { options } = this.#cluster;
    const flags = [
      ...["--node-data-dir", dataDir],
      ...["--redis-listen", `${this.clientHost}:${this.redisPort}`],
      ...["--raft-listen", `${this.#raftListenHost}:${this.raftPort}`],
      ...["--admin-listen", `${this.clientHost}:${this.adminPort}`],
      ...["--raft-timing", options.timing ?? "lan"],
    ];
    flags.push(...this.#membershipFlags());
    if (this.placement !== undefined) {
      flags.push("--redis-protected-mode", "false");
      flags.push("--raft-secret", raftSecret, "--admin-token", adminToken);
    }
    return [...flags, ...options.flags ?? []];
  }

  #membershipFlags(): string[] {
    const { nodes, options } = this.#cluster;
    if (this.#joining !== undefined) {
      const { through, as = "voter", replaces } = this.#joining;
      const replacing = replaces === undefined ? [] : ["--replace", `${replaces}`];
      const advertise = ["--raft-advertise", this.raftAddress];
      return [...advertise, "--join", through.raftAddress, "--join-as", as, ...replacing];
    }
    const flags = ["--node-id", `${this.id}`];
    for (const node of options.nodes > 1 ? nodes.slice(0, options.nodes) : []) {
      flags.push("--raft-peer", `${node.id}=${node.raftAddress},${node.redisAddress}`);
    }
    // One that is alone has no list that says where others find it.
    if (options.nodes === 1 && options.spares) flags.push("--raft-advertise", this.raftAddress);
    return flags;
  }

  get raftAddress(): string {
    return `${this.raftHost}:${this.raftPort}`;
  }

  get redisAddress(): string {
    return `${this.clientHost}:${this.redisPort}`;
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

  /** Starts another member here, which asks to be taken in, without waiting for that. */
  spawnToJoin(joining: Joining): void {
    this.#joining = joining;
    this.dataDir = `${this.#cluster.directory}/node-${this.id}-${++this.#directories}`;
    this.isPresent = true;
    this.spawn();
  }

  /** Starts another member here and waits until it serves. */
  async join(joining: Joining): Promise<void> {
    this.spawnToJoin(joining);
    await this.ready();
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

  /** Asks the admin API to remove a member. */
  async removeMember(member: number, withinMs: number): Promise<AdminAnswer> {
    const { status, body } = await this.#request(`/api/v1/members/${member}`, {
      method: "DELETE",
      signal: AbortSignal.timeout(withinMs),
    });
    return { status, body: JSON.parse(body) };
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
  /** All places; those of the first members come first. */
  readonly nodes: TestNode[] = [];
  /** Every process that was ever started, for the logs and the end. */
  readonly processes: ServerProcess[] = [];

  constructor(options: ClusterOptions, directory: string) {
    this.options = options;
    this.directory = directory;
    const places = options.nodes + (options.spares ?? 0);
    const ports = options.placement === undefined
      ? freePorts(3 * places)
      : Array.from({ length: places }, () => [6379, 7379, 8379]).flat();
    for (let i = 0; i < places; i++) {
      const { runtime } = options;
      const own = (typeof runtime === "object" ? runtime[i] : runtime) ?? "default";
      this.nodes.push(new TestNode(this, i + 1, ports.slice(3 * i, 3 * i + 3), own));
    }
  }

  node(id: number): TestNode {
    return this.nodes[id - 1];
  }

  /** Nodes that are members, whether they run or not. */
  get present(): TestNode[] {
    return this.nodes.filter((node) => node.isPresent);
  }

  /** Starts every present node that does not run, and waits until all serve. */
  async start(): Promise<void> {
    for (const node of this.present) {
      if (!node.isRunning) node.spawn();
    }
    await this.ready();
  }

  async ready(withinMs = startMs): Promise<void> {
    await Promise.all(this.present.map((node) => node.ready(withinMs)));
  }

  /** The node that every running node takes for the leader, and that says so itself. */
  async leader(withinMs = 15_000): Promise<TestNode> {
    return await until("one leader that all agree on", { withinMs }, async () => {
      const running = this.present.filter((node) => node.isRunning);
      const states = await Promise.all(running.map((node) => node.status()));
      const leaders = states.filter((status) => status.role === "leader");
      if (leaders.length !== 1) return undefined;
      const { nodeId, term } = leaders[0];
      const agreed = states.every((status) => status.leaderId === nodeId && status.term === term);
      return agreed ? running[states.indexOf(leaders[0])] : undefined;
    });
  }

  /** Waits until every node has applied everything that is committed anywhere. */
  async caughtUp(withinMs = 15_000): Promise<void> {
    await until("every node caught up", { withinMs }, async () => {
      const states = await Promise.all(this.present.map((node) => node.status()));
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
