/**
 * The nodes of one run: production code from the listener's lanes down to the log, over clocks,
 * disks and links of the simulation.
 */

import { NodeId, Prng, silentLogger } from "../../src/base/mod.ts";
import { RaftNode, silentObserver } from "../../src/node/mod.ts";
import { firstConfiguration } from "../../src/raft/mod.ts";
import { DataDirectory, RaftStorage } from "../../src/storage/mod.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Checks } from "./checks.ts";
import { Client, Histories } from "./clients.ts";
import { Deadlines } from "./deadlines.ts";
import { DiskShadow } from "./disk_shadow.ts";
import { Flood } from "./flood.ts";
import { SimulatedHub, SimulatedNetwork } from "./network.ts";
import { NodeClock } from "./node_clock.ts";
import { ObservedDisk } from "./observed_disk.ts";
import { type Plan, TIMINGS } from "./plan.ts";
import type { Scar } from "./scar.ts";
import { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";

export interface LiveNode {
  readonly id: NodeId;
  readonly node: RaftNode;
  readonly network: SimulatedNetwork;
  readonly clock: NodeClock;
  readonly clients: Client[];
  readonly floods: Flood[];
}

export class World {
  readonly plan: Plan;
  readonly deadlines: Deadlines;
  readonly clock = new VirtualClock();
  readonly trace = new Trace(this.clock);
  readonly counts = new Map<string, number>();
  /** The largest part of each deadline that was needed. */
  readonly deadlineParts = new Map<string, number>();
  readonly ids: readonly NodeId[];
  readonly shadows = new Map<NodeId, DiskShadow>();
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly live = new Map<NodeId, LiveNode>();
  readonly clocks = new Map<NodeId, NodeClock>();
  readonly checks: Checks;
  readonly histories = new Histories();
  readonly hub: SimulatedHub;
  /** Draws of the faults; clients and links have their own. */
  readonly prng: Prng;
  /** How long a sync of a node's disk takes. */
  readonly syncMs = new Map<NodeId, () => number>();
  /** What the next operations of a node's disk meet. */
  readonly diskFaults = new Map<NodeId, NonNullable<MemoryDisk["fault"]>>();
  /** Files that are not what they should be. */
  readonly scars = new Map<NodeId, Scar>();
  readonly #starting = new Set<NodeId>();
  #floods = 0;
  #failure: unknown;

  constructor(plan: Plan) {
    this.plan = plan;
    this.deadlines = new Deadlines(plan);
    this.prng = new Prng(plan.seed * 3 + 1);
    this.ids = Array.from({ length: plan.size }, (_, i) => NodeId(i + 1));
    this.checks = new Checks(plan.size, this.shadows, () => this.clock.nowMs());
    this.hub = new SimulatedHub(this.clock, new Prng(plan.seed * 3 + 2), {
      onSend: (message) => this.guard(() => this.checks.checkPromise(message)),
      onDeliver: (message) => {
        const index = "index" in message ? message.index ?? 0 : 0;
        this.trace.add("deliver", message.kind, message.from, message.to, message.term, index);
      },
      onFault: (kind) => this.count(kind),
      onDamageTaken: ({ kind }) => {
        this.fail(new Violation("CC", `a damaged ${kind} was read as a message`));
      },
    });
    this.hub.rules.delayMs = plan.delayMs;
    for (const id of this.ids) {
      const shadow: DiskShadow = new DiskShadow({
        onEntryWritten: (entry) => this.guard(() => this.checks.entryWritten(shadow, entry)),
        onDurableEntryCut: (entry) => this.guard(() => this.checks.durableEntryCut(id, entry)),
      });
      this.shadows.set(id, shadow);
      this.disks.set(id, new MemoryDisk());
      this.clocks.set(id, new NodeClock(this.clock));
    }
  }

  /** The first failure ends the run; it may come from inside production code. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get failure(): unknown {
    return this.#failure;
  }

  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
    }
  }

  count(kind: string, by = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + by);
  }

  /** Runs virtual time; every step is checked. True when `done` came true in time. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.clock.nowMs() + limitMs;
    let reached = false;
    await this.clock.runUntilQuickly(() => {
      this.guard(() => this.checks.afterStep());
      reached = done();
      return reached || this.hasFailed || this.clock.nowMs() >= endMs;
    }, limitMs);
    if (this.#failure !== undefined) throw this.#failure;
    return reached;
  }

  /** Starts a node's process. Undefined when its storage refuses: then the error is returned. */
  async start(id: NodeId): Promise<unknown> {
    if (this.live.has(id) || this.#starting.has(id)) return undefined;
    this.#starting.add(id);
    try {
      await this.#open(id);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.#starting.delete(id);
    }
  }

  async #open(id: NodeId): Promise<void> {
    const memory = this.disks.get(id)!;
    const clock = this.clocks.get(id)!;
    const shadow = this.shadows.get(id)!;
    const disk = this.#observe(id);
    const directory = await this.openDirectory(id, disk);
    const holder: { node?: RaftNode } = {};
    const storage = await RaftStorage.open({
      disk,
      directory,
      options: {
        fsync: "always",
        fsyncIntervalMs: 1000,
        segmentBytes: this.plan.segmentBytes,
        preallocateBytes: 1024,
      },
      clock,
      logger: silentLogger,
      onFatal: (error) => holder.node?.diskFailed(error),
    });
    const { last, hardState } = storage.recovered;
    this.guard(() => shadow.checkRecovered(last.index, hardState.term, hardState.votedFor));
    const network = new SimulatedNetwork(this.hub, id, clock);
    const { incarnation } = directory.identity;
    const node = holder.node = await this.#makeNode(id, incarnation, storage, network, clock);
    const live: LiveNode = { id, node, network, clock, clients: [], floods: [] };
    this.live.set(id, live);
    memory.fault = (operation) => this.#diskFault(id, operation);
    this.checks.started(id, node);
    await node.start();
    this.trace.add("start", "", id, incarnation, last.index, hardState.term);
    for (let at = 0; at < this.plan.clients; at++) this.#connect(live);
  }

  #observe(id: NodeId): ObservedDisk {
    return new ObservedDisk(
      this.disks.get(id)!,
      this.shadows.get(id)!,
      () => this.scars.get(id),
    );
  }

  /** Takes a node's directory, which only one process may have. */
  openDirectory(id: NodeId, disk = this.#observe(id)): Promise<DataDirectory> {
    return DataDirectory.open({
      disk,
      path: "/data",
      nodeId: id,
      clusterId: CLUSTER,
      logger: silentLogger,
    });
  }

  #diskFault(id: NodeId, operation: Parameters<NonNullable<MemoryDisk["fault"]>>[0]) {
    const fault = this.diskFaults.get(id)?.(operation);
    if (fault !== undefined || operation.kind !== "sync") return fault;
    const syncMs = this.syncMs.get(id)?.() ?? 0;
    return syncMs === 0 ? undefined : { kind: "hang" as const, until: this.clock.pause(syncMs) };
  }

  async #makeNode(
    id: NodeId,
    incarnation: number,
    storage: RaftStorage,
    network: SimulatedNetwork,
    clock: NodeClock,
  ): Promise<RaftNode> {
    const { plan } = this;
    const timing = TIMINGS[plan.timing];
    const node = await RaftNode.open({
      clusterId: CLUSTER,
      id,
      incarnation,
      bootstrap: firstConfiguration(this.ids.map((member) => ({
        id: member,
        raftAddress: `127.0.0.1:${7000 + member}`,
        redisAddress: `127.0.0.1:${6000 + member}`,
      }))),
      reading: { reads: "linearizable", stalenessMsMax: 1000 },
      snapshotLogBytes: Infinity,
      advertise: {},
      snapshotRateBytes: Infinity,
      ...timing,
      raftLimits: {
        appendBytesMax: plan.appendBytesMax,
        inflightMessagesMax: plan.inflightMessagesMax,
        inflightBytesMax: 1 << 20,
        uncommittedBytesMax: 1 << 14,
        cacheBytesMax: plan.cacheBytesMax,
      },
      proposalLimits: {
        batchBytesMax: plan.batchBytesMax,
        entryBytesMax: 1 << 14,
        operationTimeoutMs: 2 * timing.electionTimeoutMs.max,
        resendMs: timing.electionTimeoutMs.min,
      },
      readLimits: {
        operationTimeoutMs: 2 * timing.electionTimeoutMs.max,
        askAgainMs: timing.heartbeatMs,
      },
      diskLimits: {
        stepDownMs: timing.electionTimeoutMs.max,
        exitMs: 4 * timing.electionTimeoutMs.max,
      },
      transferTimeoutMs: timing.electionTimeoutMs.max,
      storage,
      network,
      clock,
      logger: silentLogger,
      observer: silentObserver,
      seed: plan.seed * 100 + id * 7 + incarnation,
      onFatal: (reason) => {
        if (this.live.get(id)?.node !== node || this.disks.get(id)!.crashed) return;
        this.count(`fatal ${reason.kind}`);
        this.trace.add("fatal", reason.kind, id, 0, 0, 0);
        // As the process would end: whatever is not on the disk is gone.
        this.clock.setImmediate(() => {
          if (this.live.get(id)?.node === node) this.stop(id, (disk) => disk.crash(() => false));
        });
      },
    });
    return node;
  }

  #connect(live: LiveNode): void {
    const seed = this.plan.seed * 31 + live.id * 7 + this.histories.nextProcess();
    const client = new Client(live.node.openLane(), {
      nowMs: () => this.clock.nowMs(),
      later: (delayMs, callback) => void this.clock.setTimer(delayMs, callback),
      fail: (error) => this.fail(error),
      thinkMs: this.plan.thinkMs,
      prng: new Prng(seed),
    }, this.histories);
    live.clients.push(client);
    client.start();
  }

  /** The process of a node ends without a word; `crash` says what its disk keeps. */
  stop(id: NodeId, crash: (disk: MemoryDisk) => MemoryDisk): void {
    const live = this.live.get(id);
    if (live === undefined) return;
    this.live.delete(id);
    this.clocks.set(id, live.clock.end());
    this.checks.stopped(id);
    this.trace.add("stop", "", id, 0, 0, 0);
    this.#healScar(id, this.#nextDisk(id, crash));
    this.diskFaults.delete(id);
    this.shadows.get(id)!.crashed();
    live.network.vanish();
    for (const client of live.clients) client.connectionLost();
    for (const flood of live.floods) flood.end();
  }

  /** A disk that no process holds, with what it has now. */
  replaceDisk(id: NodeId): MemoryDisk {
    this.shadows.get(id)!.crashed();
    return this.#nextDisk(id, (disk) => disk.kill());
  }

  #nextDisk(id: NodeId, crash: (disk: MemoryDisk) => MemoryDisk): MemoryDisk {
    const disk = this.disks.get(id)!;
    for (const [kind, count] of disk.fired) this.count(`disk ${kind}`, count);
    const next = crash(disk);
    next.capacityBytes = disk.capacityBytes;
    this.disks.set(id, next);
    return next;
  }

  /** Puts what was written into its place, before anybody could miss it. */
  #healScar(id: NodeId, disk: MemoryDisk): void {
    const scar = this.scars.get(id);
    if (scar === undefined) return;
    this.scars.delete(id);
    if (disk.paths().includes(scar.path)) disk.setContent(scar.path, scar.content());
  }

  /** One more client of a node, in a hurry. */
  startFlood(id: NodeId): void {
    const live = this.live.get(id)!;
    const key = `f${++this.#floods}`;
    const count = this.prng.between(20, 150);
    live.floods.push(new Flood(live.node.openLane(), key, count, (error) => this.fail(error)));
  }

  get leader(): LiveNode | undefined {
    const leaders = [...this.live.values()].filter(({ node }) => node.raft.role === "leader");
    return leaders.sort((a, b) => b.node.raft.term - a.node.raft.term)[0];
  }

  /** Nothing may reject unheard: the run's owner reports such errors here. */
  onUnhandled(error: unknown): void {
    this.fail(error instanceof Violation ? error : new Violation("assertion", String(error)));
  }
}
