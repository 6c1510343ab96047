/**
 * What operating a cluster costs while it serves: a snapshot under load, a restart after SIGKILL, a
 * node that lost its disk and joins again. Three real processes, one million keys.
 */

import { fill } from "./memory.ts";
import { keyName, PacedLoad, type PacedSample, valueOf } from "./paced_load.ts";
import { LoopProbe } from "./loop_probe.ts";
import { paceMs } from "./machine_pace.ts";
import { quantile } from "./statistics.ts";
import { Cluster, pause, until, WireClient } from "./support.ts";

type Node = Cluster["nodes"][number];

export const operationKeys = 1_000_000;
export const snapshotRounds = 15;
/** A pause of the leader's loop that is counted. */
export const longPauseMs = 20;
export const restartRounds = 3;
/** Far from what the nodes can do, so that waiting is not queueing. */
export const moderateLoad = { commandsPerSecond: 4000, readShare: 0.5 };
export const joinWritesPerSecond = 20_000;

/** What clients and the probe of the leader's loop saw in one span of time. */
export interface Window {
  readonly seconds: number;
  readonly commandsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** Pauses of more than `longPauseMs`. */
  readonly longPauses: number;
}

export interface SnapshotRound {
  readonly quiet: Window;
  readonly snapshot: Window;
  /** Just before; see `paceMs`. */
  readonly paceMs: number;
}

export interface RestartRound {
  /** Entries behind the snapshot that the node starts from. */
  readonly logEntries: number;
  readonly readyMs: number;
  readonly firstReadMs: number;
  readonly paceMs: number;
}

export interface JoinResult {
  readonly voterMs: number;
  readonly caughtUpMs: number;
  /** Entries that the newcomer had not applied, sampled after it had caught up. */
  readonly lagEntriesMax: number;
  readonly before: Window;
  readonly during: Window;
  readonly after: Window;
  /** Keys that were compared with what was acknowledged last. */
  readonly keysChecked: number;
}

export interface OperationsResult {
  readonly snapshots: readonly SnapshotRound[];
  readonly restarts: readonly RestartRound[];
  readonly join: JoinResult;
}

export async function measureOperations(directory: string): Promise<OperationsResult> {
  const cluster = new Cluster({ nodes: 3, timing: "lan" }, directory);
  try {
    await cluster.start();
    const leader = await cluster.leader();
    console.error(`filling ${operationKeys} keys`);
    await fill({ name: "the leader", port: leader.redisPort }, operationKeys);
    await cluster.caughtUp(60_000);
    console.error("measuring snapshots under load");
    const snapshots = await measureSnapshots(leader);
    console.error("measuring restarts after SIGKILL");
    const restarts = await measureRestarts(cluster);
    console.error("measuring a wiped node that joins again");
    return { snapshots, restarts, join: await measureJoin(cluster) };
  } catch (error) {
    console.error(cluster.logs(15));
    throw error;
  } finally {
    await cluster.close();
  }
}

async function measureSnapshots(leader: Node): Promise<SnapshotRound[]> {
  const ports = [leader.redisPort];
  const load = await PacedLoad.start({ ports, keys: operationKeys, ...moderateLoad });
  const probe = await LoopProbe.start(leader.redisPort);
  try {
    const watch = async (body: () => Promise<void>) => {
      load.take();
      probe.take();
      await body();
      return windowOf(load.take(), probe.take());
    };
    await takeSnapshot(leader);
    const rounds: SnapshotRound[] = [];
    for (let round = 0; round < snapshotRounds; round++) {
      const pace = paceMs();
      await pause(500);
      const snapshot = await watch(() => takeSnapshot(leader));
      await pause(500);
      const quiet = await watch(() => pause(snapshot.seconds * 1000));
      rounds.push({ quiet, snapshot, paceMs: pace });
    }
    await load.stop();
    return rounds;
  } finally {
    load.close();
    await probe.stop();
  }
}

const snapshotMs = 60_000;

async function takeSnapshot(node: Node): Promise<void> {
  const { status, body } = await node.post("/api/v1/snapshot", {}, snapshotMs);
  if (status !== 200) throw new Error(`Cannot take a snapshot: ${JSON.stringify(body)}`);
}

function windowOf(sample: PacedSample, delaysMs: readonly number[]): Window {
  return {
    seconds: sample.seconds,
    commandsPerSecond: sample.answered / sample.seconds,
    p50Ms: quantile(sample.latenciesMs, 0.5),
    p99Ms: quantile(sample.latenciesMs, 0.99),
    maxMs: quantile(sample.latenciesMs, 1),
    loopP99Ms: quantile(delaysMs, 0.99),
    loopMaxMs: quantile(delaysMs, 1),
    longPauses: delaysMs.filter((delayMs) => delayMs > longPauseMs).length,
  };
}

