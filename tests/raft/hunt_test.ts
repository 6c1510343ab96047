/**
 * Random runs in virtual time that hunt for violations of safety: every seed draws its own kinds of
 * faults, sizes and limits, so that no kind hides another (design/simulation.md). At the end
 * everything heals, and the cluster must agree and make progress again.
 */

import { LogIndex, type NodeId, Prng } from "../../src/base/mod.ts";
import { hasVote, isJoint, type MemberChange, type RaftLimits } from "../../src/raft/mod.ts";
import { Cluster, LAB_LIMITS } from "./lab/cluster.ts";
import { describeNode, describeProgress } from "./lab/describe.ts";
import { addressesOf } from "./lab/members.ts";
import { type LinkOptions, reliableLinks } from "./lab/network.ts";
import type { LabNode } from "./lab/node.ts";
import { assert, assertEquals, assertGreater } from "../support/assert.ts";

const SEEDS = 300;
const NODES_MAX = 8;
const FAULTY_MS = 10_000;
const HEALED_MS = 20_000;

/** Which faults a seed plays, drawn once. */
interface Faults {
  readonly crashes: boolean;
  readonly cuts: boolean;
  readonly oneWayCuts: boolean;
  readonly pauses: boolean;
  readonly falseAlarms: boolean;
  readonly transfers: boolean;
  readonly stepDowns: boolean;
  readonly changes: boolean;
  readonly snapshots: boolean;
  readonly leaseReads: boolean;
}

function drawFaults(prng: Prng): Faults {
  return {
    crashes: prng.chance(0.6),
    cuts: prng.chance(0.5),
    oneWayCuts: prng.chance(0.3),
    pauses: prng.chance(0.3),
    falseAlarms: prng.chance(0.4),
    transfers: prng.chance(0.4),
    stepDowns: prng.chance(0.2),
    changes: prng.chance(0.5),
    snapshots: prng.chance(0.5),
    leaseReads: prng.chance(0.4),
  };
}

function drawLinks(prng: Prng): LinkOptions {
  const links = reliableLinks(0, prng.pick([2, 10, 50]));
  if (prng.chance(0.3)) return links;
  return {
    ...links,
    inOrder: false,
    lossRequest: prng.chance(0.5) ? prng.unit() * 0.3 : 0,
    lossReply: prng.chance(0.5) ? prng.unit() * 0.3 : 0,
    repeat: prng.chance(0.5) ? prng.unit() * 0.5 : 0,
    lateReply: prng.chance(0.2) ? 0.3 : 0,
    lateMs: { min: 200, max: 2200 },
  };
}

function drawLimits(prng: Prng): RaftLimits {
  if (prng.chance(0.4)) return LAB_LIMITS;
  return {
    appendBytesMax: prng.pick([1, 100, 1000]),
    inflightMessagesMax: prng.pick([1, 2, 5]),
    inflightBytesMax: prng.pick([100, 1000]),
    uncommittedBytesMax: prng.pick([200, 2000]),
    cacheBytesMax: prng.pick([0, 200, 5000]),
  };
}

export class Hunt {
  readonly cluster: Cluster;
  readonly prng: Prng;
  readonly faults: Faults;
  proposals = 0;
  reads = 0;
  changes = 0;
  readsByLease = 0;
  /** What was committed anywhere when the read was asked. */
  readonly #asked = new Map<number, { node: NodeId; atLeast: number }>();

  constructor(seed: number) {
    this.prng = new Prng(seed * 7919);
    this.faults = drawFaults(this.prng);
    this.cluster = new Cluster({
      size: this.prng.pick([1, 2, 3, 3, 3, 5, 5]),
      seed,
      links: drawLinks(this.prng),
      limits: drawLimits(this.prng),
      syncMs: this.prng.pick([{ min: 0, max: 2 }, { min: 1, max: 30 }, { min: 0, max: 400 }]),
      closeNotices: this.prng.chance(0.5),
      leaseReads: this.faults.leaseReads,
      tickLateMs: this.prng.pick([0, 5, 40]),
    });
    for (const node of this.cluster.nodes) this.#equip(node);
  }

