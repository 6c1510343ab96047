/**
 * The place of a scenario: a cluster whose nodes have networks of their own, clients on all nodes
 * that record what they did, and, at the end, everything that always has to hold.
 *
 * Always: the history is linearizable with a read of every key at its end, transactions are
 * strictly serializable, each counter shows every acknowledged increment once, all members hold the
 * same, no process ended that was not meant to, no client was answered with something unheard of,
 * every fault fired, and enough operations succeeded.
 */

import type { Prng } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Cluster, type TestNode } from "../support/cluster.ts";
import { CrashShim } from "../support/crash_shim.ts";
import { ClockShim } from "../support/clock_shim.ts";
import { DiskShim } from "../support/disk_shim.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, type LoadClient, MixedOperations } from "../support/load.ts";
import { findAnomaly } from "../support/list_append.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { assertSameContents } from "../support/state.ts";
import { TransactionLoad } from "../support/transaction_load.ts";
import { until } from "../support/wait.ts";
import { WriteShim } from "../support/write_shim.ts";
import { LinkProxies } from "./link_proxy.ts";
import { Namespaces } from "./namespaces.ts";
import type { ScenarioContext } from "./scenario.ts";
import { whyVoid } from "./void_run.ts";

export interface ArenaOptions {
  /** 3 when left out. */
  readonly nodes?: number;
  /** Places for nodes that may join. */
  readonly spares?: number;
  readonly timing?: "lan" | "edge";
  readonly flags?: readonly string[];
  /** How long a client waits for a cluster without a leader. */
  readonly operationTimeoutMs?: number;
  readonly clients?: number;
  readonly keys?: number;
  readonly thinkMsMax?: number;
  /** All links go through proxies. */
  readonly proxied?: boolean;
  readonly shim?: "disk" | "clock" | "write" | "crash";
  /** More variables for a node's next start. */
  readonly env?: (node: TestNode) => Record<string, string>;
  readonly openFilesMax?: number;
  readonly wrapper?: readonly string[];
  /** Before the nodes are started. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
  /** After all nodes have ended. */
  readonly cleanUp?: (cluster: Cluster) => Promise<void>;
  /** Fewer answers than this make the run void. */
  readonly successesMin?: number;
}

const RAFT_PORT = 7379;
const TRANSACTION_KEYS = 8;
const TRANSACTION_CLIENTS_MIN = 3;
/** What a command that is right may be refused with: it had no effect, or may have had one. */
const REFUSAL = /^(CLUSTERDOWN|UNCERTAIN) /;
const GET = { kind: "get" } as const;
const HISTORY_BUDGET_MS = 30_000;
/** How soon clients must be answered again after a fault, an edge election included. */
const PROGRESS_MS = 30_000;

/** Runs `body` under load in a fresh cluster, then checks everything that always has to hold. */
export async function withArena(
  context: ScenarioContext,
  options: ArenaOptions,
  body: (arena: Arena) => Promise<void>,
): Promise<void> {
  const places = (options.nodes ?? 3) + (options.spares ?? 0);
  const namespaces = await Namespaces.make(context.hub, places);
  const directory = await Deno.makeTempDir({ prefix: "logboat-chaos-" });
  const arena = new Arena(context, options, namespaces, directory);
  let failed = true;
  try {
    await arena.start();
    await body(arena);
    await arena.check();
    failed = false;
  } catch (error) {
    await arena.keepLogs();
    const reason = error instanceof Error ? error.stack ?? error.message : String(error);
    throw new Error(`${reason}\nLogs and data: ${directory}`);
  } finally {
    await arena.close({ keepDirectory: failed });
  }
}

export class Arena {
  readonly context: ScenarioContext;
  readonly network: Namespaces;
  readonly cluster: Cluster;
  readonly history = new History();
  readonly #options: ArenaOptions;
  readonly #expectedEnds = new Set<ServerProcess>();
  readonly #fired = new Map<string, number>();
  #proxies: LinkProxies | undefined;
  #diskShim: DiskShim | undefined;
  #clockShim: ClockShim | undefined;
  #writeShim: WriteShim | undefined;
  #crashShim: CrashShim | undefined;
  #load: Load | undefined;
  #transactions: TransactionLoad | undefined;

  constructor(
    context: ScenarioContext,
    options: ArenaOptions,
    network: Namespaces,
    directory: string,
  ) {
    this.context = context;
    this.#options = options;
    this.network = network;
    const timeoutMs = options.operationTimeoutMs ?? 4000;
    this.cluster = new Cluster({
      nodes: options.nodes ?? 3,
      spares: options.spares,
      timing: options.timing,
      flags: ["--redis-operation-timeout-ms", `${timeoutMs}`, ...options.flags ?? []],
      env: (node) => this.#environment(node),
      placement: (id) => network.placement(id),
      openFilesMax: options.openFilesMax,
      wrapper: options.wrapper,
    }, directory);
  }

  get random(): Prng {
    return this.context.random;
  }

  /** The members, whether they run or not. */
  get nodes(): readonly TestNode[] {
    return this.cluster.present;
  }