async function measureRestarts(cluster: Cluster): Promise<RestartRound[]> {
  const leader = await cluster.leader();
  const victim = cluster.nodes.find((node) => node !== leader)!;
  const rounds: RestartRound[] = [];
  for (let round = 0; round < restartRounds; round++) {
    await takeSnapshot(victim);
    await writeMore(leader);
    await cluster.caughtUp();
    const { appliedIndex, snapshotIndex } = await victim.status();
    await victim.kill();
    const pace = paceMs();
    const startMs = performance.now();
    victim.spawn();
    const [readyMs, firstReadMs] = await Promise.all([
      victim.ready(60_000).then(() => performance.now() - startMs),
      firstRead(victim).then(() => performance.now() - startMs),
    ]);
    rounds.push({ logEntries: appliedIndex - snapshotIndex, readyMs, firstReadMs, paceMs: pace });
  }
  return rounds;
}

const logSeconds = 5;

/** So that the node does not start from the snapshot alone. */
async function writeMore(leader: Node): Promise<void> {
  const ports = [leader.redisPort];
  const load = await PacedLoad.start({
    ports,
    keys: operationKeys,
    commandsPerSecond: joinWritesPerSecond,
    readShare: 0,
  });
  try {
    await pause(logSeconds * 1000);
    await load.stop();
  } finally {
    load.close();
  }
}

async function firstRead(node: Node): Promise<void> {
  await until("the first read", { withinMs: 60_000, everyMs: 5 }, async () => {
    const client = await WireClient.connect(node.redisPort);
    try {
      return String(await client.call("GET", keyName(0))).endsWith("x");
    } finally {
      client.close();
    }
  });
}

const steadySeconds = 5;

async function measureJoin(cluster: Cluster): Promise<JoinResult> {
  const leader = await cluster.leader();
  const [victim, other] = cluster.nodes.filter((node) => node !== leader);
  const { nodeId } = await victim.status();
  const load = await PacedLoad.start({
    ports: [leader.redisPort, other.redisPort],
    keys: operationKeys,
    commandsPerSecond: joinWritesPerSecond,
    readShare: 0,
  });
  const probe = await LoopProbe.start(leader.redisPort);
  const take = () => windowOf(load.take(), probe.take());
  try {
    await pause(1000);
    take();
    await pause(steadySeconds * 1000);
    const before = take();
    await victim.kill();
    await Deno.remove(victim.dataDir, { recursive: true });
    take();
    const startMs = performance.now();
    victim.spawnToJoin({ through: leader, replaces: nodeId });
    await until("the newcomer votes", waiting, () => isVoter(victim, leader));
    const voterMs = performance.now() - startMs;
    await until(
      "the newcomer has caught up",
      waiting,
      async () => await lagOf(victim, leader) === 0,
    );
    const caughtUpMs = performance.now() - startMs;
    const during = take();
    const lagEntriesMax = await greatestLag(victim, leader);
    const after = take();
    await load.stop();
    const keysChecked = await holdsAll(cluster, victim, load);
    return { voterMs, caughtUpMs, lagEntriesMax, before, during, after, keysChecked };
  } finally {
    load.close();
    await probe.stop();
  }
}

const waiting = { withinMs: 120_000, everyMs: 50 };

/** Whether the leader counts it, in a configuration that is final. */
async function isVoter(newcomer: Node, leader: Node): Promise<boolean> {
  const { nodeId } = await newcomer.status();
  const { members, changingMembers } = await leader.status();
  const standing = members.find((member) => member.id === nodeId)?.standing;
  return standing === "voter" && !changingMembers;
}

/** Entries committed when the leader was asked that the newcomer, asked next, had not applied. */
async function lagOf(newcomer: Node, leader: Node): Promise<number> {
  const { commitIndex } = await leader.status();
  return Math.max(0, commitIndex - (await newcomer.status()).appliedIndex);
}

async function greatestLag(newcomer: Node, leader: Node): Promise<number> {
  const endMs = performance.now() + steadySeconds * 1000;
  let greatest = 0;
  while (performance.now() < endMs) {
    greatest = Math.max(greatest, await lagOf(newcomer, leader));
    await pause(100);
  }
  return greatest;
}

/** All nodes equal, and every acknowledged write on the newcomer. Throws when something is lost. */
async function holdsAll(cluster: Cluster, newcomer: Node, load: PacedLoad): Promise<number> {
  await cluster.caughtUp();
  const states: string[] = [];
  for (const node of cluster.nodes) {
    states.push(
      await node.withClient(async (client) => {
        return `${await client.call("DBSIZE")} ${await client.call("DEBUG", "DIGEST")}`;
      }),
    );
  }
  if (states.some((state) => state !== states[0]) || !states[0].startsWith(`${operationKeys} `)) {
    throw new Error(`The nodes differ, or lost keys: ${states.join(", ")}`);
  }
  const written = Array.from({ length: operationKeys }, (_, key) => key)
    .filter((key) => load.lastSequence(key) > 0);
  await newcomer.withClient(async (client) => {
    for (let at = 0; at < written.length; at += keysPerRead) {
      const keys = written.slice(at, at + keysPerRead);
      const values = await client.call("MGET", ...keys.map(keyName)) as string[];
      const lost = keys.findIndex((key, i) => values[i] !== valueOf(load.lastSequence(key)));
      if (lost === -1) continue;
      const wanted = valueOf(load.lastSequence(keys[lost]));
      throw new Error(`Lost a write: ${keyName(keys[lost])} is ${values[lost]}, not ${wanted}`);
    }
  });
  return written.length;
}

const keysPerRead = 500;