  /** How often this node takes snapshots, and what it keeps behind them. */
  #equip(node: LabNode): void {
    if (!this.faults.snapshots) return;
    node.snapshotEntries = this.prng.pick([1, 5, 20]);
    node.trailingEntries = this.prng.pick([0, 0, 3, 30]);
  }

  play(): void {
    while (this.cluster.nowMs < FAULTY_MS) {
      this.#act();
      this.cluster.run(this.prng.between(0, 60));
      this.#checkReads();
    }
    this.#heal();
  }

  #act(): void {
    const { prng, cluster } = this;
    for (let count = prng.between(0, 3); count > 0; count--) this.#propose();
    if (prng.chance(0.3)) this.#read();
    if (this.faults.changes && prng.chance(0.1)) this.#change();
    if (prng.chance(0.9)) return;
    const { faults } = this;
    const node = prng.pick(cluster.nodes);
    const target = prng.chance(0.5) ? cluster.leader ?? node : node;
    if (faults.crashes && prng.chance(0.5)) cluster.crash(target.id);
    if (faults.crashes && prng.chance(0.7)) this.#restartOne();
    if (faults.cuts && prng.chance(0.3)) cluster.disconnect(target.id);
    if (faults.cuts && prng.chance(0.5)) cluster.connect(node.id);
    if (faults.oneWayCuts && prng.chance(0.3)) cluster.network.cutPair(target.id, node.id);
    if (faults.oneWayCuts && prng.chance(0.3)) cluster.network.healPairs();
    if (faults.pauses && prng.chance(0.4)) target.pause(prng.between(10, 2000));
    if (faults.falseAlarms && prng.chance(0.5)) cluster.noticeClosed(target.id, 10);
    if (faults.transfers && prng.chance(0.5)) {
      target.receive({ kind: "transfer", to: prng.chance(0.5) ? node.id : undefined });
    }
    if (faults.stepDowns && prng.chance(0.3)) {
      target.receive({ kind: "stepDown", reason: "the hunt says so" });
    }
  }

  /** Whatever an operator might ask for, sensible or not; mostly of the leader. */
  #change(): void {
    const { prng, cluster } = this;
    const leader = cluster.leader;
    const node = prng.chance(0.9) && leader !== undefined ? leader : prng.pick(cluster.nodes);
    const id = prng.pick(cluster.nodes).id;
    const kind = prng.pick(["add", "add", "remove", "remove", "promote", "demote"] as const);
    if (kind !== "add") {
      this.#ask(node, { kind, id });
      return;
    }
    if (cluster.nodes.length >= NODES_MAX) return;
    const added = cluster.addNode();
    this.#equip(added);
    const as = prng.pick(["voter", "voter", "learner"] as const);
    const replaces = prng.chance(0.4) && as === "voter" ? { replaces: id } : {};
    this.#ask(node, { kind, id: added.id, ...addressesOf(added.id), as, ...replaces });
  }

  #ask(node: LabNode, change: MemberChange): void {
    if (!node.isUp || node.isPaused) return;
    if (node.step({ kind: "changeMembers", change }).kind === "proposed") this.changes++;
  }

  #restartOne(): void {
    const down = this.cluster.nodes.filter((node) => !node.isUp);
    if (down.length > 0) this.cluster.restart(this.prng.pick(down).id);
  }

  #propose(): void {
    const node = this.prng.chance(0.8) ? this.cluster.leader : this.prng.pick(this.cluster.nodes);
    const size = this.prng.chance(0.1) ? 500 : this.prng.between(0, 20);
    if (node?.propose(`${this.proposals} ${"x".repeat(size)}`) !== undefined) this.proposals++;
  }

  #read(): void {
    const node = this.prng.pick(this.cluster.nodes);
    const atLeast = this.cluster.checker.committedIndex;
    const readId = node.isUp && !node.isPaused ? node.read() : undefined;
    if (readId !== undefined) this.#asked.set(readId * 16 + node.id, { node: node.id, atLeast });
  }

  /** A confirmed index covers everything that was committed when the read was asked (§6.4). */
  #checkReads(): void {
    for (const node of this.cluster.nodes) {
      for (const { readId, index } of node.reads.splice(0)) {
        const asked = this.#asked.get(readId * 16 + node.id);
        assert(asked !== undefined, `seed ${this.cluster.seed}: an answer to no question`);
        this.#asked.delete(readId * 16 + node.id);
        if (index === undefined) continue;
        this.reads++;
        assert(
          index >= asked.atLeast,
          `seed ${this.cluster.seed}: node ${node.id} reads at ${index}, ${asked.atLeast} was committed`,
        );
      }
    }
  }

  #heal(): void {
    const { cluster } = this;
    cluster.network.links = reliableLinks(1, 5);
    cluster.network.healPairs();
    for (const node of cluster.nodes) {
      cluster.connect(node.id);
      node.disk.syncMs = { min: 1, max: 3 };
      if (!node.isUp) cluster.restart(node.id);
    }
    cluster.run(3000);
    assert(
      cluster.runUntil(() => this.#isSettled(), HEALED_MS, 10),
      `seed ${cluster.seed}: a change of the members does not end: ${this.#describe()}`,
    );
    const leader = cluster.waitForLeader(HEALED_MS);
    assert(leader.propose("the last") !== undefined, `seed ${cluster.seed}: it refuses`);
    const index = LogIndex(leader.raft?.lastEntry.index ?? 0);
    assert(
      cluster.runUntil(() => cluster.members.every((node) => node.appliedIndex >= index), 2000),
      `seed ${cluster.seed}: not applied everywhere: ${this.#describe()}`,
    );
    this.#checkReads();
    for (const { raft } of cluster.nodes) this.readsByLease += raft?.readsByLease ?? 0;
    for (const node of cluster.members) {
      assertEquals(node.applied, leader.applied, `seed ${cluster.seed}: different commands`);
    }
  }

  /** Nobody joins, nothing is joint, and the members agree on who they are. */
  #isSettled(): boolean {
    const raft = this.cluster.leader?.raft;
    if (raft === undefined || raft.configurationIndex > raft.commitIndex) return false;
    const { configuration } = raft;
    return !isJoint(configuration) && hasVote(configuration, this.cluster.leader?.id as NodeId) &&
      configuration.members.every(({ standing }) => standing !== "joining");
  }

  #describe(): string {
    return this.cluster.nodes.map(({ id, raft }) =>
      raft === undefined
        ? `${id} down`
        : `\n${id}: ${describeNode(raft)}; ${describeProgress(raft)}`
    ).join("");
  }
}

Deno.test("random faults break no promise of the protocol", () => {
  let proposals = 0;
  let committed = 0;
  let reads = 0;
  let elections = 0;
  let changes = 0;
  let installs = 0;
  let byLease = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const hunt = new Hunt(seed);
    hunt.play();
    proposals += hunt.proposals;
    committed += hunt.cluster.checker.committedIndex;
    reads += hunt.reads;
    elections += hunt.cluster.elections.length;
    changes += hunt.changes;
    byLease += hunt.readsByLease;
    for (const node of hunt.cluster.nodes) installs += node.installs;
  }
  console.log(
    `  ${SEEDS} seeds: ${elections} elections, ${proposals} proposals, ` +
      `${committed} entries committed, ${reads} reads confirmed (${byLease} by lease), ${changes} changes of members, ` +
      `${installs} snapshots installed`,
  );
  assertGreater(committed, SEEDS * 20);
  assertGreater(reads, SEEDS);
  assertGreater(changes, SEEDS);
  assertGreater(installs, SEEDS);
  assertGreater(byLease, SEEDS);
});
