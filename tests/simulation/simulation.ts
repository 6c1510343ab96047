/** One seed: faults and clients first, then a good network, a healthy core and deadlines. */

import { AssertionError } from "../../src/base/mod.ts";
import { FEATURE_LEVEL, votersOf } from "../../src/raft/mod.ts";
import { FINAL_READS } from "./clients.ts";
import { drawCore } from "./core.ts";
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

/**
 * Runs one seed, or what `body` does in its world. One at a time in a process: what rejects unheard is
 * this run's failure.
 */
export async function simulate(plan: Plan, body = run): Promise<Outcome> {
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
    await body(world);
  } catch (error) {
    failure = describe(error);
  } finally {
    // Nothing of this run goes on in the next one.
    for (const id of [...world.live.keys()]) world.stop(id, (disk) => disk.kill());
    globalThis.removeEventListener("unhandledrejection", onUnhandled);
    globalThis.removeEventListener("error", onError);
  }
  const risen = world.checks.configurations.newest.featureLevel - FEATURE_LEVEL;
  if (risen > 0) world.count("feature level risen", risen);
  const { loadedStates, equalFiles } = world.checks.states;
  if (loadedStates > 0) world.count("snapshot loaded", loadedStates);
  if (equalFiles > 0) world.count("snapshot taken by two", equalFiles);
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
  const { plan, checks } = world;
  await startFirst(world);
  const faults = new Faults(world);
  faults.begin();
  const sliceMs = plan.safetyMs / 20;
  for (let slice = 0; slice < 20; slice++) {
    await world.runUntil(() => false, sliceMs);
    checks.checkBounds();
  }
  await faults.stop();
  const core = drawCore(world);
  if (core === undefined) {
    world.count("too much was lost to go on");
    // What is asked now is never answered, and may have been done.
    for (const { clients } of world.live.values()) {
      for (const client of clients) client.connectionLost();
    }
  } else {
    await faults.runOnly(core);
    await checkLiveness(world);
  }
  world.histories.check(checks.states.appliedAtMs);
}

/** Starts the nodes that found the cluster. */
export async function startFirst(world: World): Promise<void> {
  for (const { id } of world.first.members) {
    const error = await world.start(id);
    if (error !== undefined) throw error;
  }
}

/** Nodes and links are good: there is a leader, and everything that must come about does. */
export async function checkLiveness(world: World): Promise<void> {
  const { plan, deadlines, checks, operators } = world;
  await expect(world, "L1", "no leader", () => hasLeaderOfFound(world), deadlines.leader());
  if (!hasLeader(world)) {
    const limitMs = deadlines.settle() + catchUpMs(world, world.live.size, 0);
    operators.bringBackLost();
    await expect(world, "L1", "a lost node is not brought back", () => hasLeader(world), limitMs);
  }
  const committed = checks.committedLast;
  const quorum = (votersOf(world.leader!.node.raft.configuration).length >> 1) + 1;
  const commitMs = deadlines.nextWrite() + catchUpMs(world, quorum, 0);
  await expect(world, "L2", "nothing commits", () => checks.committedLast > committed, commitMs);
  if (hasLeader(world)) await checkCalm(world);
  for (const { clients } of world.live.values()) for (const client of clients) client.quiet();
  const isQuiet = () =>
    operators.open === 0 &&
    ![...world.live.values()].some(({ clients, floods }) =>
      [...clients, ...floods].some(({ waits }) => waits)
    );
  await expect(world, "L2", "a client waits for ever", isQuiet, deadlines.answers());
  const settleMs = deadlines.settle() + catchUpMs(world, world.live.size, 0);
  await expect(world, "L2", "the members do not settle", () => isSettled(world), settleMs);
  if (plan.faults.has("mixedVersions")) {
    const rises = () => isSettled(world) && isLevelRisen(world);
    await expect(world, "L2", "the feature level does not rise", rises, settleMs);
  }
  if (plan.faults.has("moveMember")) {
    const known = () => isSettled(world) && world.places.isLeaderTold();
    await expect(world, "L2", "a move is not made known", known, settleMs + deadlines.move());
  }
  startRemoved(world);
  await checkCalm(world);
  const nodes = world.members();
  await converge(world, nodes);
  await readAll(world, nodes);
  // Keys whose time comes are still removed.
  await converge(world, nodes);
  const digests = new Set(nodes.map(({ node: { machine } }) => machine.keyspace.digest()));
  if (digests.size !== 1) throw new Violation("SN", "the nodes end with different states");
}

function hasLeader(world: World): boolean {
  return world.leader !== undefined && isFollowed(world.leader, world.members());
}

/** All but those that only an operator brings back. */
function hasLeaderOfFound(world: World): boolean {
  const { leader, places } = world;
  return leader !== undefined &&
    isFollowed(leader, world.members().filter((member) => !places.isLost(member, leader)));
}

function isFollowed({ id, node: { raft } }: LiveNode, members: readonly LiveNode[]): boolean {
  return members.every(({ node }) => node.raft.leaderId === id && node.raft.term === raft.term);
}

