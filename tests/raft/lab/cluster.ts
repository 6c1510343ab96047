/** A whole simulated cluster: nodes, disks, network, checker and faults, all from one seed. */

import { NodeId, Prng, type Term } from "../../../src/base/mod.ts";
import { type Configuration, EMPTY_CONFIGURATION, type RaftLimits } from "../../../src/raft/mod.ts";
import { SafetyChecker } from "./checker.ts";
import { type LabSnapshot, SimulatedDisk } from "./disk.ts";
import { EventQueue } from "./event_queue.ts";
import { type LinkOptions, reliableLinks, SimulatedNetwork } from "./network.ts";
import { configurationOf } from "./members.ts";
import { LabNode, type Surroundings } from "./node.ts";

export interface ClusterOptions {
  readonly size: number;
  readonly seed: number;
  readonly electionTimeoutMs?: { readonly min: number; readonly max: number };
  readonly heartbeatMs?: number;
  readonly links?: LinkOptions;
  readonly syncMs?: { readonly min: number; readonly max: number };
  readonly limits?: Partial<RaftLimits>;
  readonly tickLateMs?: number;
  readonly leaseReads?: boolean;
  /** Peers learn at once that a process ended, as from its closed connections. */
  readonly closeNotices?: boolean;
}

export const LAB_LIMITS: RaftLimits = {
  appendBytesMax: 64 * 1024,
  inflightMessagesMax: 64,
  inflightBytesMax: 1024 * 1024,
  uncommittedBytesMax: 4 * 1024 * 1024,
  cacheBytesMax: 256 * 1024,
};

/** The default timers, from the architecture's D10. */
export const EDGE_TIMERS = { electionTimeoutMs: { min: 3000, max: 6000 }, heartbeatMs: 500 };
/** As in the labs: not more than tens of heartbeats a second. */
export const LAB_TIMERS = { electionTimeoutMs: { min: 300, max: 600 }, heartbeatMs: 100 };

export class Cluster {
  readonly events = new EventQueue();
  readonly prng: Prng;
  readonly network: SimulatedNetwork;
  readonly checker: SafetyChecker;
  readonly nodes: LabNode[] = [];
  readonly seed: number;
  /** Every election, in order. */
  readonly elections: { node: NodeId; term: number; atMs: number }[] = [];
  readonly #closeNotices: boolean;
  readonly #disks = new Map<NodeId, SimulatedDisk>();
  readonly #syncMs: { readonly min: number; readonly max: number };
  readonly #around: Surroundings;

  constructor(options: ClusterOptions) {
    const { size, seed, links = reliableLinks(), syncMs = { min: 1, max: 1 } } = options;
    this.seed = seed;
    this.prng = new Prng(seed);
    this.#closeNotices = options.closeNotices ?? false;
    this.network = new SimulatedNetwork(this.events, this.prng, links, (message) => {
      this.node(message.to).receive({ kind: "message", message });
    });
    const voters = Array.from({ length: size }, (_, at) => NodeId(at + 1));
    this.#syncMs = syncMs;
    this.checker = new SafetyChecker(this.#disks);
    this.#around = {
      events: this.events,
      prng: this.prng,
      checker: this.checker,
      raft: {
        electionTimeoutMs: options.electionTimeoutMs ?? LAB_TIMERS.electionTimeoutMs,
        heartbeatMs: options.heartbeatMs ?? LAB_TIMERS.heartbeatMs,
        limits: { ...LAB_LIMITS, ...options.limits },
      },
      tickLateMs: options.tickLateMs ?? 3,
      leaseReads: options.leaseReads ?? false,
      send: (message) => this.network.send(message),
      sendSnapshot: (...transfer) => this.#sendSnapshot(...transfer),
      onLeader: (node, term) => this.elections.push({ node, term, atMs: this.nowMs }),
    };
    for (const _ of voters) this.#add(configurationOf(voters));
    for (const node of this.nodes) node.start();
  }

  /** A node that knows nobody yet, with the next id. */
  addNode(): LabNode {
    const node = this.#add(EMPTY_CONFIGURATION);
    node.start();
    return node;
  }

