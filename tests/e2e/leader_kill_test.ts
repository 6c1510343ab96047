/** E1: the leader dies with SIGKILL under load, again and again. */

import { assertEquals, assertGreater, assertLess } from "../support/assert.ts";
import { type Cluster, type TestNode, withCluster } from "../support/cluster.ts";
import { checkHistory, History } from "../support/history.ts";
import { Load, type LoadClient, MixedOperations } from "../support/load.ts";
import { assertSameContents } from "../support/state.ts";
import { until, within } from "../support/wait.ts";
import type { WireClient } from "../support/wire_client.ts";

interface Scenario {
  readonly timing: "lan" | "edge";
  readonly kills: number;
  readonly seed: number;
  /** From the kill to the answer of the first write sent after it. */
  readonly firstWriteMsMax: number;
}

const clients = 50;
const successesPerPhase = 10;

Deno.test("E1 lan: ten leaders killed under load lose nothing, survivors' clients see no error", () =>
  killLeaders({ timing: "lan", kills: 10, seed: 1, firstWriteMsMax: 500 }));

Deno.test("E1 edge: three leaders killed under load lose nothing, survivors' clients see no error", () =>
  killLeaders({ timing: "edge", kills: 3, seed: 2, firstWriteMsMax: 1000 }));

async function killLeaders(scenario: Scenario): Promise<void> {
  await withCluster({ nodes: 3, timing: scenario.timing }, async (cluster) => {
    const run = new Run(cluster, scenario);
    try {
      for (let kill = 0; kill < scenario.kills; kill++) await run.killLeader();
    } finally {
      await run.load.stop();
    }
    await run.check();
  });
}

/** The name of the counter that a node's clients increment while `phase` lasts. */
function counterName(phase: number, node: TestNode): string {
  return `counter:${phase}:node:${node.id}`;
}

class Run {
  readonly load: Load;
  readonly #cluster: Cluster;
  readonly #scenario: Scenario;
  readonly #history = new History();
  readonly #killed: TestNode[] = [];
  readonly #firstWritesMs: number[] = [];
  #phase = 0;

  constructor(cluster: Cluster, scenario: Scenario) {
    this.#cluster = cluster;
    this.#scenario = scenario;
    const mixed = new MixedOperations(120);
    this.load = new Load({
      history: this.#history,
      nodes: cluster.nodes,
      clients,
      seed: scenario.seed,
      thinkMsMax: 20,
      choose: (random, client) =>
        random.chance(0.3)
          ? { key: counterName(this.#phase, client.node), input: { kind: "incrBy", by: 1 } }
          : mixed.choose(random),
    });
  }

  async killLeader(): Promise<void> {
    const phaseStartMs = performance.now();
    const { nodes } = this.#cluster;
    await this.#progress("every client is answered before the kill", nodes);
    const leader = await this.#cluster.leader();
    const survivors = nodes.filter((node) => node !== leader);
    const probes = await Promise.all(survivors.map((node) => node.connect()));
    leader.process!.signal("SIGKILL");
    this.#firstWritesMs.push(await this.#firstWrite(probes));
    await this.#progress("every client of a survivor is answered after the kill", survivors);
    for (const survivor of survivors) {
      assertEquals(this.load.problemsOf(survivor, phaseStartMs), [], `node ${survivor.id}`);
    }
    await leader.kill();
    await leader.start();
    await this.#catchesUp(leader);
    this.#killed.push(leader);
    this.#phase++;
  }

  /** Sends a write to each survivor at once; the time until the first of them is answered. */
  async #firstWrite(probes: readonly WireClient[]): Promise<number> {
    const sentMs = performance.now();
    const times = probes.map(async (probe, i) => {
      await probe.call("SET", `probe:${i}`, `${this.#phase}`);
      return performance.now() - sentMs;
    });
    try {
      return Math.min(...await within("an answer to the first write", 20_000, Promise.all(times)));
    } finally {
      for (const probe of probes) probe.close();
      await Promise.all(probes.map((probe) => probe.closed));
    }
  }

  async #progress(what: string, nodes: readonly TestNode[]): Promise<void> {
    const concerned = this.load.clients.filter((client) => nodes.includes(client.node));
    const before = new Map<LoadClient, number>(concerned.map((each) => [each, each.succeeded]));
    await until(
      what,
      { withinMs: 30_000 },
      () => concerned.every((each) => each.succeeded >= before.get(each)! + successesPerPhase),
    );
  }

  async #catchesUp(node: TestNode): Promise<void> {
    const { commitIndex } = await (await this.#cluster.leader()).status();
    await until(
      `node ${node.id} applies entry ${commitIndex}`,
      { withinMs: 15_000 },
      async () => (await node.status()).appliedIndex >= commitIndex,
    );
  }

  async check(): Promise<void> {
    const { timing, kills, firstWriteMsMax } = this.#scenario;
    const report = checkHistory(this.#history.operations, { budgetMs: 30_000 });
    const sorted = this.#firstWritesMs.toSorted((a, b) => a - b);
    console.log(
      `E1 ${timing}: ${kills} kills, ${report.operations} operations, ` +
        `${report.unknownOutcomes} unknown, checked in ${report.elapsedMs.toFixed(0)} ms; ` +
        `first write after the kill: median ${sorted[kills >> 1].toFixed(0)} ms, ` +
        `worst ${sorted[kills - 1].toFixed(0)} ms`,
    );
    assertEquals(report.problem, undefined);
    assertGreater(report.operations, kills * clients * successesPerPhase);
    await this.#checkCounters();
    await this.#cluster.caughtUp();
    await assertSameContents(this.#cluster);
    assertLess(sorted[kills - 1], firstWriteMsMax, `of ${sorted.map(Math.round).join(", ")}`);
  }

  async #checkCounters(): Promise<void> {
    const byKey = Map.groupBy(this.#history.operations, (operation) => operation.key);
    await this.#cluster.nodes[0].withClient(async (client) => {
      for (let phase = 0; phase < this.#scenario.kills; phase++) {
        for (const node of this.#cluster.nodes) {
          const key = counterName(phase, node);
          const increments = byKey.get(key) ?? [];
          const unknown = increments.filter(({ output }) => output === undefined).length;
          const acknowledged = increments.length - unknown;
          const value = Number(await client.call("GET", key) ?? 0);
          if (node !== this.#killed[phase]) assertEquals(value, acknowledged, key);
          assertGreater(value, acknowledged - 1, `${key} lost an acknowledged increment`);
          assertLess(value, acknowledged + unknown + 1, `${key} counted an increment twice`);
        }
      }
    });
  }
}