/** No change is under way, who runs is a member, and who was to vote does. */
function isSettled(world: World): boolean {
  if (!hasLeader(world)) return false;
  const { raft } = world.leader!.node;
  const { configuration, committedConfiguration } = raft;
  const members = world.members();
  const { length } = members.filter(({ id }) => !world.removed.has(id));
  return configuration === committedConfiguration && configuration.outgoing.length === 0 &&
    raft.isVoter && length + countUntold(world) === world.live.size &&
    !configuration.members.some(({ id, standing }) => standing === "joining" && world.live.has(id));
}

/**
 * Nodes that were removed, did not hear it from the log, and find too few of the others to believe
 * that they refuse it (`node/replacement_watch.ts`).
 */
function countUntold({ live, leader, places }: World): number {
  const { removed } = leader!.node.raft.committedConfiguration;
  const untold = [...live.values()].filter(({ id, node }) => {
    const { members } = node.raft.configuration;
    const refusers = members.filter((member) =>
      member.id !== id && live.has(member.id) && places.isAt(member)
    );
    const needed = Math.max(1, Math.min(2, members.length - 1));
    return removed.includes(id) && refusers.length < needed;
  });
  return untold.length;
}

/** The cluster uses what all its members support, when all of them are there. */
function isLevelRisen(world: World): boolean {
  const { members, featureLevel } = world.leader!.node.raft.configuration;
  const least = Math.min(...members.map(({ id }) => world.releases.levelOf(id)));
  return featureLevel >= least || members.some(({ id }) => !world.live.has(id));
}

/** Nobody is elected, unless what operators asked for before takes the leader's vote. */
async function checkCalm(world: World): Promise<void> {
  const { id, node } = world.leader!;
  const { term } = node.raft;
  await world.runUntil(() => false, world.deadlines.calm());
  const after = world.leader?.node.raft.term;
  if (after === term || !votersOf(world.checks.configurations.newest).includes(id)) return;
  throw new Violation("L4", `term ${term} became ${after} without a cause`);
}

/** Who was removed may come back: nobody listens, and it ends again. */
function startRemoved(world: World): void {
  if (!world.plan.faults.has("restartRemoved")) return;
  for (const id of world.removed) {
    if (world.live.has(id)) continue;
    world.count("removed node started");
    void world.start(id);
  }
}

async function converge(world: World, nodes: readonly LiveNode[]): Promise<void> {
  const late = world.deadlines.lateEntries(nodes.length);
  const limitMs = catchUpMs(world, nodes.length, late);
  await expect(world, "L3", "the nodes do not converge", () => areEqual(world, nodes), limitMs);
}

/** How long the leader may need until it and the best followers, `count` nodes, have its log. */
function catchUpMs(world: World, count: number, lateEntries: number): number {
  const { live, shadows, deadlines } = world;
  const leader = world.leader!;
  const { lastEntry, term, logStart } = leader.node.raft;
  const log = shadows.get(leader.id)!;
  const behind = [...live.keys()].filter((id) => id !== leader.id)
    .map((id) => lastEntry.index - log.commonPrefix(shadows.get(id)!))
    .sort((a, b) => a - b);
  const entriesMs = deadlines.catchUp((behind[count - 2] ?? 0) + lateEntries, term);
  const isWounded = [...live.keys()].some((id) => world.isWounded(id));
  const isShort = logStart.index > 0 || isWounded ||
    [...live.values()].some(({ node }) => node.raft.needsSnapshot);
  if (!isShort) return entriesMs;
  const bytes = leader.node.options.storage.snapshots.newest?.bytes ?? 0;
  return entriesMs + deadlines.snapshots(bytes, live.size);
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

/** They have applied the same, and have back what they lost. */
function areEqual(world: World, nodes: readonly LiveNode[]): boolean {
  const first = nodes[0].node;
  return nodes.every(({ node }) =>
    node.appliedIndex === first.appliedIndex && node.raft.lastEntry.index === node.appliedIndex &&
    world.goesOn(node)
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
    const { role, term, leaderId, commitIndex, lastEntry, logStart, configuration } = node.raft;
    const members = configuration.members.map((member) => `${member.id} ${member.standing}`);
    return `node ${id} ${role} term ${term} leader ${leaderId} commit ${commitIndex} ` +
      `log ${logStart.index} to ${lastEntry.index} applied ${node.appliedIndex} ` +
      `of ${members.join(", ")}, leaves ${configuration.outgoing}` +
      (world.isWounded(id) ? `, wounded: ${describeWound(node)}` : "");
  });
  throw new Violation(invariant, `${text} within ${limitMs} ms\n  ${nodes.join("\n  ")}`);
}

function describeWound({ raft, integrity, options }: LiveNode["node"]): string {
  const damaged = options.storage.damaged.map(({ first, last }) => `${first} to ${last}`);
  return `needs snapshot ${raft.needsSnapshot}, recovering ${raft.isRecovering}, ` +
    `damaged ${damaged.join(", ") || "nothing"}, ${integrity.trouble ?? "no trouble"}`;
}