  #add(bootstrap: Configuration): LabNode {
    const id = NodeId(this.nodes.length + 1);
    const disk = new SimulatedDisk(this.events, this.prng, { ...this.#syncMs }, bootstrap);
    this.#disks.set(id, disk);
    const node = new LabNode(id, disk, this.#around);
    this.nodes.push(node);
    return node;
  }

  /** Takes about as long as ten messages, and may be lost like them. */
  #sendSnapshot(
    from: LabNode,
    to: NodeId,
    snapshot: LabSnapshot,
    done: (sent: boolean) => void,
  ): void {
    const { network, prng, events } = this;
    const { delayMs, lossRequest } = network.links;
    const term = from.raft?.term as Term;
    events.after(10 * (delayMs.min + prng.unit() * (delayMs.max - delayMs.min)), () => {
      const peer = this.node(to);
      const sent = peer.isUp && network.carries(from.id, to) && !prng.chance(lossRequest);
      if (sent) peer.receiveSnapshot(from.id, term, snapshot);
      done(sent);
    });
  }

  get nowMs(): number {
    return this.events.nowMs;
  }
  get size(): number {
    return this.nodes.length;
  }
  get quorum(): number {
    return Math.floor(this.size / 2) + 1;
  }
  /** The nodes that the newest connected leader has in its configuration. */
  get members(): LabNode[] {
    const members = this.leader?.raft?.configuration.members ?? [];
    return members.map(({ id }) => this.node(id));
  }

  node(id: number): LabNode {
    return this.nodes[id - 1];
  }

  /** Lets virtual time pass. A failure names the seed. */
  run(durationMs: number): void {
    try {
      this.events.runUntil(this.events.nowMs + durationMs);
    } catch (cause) {
      const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      throw new Error(`seed ${this.seed} at ${this.nowMs} ms: ${message}`, { cause });
    }
  }

  /** Lets time pass until `condition` holds; false when it did not within `limitMs`. */
  runUntil(condition: () => boolean, limitMs: number, stepMs = 1): boolean {
    const endMs = this.nowMs + limitMs;
    while (!condition()) {
      if (this.nowMs >= endMs) return false;
      this.run(stepMs);
    }
    return true;
  }

  /** The connected leader of the newest term. */
  get leader(): LabNode | undefined {
    let best: LabNode | undefined;
    for (const node of this.nodes) {
      if (!node.isLeader || !this.network.isConnected(node.id)) continue;
      if (best === undefined || node.term > best.term) best = node;
    }
    return best;
  }

  /** Waits until somebody leads and everybody connected follows; fails after `limitMs`. */
  waitForLeader(limitMs = 20_000): LabNode {
    const settled = () => {
      const leader = this.leader;
      return leader !== undefined && leader.raft?.commitIndex === leader.raft?.lastEntry.index &&
        this.members.every((node) =>
          !node.isUp || !this.network.isConnected(node.id) ||
          (node.raft?.leaderId === leader.id && node.raft.commitIndex === leader.raft?.commitIndex)
        );
    };
    if (!this.runUntil(settled, limitMs)) {
      throw new Error(`seed ${this.seed}: no settled leader after ${limitMs} ms`);
    }
    return this.leader as LabNode;
  }

  crash(id: number): void {
    const node = this.node(id);
    if (!node.isUp) return;
    node.crash();
    if (this.#closeNotices) this.noticeClosed(node.id);
  }

  restart(id: number): void {
    const node = this.node(id);
    if (node.isUp) node.crash();
    node.start();
  }

  /** Tells every other node, after a network delay, that the connection of `id` closed. */
  noticeClosed(id: NodeId, spreadMs = 0): void {
    const { min, max } = this.network.links.delayMs;
    for (const other of this.nodes) {
      if (other.id === id) continue;
      // Behind everything that was sent on the connection before.
      const delayMs = max + this.prng.unit() * (max - min + spreadMs);
      this.events.after(delayMs, () => other.receive({ kind: "peerClosed", peer: id }));
    }
  }

  disconnect(id: number): void {
    this.network.setConnected(NodeId(id), false);
  }

  connect(id: number): void {
    this.network.setConnected(NodeId(id), true);
  }

  /** Runs a script that sleeps by yielding milliseconds, beside everything else. */
  spawn(script: Generator<number, unknown, void>): () => boolean {
    let ended = false;
    const go = () => {
      const next = script.next();
      if (next.done) ended = true;
      else this.events.after(next.value, go);
    };
    this.events.at(this.nowMs, go);
    return () => ended;
  }
}