  get load(): Load {
    assert(this.#load !== undefined, "Cannot use the load before the start");
    return this.#load;
  }

  get proxies(): LinkProxies {
    assert(this.#proxies !== undefined, "Cannot use proxies: the arena is not proxied");
    return this.#proxies;
  }

  get diskShim(): DiskShim {
    assert(this.#diskShim !== undefined, "Cannot use the disk shim: the arena has none");
    return this.#diskShim;
  }

  get clockShim(): ClockShim {
    assert(this.#clockShim !== undefined, "Cannot use the clock shim: the arena has none");
    return this.#clockShim;
  }

  get writeShim(): WriteShim {
    assert(this.#writeShim !== undefined, "Cannot use the write shim: the arena has none");
    return this.#writeShim;
  }

  get crashShim(): CrashShim {
    assert(this.#crashShim !== undefined, "Cannot use the crash shim: the arena has none");
    return this.#crashShim;
  }

  others(...except: readonly TestNode[]): TestNode[] {
    return this.nodes.filter((node) => !except.includes(node));
  }

  async start(): Promise<void> {
    const { shim, proxied, prepare } = this.#options;
    if (shim === "disk") this.#diskShim = await DiskShim.build();
    if (shim === "clock") this.#clockShim = await ClockShim.build();
    if (shim === "write") this.#writeShim = await WriteShim.build();
    if (shim === "crash") this.#crashShim = await CrashShim.build();
    if (proxied) {
      this.#proxies = new LinkProxies(this.network.ids, RAFT_PORT, this.random);
      await this.network.setAll("proxied");
    }
    await prepare?.(this.cluster);
    await this.cluster.start();
    this.#startLoad();
    await this.progress(200);
  }

  #environment(node: TestNode): Record<string, string> {
    const shim = this.#diskShim ?? this.#clockShim ?? this.#writeShim ?? this.#crashShim;
    return { ...shim?.environment(node), ...this.#options.env?.(node) };
  }

  #startLoad(): void {
    const { clients = 15, keys = 60, thinkMsMax = 15 } = this.#options;
    const mixed = new MixedOperations(keys);
    this.#load = new Load({
      history: this.history,
      nodes: this.cluster.nodes,
      clients,
      seed: this.context.seed,
      thinkMsMax,
      choose: (random, client) =>
        random.chance(0.2)
          ? { key: counterOf(client), input: { kind: "incrBy", by: 1 } }
          : mixed.choose(random),
    });
    this.#transactions = new TransactionLoad({
      nodes: this.cluster.nodes,
      clients: Math.max(TRANSACTION_CLIENTS_MIN, this.cluster.nodes.length),
      keys: TRANSACTION_KEYS,
      seed: this.context.seed,
      thinkMsMax: 4 * thinkMsMax,
    });
  }

  /** Waits until every client of these nodes, on average, was answered so often again. */
  async progress(successes: number, nodes = this.nodes, withinMs = PROGRESS_MS): Promise<void> {
    const wanted = this.successesOf(nodes) + successes;
    const ids = nodes.map((node) => node.id).join(", ");
    await until(
      `${successes} more answers from node ${ids}`,
      { withinMs },
      () => this.successesOf(nodes) >= wanted,
    );
  }

  successesOf(nodes: readonly TestNode[]): number {
    return this.load.clients
      .filter((client) => nodes.includes(client.node))
      .reduce((sum, client) => sum + client.succeeded, 0);
  }

  /** Says how often a fault took place; none at all makes the run void. */
  fired(fault: string, count: number): void {
    this.#fired.set(fault, (this.#fired.get(fault) ?? 0) + count);
  }

  /** SIGKILL, or the wait for one that was sent already; a node that ended by itself is a failure. */
  async kill(node: TestNode): Promise<void> {
    this.expectEnd(node);
    const process = node.process!;
    await node.kill();
    const { signal, code } = process.status!;
    assertEquals(signal, "SIGKILL", `${process.name} ended with ${code}:\n${process.tail(20)}`);
    this.fired("kill", 1);
  }

  /** The node's process may end from now on. */
  expectEnd(node: TestNode): void {
    this.#expectedEnds.add(node.process!);
  }

  /** Stops with SIGTERM; the exit code must be 0. */
  async stop(node: TestNode, withinMs = 15_000): Promise<void> {
    this.expectEnd(node);
    assertEquals(await node.stop(withinMs), 0, `exit code of node ${node.id}`);
  }

  /** Everything that always has to hold; the cluster must be whole again. */
  async check(): Promise<void> {
    await this.load.stop();
    await this.#transactions!.stop();
    this.#checkEnds();
    this.#checkRefusals();
    await this.cluster.ready();
    await this.cluster.leader();
    const finals = await this.#readAll();
    const report = checkHistory(this.history.operations, { budgetMs: HISTORY_BUDGET_MS });
    assertEquals(report.problem, undefined);
    this.#checkCounters(finals);
    await this.#checkTransactions();
    await this.cluster.caughtUp();
    await assertSameContents(this.cluster);
    await this.#checkStateHashes();
    this.#checkEnds();
    const faults = [...this.#fired].map(([name, count]) => `${name} ${count}`);
    this.context.note(
      `${this.load.succeeded} answers, ${report.unknownOutcomes} unknown, ` +
        `${this.#transactions!.committed} transactions, ` +
        `checked in ${report.elapsedMs.toFixed(0)} ms; faults: ${faults.join(", ")}`,
    );
    const reason = whyVoid({
      fired: this.#fired,
      answers: this.load.succeeded,
      answersMin: this.#options.successesMin ?? 500,
      transactions: this.#transactions!.committed,
    });
    assert(reason === undefined, `The run is void: ${reason}`);
  }

  /** No client may have met anything but the two words that say what became of a command. */
  #checkRefusals(): void {
    const texts = this.load.clients.flatMap(({ errors }) => errors.map(({ text }) => text));
    assertEquals(texts.filter((text) => !REFUSAL.test(text)), [], "answers of no known kind");
  }

  #checkEnds(): void {
    for (const process of this.cluster.processes) {
      if (process.status === undefined || this.#expectedEnds.has(process)) continue;
      throw new Error(
        `${process.name} ended with code ${process.status.code}:\n${process.tail(20)}`,
      );
    }
  }

  /** What the members themselves found when they compared their states. */
  async #checkStateHashes(): Promise<void> {
    let compared = 0;
    for (const node of this.nodes) {
      const { quarantined, counters } = await node.status();
      assertEquals(quarantined, null, `node ${node.id} is quarantined`);
      assertEquals(counters.stateHashesDiffering, 0, `state hashes of node ${node.id}`);
      compared += counters.stateHashesCompared;
    }
    this.context.note(`${compared} state hashes compared, none differs`);
  }

