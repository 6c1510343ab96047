/** One process ends at one failpoint, and the cluster must go on as if nothing had been. */

import { NodeId } from "../../src/base/mod.ts";
import { type Failpoint, type Role, unansweredKey } from "./failpoints.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { checkLiveness, type Outcome, simulate, startFirst } from "./simulation.ts";
import { Violation } from "./violation.ts";
import type { LiveNode, World } from "./world.ts";

/** What becomes of what was written and not synced: a killed process, and a loss of power. */
export type Unsynced = "kept" | "lost";

export interface FailpointCase {
  readonly role: Role;
  readonly unsynced: Unsynced;
}

/** How long a process may take to its failpoint, and the others to commit without it. */
const REACH_MS = 30_000;
const PROVOKE_EVERY_MS = 1500;
/** Entries that commit before, between and after the ends of processes. */
const ENTRIES = 12;

/** Traffic and limits that bring every process to every place within seconds. */
function planFor(seed: number): Plan {
  return {
    ...drawPlan(seed),
    size: 3,
    timing: "lan",
    faults: new Set(["snapshots"]),
    clients: 1,
    thinkMs: 30,
    segmentBytes: 1024,
    appendBytesMax: 1024,
    inflightMessagesMax: 4,
    cacheBytesMax: 2048,
    batchBytesMax: 1024,
    delayMs: 0.2,
    reads: "linearizable",
    snapshotLogBytes: 1500,
    snapshotChunkBytes: 400,
    snapshotRateBytes: Infinity,
  };
}

/** Cases of one failpoint, one after the other in one cluster; `reached` has those that came to it. */
export async function runFailpoint(
  point: Failpoint,
  cases: readonly FailpointCase[],
  seed: number,
): Promise<{ readonly outcome: Outcome; readonly reached: readonly FailpointCase[] }> {
  const reached: FailpointCase[] = [];
  const outcome = await simulate(planFor(seed), async (world) => {
    await startFirst(world);
    for (const one of cases) {
      await commitMore(world, ENTRIES);
      const end = new ProcessEnd(world, point, one);
      const id = await bringToPoint(world, end);
      reached.push(one);
      await commitMore(world, ENTRIES);
      const error = await world.start(id);
      if (error !== undefined) throw error;
      await catchUp(world, end);
    }
    await checkLiveness(world);
    world.histories.check(world.checks.states.appliedAtMs);
  });
  return { outcome, reached };
}

/** A process that ends at the point, once. */
class ProcessEnd {
  readonly point: Failpoint;
  readonly case: FailpointCase;
  isReached = false;
  /** What ends, once it runs. */
  live: LiveNode | undefined;
  readonly #world: World;

  constructor(world: World, point: Failpoint, one: FailpointCase) {
    this.#world = world;
    this.point = point;
    this.case = one;
  }

  get text(): string {
    return `${this.point.name}, a ${this.case.role}, unsynced ${this.case.unsynced}`;
  }

  /** For a process that is about to start, or runs. */
  watchDisk(id: NodeId): void {
    const isPoint = this.point.disk?.();
    if (isPoint === undefined) return;
    this.#world.diskFaults.set(id, (operation) => {
      if (isPoint(operation)) this.#die(id);
      return undefined;
    });
  }

  /** For a process that runs. */
  watchNode(live: LiveNode): void {
    this.live = live;
    this.point.node?.(live, () => this.#die(live.id));
  }

  #die(id: NodeId): void {
    if (this.isReached) return;
    this.isReached = true;
    const isKept = this.case.unsynced === "kept";
    this.#world.stop(id, (disk) => isKept ? disk.kill() : disk.crash(() => false));
  }
}

/** The id of the process that has ended at the point. */
async function bringToPoint(world: World, end: ProcessEnd): Promise<NodeId> {
  const id = await begin(world, end);
  for (let leftMs = REACH_MS; leftMs > 0 && !end.isReached; leftMs -= PROVOKE_EVERY_MS) {
    end.point.provoke?.(world, id);
    await world.runUntil(() => end.isReached, PROVOKE_EVERY_MS);
  }
  if (!end.isReached) throw new Violation("coverage", `${end.text}: none came to it`);
  return id;
}

/** Starts the process, or chooses it, and watches it. */
async function begin(world: World, end: ProcessEnd): Promise<NodeId> {
  const leader = await leaderOf(world);
  switch (end.case.role) {
    case "leader":
      return watch(leader, end);
    case "follower":
      return watch(followerOf(world), end);
    case "returning":
      return await beginReturn(world, end);
    case "joiner":
      return await beginJoin(world, end);
  }
}

function watch(live: LiveNode, end: ProcessEnd): NodeId {
  end.watchDisk(live.id);
  end.watchNode(live);
  return live.id;
}

async function beginReturn(world: World, end: ProcessEnd): Promise<NodeId> {
  const { id, node } = followerOf(world);
  const { index } = node.raft.lastEntry;
  world.stop(id, (disk) => disk.kill());
  await compactAway(world, index);
  end.watchDisk(id);
  const error = await world.start(id);
  if (error !== undefined) throw error;
  const live = world.live.get(id);
  if (live !== undefined) end.watchNode(live);
  return id;
}

async function beginJoin(world: World, end: ProcessEnd): Promise<NodeId> {
  await compactAway(world, 0);
  const id = NodeId(world.ids.length + 1);
  end.watchDisk(id);
  void world.operators.join({ as: "voter" }).then(() => {
    const live = world.live.get(id);
    if (live !== undefined) end.watchNode(live);
  });
  return id;
}

async function leaderOf(world: World): Promise<LiveNode> {
  await world.runUntil(() => world.leader !== undefined, REACH_MS);
  return world.leader!;
}

function followerOf({ live, leader }: World): LiveNode {
  return [...live.values()].find((found) => found !== leader)!;
}

async function commitMore(world: World, entries: number): Promise<void> {
  const last = world.checks.committedLast + entries;
  const isThere = await world.runUntil(() => world.checks.committedLast >= last, REACH_MS);
  if (!isThere) throw new Violation("L2", `${entries} more entries do not commit`);
}

/** Until no member that runs has the entry behind `index` in its log. */
async function compactAway(world: World, index: number): Promise<void> {
  const isAway = () =>
    [...world.live.values()].every(({ node }) => node.raft.logStart.index > index);
  if (!await world.runUntil(isAway, REACH_MS)) throw new Violation("BR", "no log is compacted");
}

/** Until every member has what is committed now, and nobody is to become a voter any more. */
async function catchUp(world: World, end: ProcessEnd): Promise<void> {
  const last = world.checks.committedLast;
  const isThere = () =>
    [...world.live.values()].every(({ node: { raft, appliedIndex } }) =>
      appliedIndex >= last && raft.isVoter && raft.configuration.outgoing.length === 0
    );
  if (!await world.runUntil(isThere, REACH_MS)) {
    throw new Violation("L3", `${end.text}: not all members have entry ${last}`);
  }
  if (end.point.name === "F10") checkUnanswered(world, unansweredKey(end.live!));
}

/** What was applied and not answered has happened. */
function checkUnanswered({ live }: World, key: string): void {
  for (const { id, node } of live.values()) {
    if (node.machine.keyspace.db(0).has(key)) continue;
    throw new Violation("DU", `node ${id} lacks what was applied before a process ended`);
  }
}
