/** One seed: faults and clients first, then a good network, a healthy core and deadlines. */

import { AssertionError } from "../../src/base/mod.ts";
import { FINAL_READS } from "./clients.ts";
import { Faults } from "./faults.ts";
import type { Plan } from "./plan.ts";
import { Violation } from "./violation.ts";
import { type LiveNode, World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  readonly trace: string;
  readonly simulatedMs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly committed: number;
  /** What part of each deadline was needed. */
  readonly deadlineParts: ReadonlyMap<string, number>;
  /** Undefined when every invariant held. */
  readonly failure: { readonly invariant: string; readonly text: string } | undefined;
  readonly lastEvents: readonly string[];
}

/** Runs one seed. One at a time in a process: what rejects unheard is this run's failure. */
export async function simulate(plan: Plan): Promise<Outcome> {
  const world = new World(plan);
  const onUnhandled = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    world.onUnhandled(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    world.onUnhandled(event.error);
  };
  globalThis.addEventListener("unhandledrejection", onUnhandled);
  globalThis.addEventListener("error", onError);
  let failure: Outcome["failure"];
  try {
    await run(world);
  } catch (error) {
    failure = describe(error);
  } finally {
    // Nothing of this run goes on in the next one.
    for (const id of [...world.live.keys()]) world.stop(id, (disk) => disk.kill());
    globalThis.removeEventListener("unhandledrejection", onUnhandled);
    globalThis.removeEventListener("error", onError);
  }
  for (const [outcome, count] of world.histories.outcomes) {
    world.counts.set(`answer ${outcome}`, count);
  }
  return {
    seed: plan.seed,
    trace: world.trace.hash,
    simulatedMs: world.clock.nowMs() - 1000,
    counts: world.counts,
    committed: world.checks.committedLast,
    deadlineParts: world.deadlineParts,
    failure,
    lastEvents: failure === undefined ? [] : world.trace.lastEvents(),
  };
}

function describe(error: unknown): Outcome["failure"] {
  if (error instanceof Violation) return { invariant: error.invariant, text: error.message };
  const invariant = error instanceof AssertionError ? "assertion" : "error";
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return { invariant, text };
}

async function run(world: World): Promise<void> {
  const { plan, ids, prng } = world;
  for (const id of ids) {
    const error = await world.start(id);
    if (error !== undefined) throw error;
  }
  const faults = new Faults(world);
  faults.begin();
  const sliceMs = plan.safetyMs / 20;
  for (let slice = 0; slice < 20; slice++) {
    await world.runUntil(() => false, sliceMs);
    world.checks.checkBounds();
  }
  const shuffled = [...ids].sort((a, b) => (a * 31 + plan.seed) % 7 - (b * 31 + plan.seed) % 7);
  const core = shuffled.slice(0, prng.between(world.checks.quorum, ids.length));
  await faults.stop(core);
  await checkLiveness(world);
  world.histories.check(world.checks.appliedAtMs);
}

async function checkLiveness(world: World): Promise<void> {
  const { deadlines, checks } = world;
  const nodes = [...world.live.values()];
  const hasLeader = () => {
    const leader = world.leader;
    return leader !== undefined &&
      nodes.every(({ node }) =>
        node.raft.leaderId === leader.id && node.raft.term === leader.node.raft.term
      );
  };
  await expect(world, "L1", "no leader", hasLeader, deadlines.leader());
  const committed = checks.committedLast;
  const commitMs = deadlines.nextWrite() + catchUpMs(world, checks.quorum, 0);
  await expect(world, "L2", "nothing commits", () => checks.committedLast > committed, commitMs);
  const { term } = world.leader!.node.raft;
  await world.runUntil(() => false, deadlines.calm());
  const after = world.leader?.node.raft.term;
  if (after !== term) throw new Violation("L4", `term ${term} became ${after} without a cause`);
  for (const { clients } of nodes) for (const client of clients) client.quiet();
  const isQuiet = () =>
    !nodes.some(({ clients, floods }) => [...clients, ...floods].some(({ waits }) => waits));
  await expect(world, "L2", "a client waits for ever", isQuiet, deadlines.answers());
  await converge(world, nodes);
  await readAll(world, nodes);
  // Keys whose time comes are still removed.
  await converge(world, nodes);
  const digests = new Set(nodes.map(({ node }) => node.machine.keyspace.digest()));
  if (digests.size !== 1) throw new Violation("SN", "the nodes end with different states");
}

async function converge(world: World, nodes: readonly LiveNode[]): Promise<void> {
  const late = world.deadlines.lateEntries(nodes.length);
  const limitMs = catchUpMs(world, nodes.length, late);
  await expect(world, "L3", "the nodes do not converge", () => areEqual(nodes), limitMs);
}

/** How long the leader may need until it and the best followers, `count` nodes, have its log. */
function catchUpMs(world: World, count: number, lateEntries: number): number {
  const { live, shadows, deadlines } = world;
  const leader = world.leader!;
  const { lastEntry, term } = leader.node.raft;
  const log = shadows.get(leader.id)!;
  const behind = [...live.keys()].filter((id) => id !== leader.id)
    .map((id) => lastEntry.index - log.commonPrefix(shadows.get(id)!))
    .sort((a, b) => a - b);
  return deadlines.catchUp((behind[count - 2] ?? 0) + lateEntries, term);
}

/** A converged cluster answers every read, on every node. */
async function readAll(world: World, nodes: readonly LiveNode[]): Promise<void> {
  let left = nodes.length * FINAL_READS;
  for (const { id, clients } of nodes) {
    clients[0].readAll((effect) => {
      left--;
      if (effect !== "ok") world.fail(new Violation("L2", `a final read of node ${id} fails`));
    });
  }
  const limitMs = FINAL_READS * world.deadlines.read();
  await expect(world, "L2", "final reads are not answered", () => left === 0, limitMs);
}

function areEqual(nodes: readonly LiveNode[]): boolean {
  const first = nodes[0].node;
  return nodes.every(({ node }) =>
    node.appliedIndex === first.appliedIndex && node.raft.lastEntry.index === node.appliedIndex
  );
}

async function expect(
  world: World,
  invariant: string,
  text: string,
  done: () => boolean,
  limitMs: number,
): Promise<void> {
  const startMs = world.clock.nowMs();
  if (await world.runUntil(done, limitMs)) {
    const part = (world.clock.nowMs() - startMs) / limitMs;
    const name = `${invariant} ${text}`;
    world.deadlineParts.set(name, Math.max(part, world.deadlineParts.get(name) ?? 0));
    return;
  }
  const nodes = [...world.live.values()].map(({ id, node }) => {
    const { role, term, leaderId, commitIndex, lastEntry } = node.raft;
    return `node ${id} ${role} term ${term} leader ${leaderId} commit ${commitIndex} ` +
      `last ${lastEntry.index} applied ${node.appliedIndex}`;
  });
  throw new Violation(invariant, `${text} within ${limitMs} ms\n  ${nodes.join("\n  ")}`);
}