  /** Reads every key that was touched, each on another node, into the history. */
  async #readAll(): Promise<Map<string, string | null>> {
    const keys = [...new Set(this.history.operations.map((operation) => operation.key))];
    const finals = new Map<string, string | null>();
    await Promise.all(this.nodes.map(async (node, turn) => {
      const own = keys.filter((_, at) => at % this.nodes.length === turn);
      // All at one time, so that each read is by a client of its own for the history.
      const open = own.map((key) => this.history.call(this.history.newProcess(), key, GET));
      const replies = await node.withClient((client) =>
        client.callAll(own.map((key) => ["GET", key]))
      );
      for (const [at, key] of own.entries()) {
        const value = replies[at] as string | null;
        this.history.returned(open[at], value);
        finals.set(key, value);
      }
    }));
    return finals;
  }

  /** Each counter has one client, which leaves it after an unknown outcome. */
  #checkCounters(finals: ReadonlyMap<string, string | null>): void {
    const increments = this.history.operations.filter(({ key }) => key.startsWith("counter:"));
    for (const [key, operations] of Map.groupBy(increments, ({ key }) => key)) {
      const ofCounter = operations.filter(({ input }) => input.kind === "incrBy");
      const acknowledged = ofCounter.filter(({ output }) => output !== undefined).length;
      const most = ofCounter.length;
      const value = Number(finals.get(key) ?? 0);
      assert(
        value >= acknowledged && value <= most,
        `${key} is ${value}, expected ${acknowledged} acknowledged to ${most} sent`,
      );
    }
  }

  async #checkTransactions(): Promise<void> {
    const load = this.#transactions!;
    await this.nodes[0].withClient((client) => load.readAll(client));
    const anomaly = findAnomaly(load.transactions);
    assert(anomaly === undefined, `Transactions: ${anomaly?.kind}: ${anomaly?.text}`);
  }

  /** What the processes printed, beside their data. */
  async keepLogs(): Promise<void> {
    for (const [at, process] of this.cluster.processes.entries()) {
      const name = `${at + 1}-${process.name.replace(" ", "-")}.log`;
      const end = process.status === undefined ? "running" : `code ${process.status.code}`;
      const text = [...process.lines, `(pid ${process.pid}, ${end})`, ""].join("\n");
      await Deno.writeTextFile(`${this.cluster.directory}/${name}`, text);
    }
  }

  async close({ keepDirectory }: { keepDirectory: boolean }): Promise<void> {
    for (const client of this.#load?.clients ?? []) client.stop();
    const transactionsEnded = this.#transactions?.stop().catch(() => {});
    await Promise.all(this.cluster.processes.map((process) => process.kill()));
    await transactionsEnded;
    await Promise.allSettled(this.#load?.clients.map((client) => client.ended) ?? []);
    this.#proxies?.close();
    await this.#diskShim?.remove();
    await this.#clockShim?.remove();
    await this.#writeShim?.remove();
    await this.#crashShim?.remove();
    await this.#options.cleanUp?.(this.cluster);
    await this.network.remove();
    if (!keepDirectory) await Deno.remove(this.cluster.directory, { recursive: true });
  }
}

function counterOf(client: LoadClient): string {
  return `counter:${client.number}:${client.unknowns}`;
}
