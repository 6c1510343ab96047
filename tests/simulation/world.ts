/**
 * The nodes of one run: production code from the listener's lanes down to the log, over clocks,
 * disks and links of the simulation.
 */

import { NodeId, Prng, silentLogger } from "../../src/base/mod.ts";
import { mayRepair, RaftNode, silentObserver } from "../../src/node/mod.ts";
import { type Configuration, EMPTY_CONFIGURATION, firstConfiguration } from "../../src/raft/mod.ts";
import { DataDirectory, RaftStorage } from "../../src/storage/mod.ts";
import { snapshotIdOf } from "../../src/storage/snapshot_manifest.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Checks } from "./checks.ts";
import { type Client, Histories } from "./clients.ts";
import { Connections } from "./connections.ts";
import { Deadlines } from "./deadlines.ts";
import { DiskShadow } from "./disk_shadow.ts";
import { Flood } from "./flood.ts";
import { SimulatedHub, SimulatedNetwork } from "./network.ts";
import { NodeClock } from "./node_clock.ts";
import { nodeSettings } from "./node_settings.ts";
import { ObservedDisk } from "./observed_disk.ts";
import { Operators } from "./operators.ts";
import { addressesOf, Places } from "./places.ts";
import type { Plan } from "./plan.ts";
import { Releases } from "./releases.ts";
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
  /** Every node that has a disk, or had one. */
  readonly ids: NodeId[] = [];
  readonly first: Configuration;
  readonly shadows = new Map<NodeId, DiskShadow>();
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly live = new Map<NodeId, LiveNode>();
  readonly clocks = new Map<NodeId, NodeClock>();
  readonly checks: Checks;
  readonly operators: Operators;
  readonly releases: Releases;
  readonly connections: Connections;
  readonly places: Places;
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
  /** Nodes whose disk has lost something that others must give back. */
  readonly #wounded = new Set<NodeId>();
  /** Nodes whose disk is gone: they never start again. */
  readonly wiped = new Set<NodeId>();
  /** Nodes that have ended because they were removed. */
  readonly removed = new Set<NodeId>();
  /** Hears of each process that has ended because its release is too old. */
  onOutdated: (id: NodeId) => void = () => {};
  readonly #starting = new Set<NodeId>();
  #floods = 0;
  #failure: unknown;

  constructor(plan: Plan) {
    this.plan = plan;
    this.deadlines = new Deadlines(plan);
    this.prng = new Prng(plan.seed * 3 + 1);
    const founders = Array.from({ length: plan.size }, (_, i) => NodeId(i + 1));
    this.first = firstConfiguration(founders.map((id) => ({ id, ...addressesOf(id) })));
    this.checks = new Checks(this.first, this.shadows, () => this.clock.nowMs());
    this.operators = new Operators(this);
    this.releases = new Releases(this);
    this.connections = new Connections(this);
    this.places = new Places(this);
    this.hub = new SimulatedHub(this.clock, new Prng(plan.seed * 3 + 2), {
      onSend: (message) =>
        this.guard(() => {
          this.checks.checkPromise(message);
          this.checks.checkWhole(message);
        }),
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
    for (const id of founders) this.addNode(id);
  }

  /** A machine with an empty disk, for a node that has never been. */
  addNode(id: NodeId): void {
    const shadow: DiskShadow = new DiskShadow({
      onEntryWritten: (entry) => this.guard(() => this.checks.entryWritten(shadow, entry)),
      onDurableEntryCut: (entry) => this.guard(() => this.checks.durableEntryCut(id, entry)),
      onNeededSnapshotRemoved: (index) => {
        if (this.isWounded(id)) return;
        this.fail(new Violation("CR", `node ${id} removes snapshot ${index}, which it needs`));
      },
    });
    this.ids.push(id);
    this.shadows.set(id, shadow);
    this.disks.set(id, new MemoryDisk());
    this.clocks.set(id, new NodeClock(this.clock));
  }

  /** From now on the node depends on others, until it has back what it lost. */
  wound(id: NodeId): void {
    this.count("wounded");
    this.#wounded.add(id);
  }

  isWounded(id: NodeId): boolean {
    if (!this.#wounded.has(id)) return false;
    const node = this.live.get(id)?.node;
    if (node === undefined) return true;
    const { snapshots, damaged } = node.options.storage;
    const covered = snapshots.newest?.last.index ?? 0;
    const isHealed = this.goesOn(node) && node.raft.logStart.index <= covered &&
      damaged.every(({ last }) => last <= covered) && !this.shadows.get(id)!.isLogBehind;
    if (!isHealed) return true;
    this.count("healed");
    this.#wounded.delete(id);
    return false;
  }

  /** Whether what the node has lost keeps it from nothing now. */
  goesOn({ raft, integrity }: RaftNode): boolean {
    return !raft.needsSnapshot && !raft.isRecovering && integrity.trouble === undefined;
  }

  /** Whether the node, started, helps to decide. */
  isWhole(id: NodeId): boolean {
    return this.disks.has(id) && !this.wiped.has(id) && !this.isWounded(id);
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
    if (this.live.has(id) || this.#starting.has(id) || this.wiped.has(id)) return undefined;
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
    memory.fault = (operation) => this.diskFaults.get(id)?.(operation);
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
        snapshotChunkBytes: this.plan.snapshotChunkBytes,
      },
      clock,
      logger: silentLogger,
      repairs: (configuration) => mayRepair(id, configuration),
      onFatal: (error) => holder.node?.diskFailed(error),
    });
    const { last, hardState, snapshot, snapshotDamaged, damaged } = storage.recovered;
    this.guard(() => shadow.checkRecovered(last.index, hardState, this.isWounded(id)));
    const needed = damaged.find((range) => range.last > (snapshot?.last.index ?? 0));
    const lost = snapshotDamaged ?? (needed === undefined ? undefined : `entry ${needed.last}`);
    if (lost !== undefined && !this.isWounded(id)) {
      this.fail(new Violation("CC", `node ${id} has lost what nobody took: ${lost}`));
    }
    const network = new SimulatedNetwork(this.hub, id, clock, {
      featureLevel: this.releases.levelOf(id),
      port: this.places.portOf(id),
    });
    const { incarnation } = directory.identity;
    const node = holder.node = await this.#makeNode(id, incarnation, storage, network, clock);
    if (memory.crashed) throw new Error("the power was cut with the last step of the start");
    const live: LiveNode = { id, node, network, clock, clients: [], floods: [] };
    this.live.set(id, live);
    memory.fault = (operation) => this.#diskFault(id, operation);
    this.checks.started(id, node);
    await node.start();
    this.trace.add("start", "", id, incarnation, last.index, hardState.term);
    for (let at = 0; at < this.plan.clients; at++) this.connections.open(live, at === 0);
  }

  #observe(id: NodeId): ObservedDisk {
    const disk = this.disks.get(id)!;
    return new ObservedDisk(disk, {
      shadow: this.shadows.get(id)!,
      scar: () => this.scars.get(id),
      onRenamed: (path) => {
        if (path.endsWith(".manifest")) this.guard(() => this.#snapshotMade(disk, path));
      },
    });
  }

  #snapshotMade(disk: MemoryDisk, manifest: string): void {
    const name = manifest.slice(0, -".manifest".length);
    const { index } = snapshotIdOf(name.slice(name.lastIndexOf("/") + 1))!;
    this.count("snapshot made");
    this.checks.states.fileMade(index, disk.contentOf(`${name}.rdb`));
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
    if (syncMs === 0) return undefined;
    const nodeClock = this.clocks.get(id)!;
    const until = new Promise<void>((resolve) =>
      this.clock.setTimer(syncMs, () => nodeClock.whenUp(resolve))
    );
    return { kind: "hang" as const, until };
  }

  async #makeNode(
    id: NodeId,
    incarnation: number,
    storage: RaftStorage,
    network: SimulatedNetwork,
    clock: NodeClock,
  ): Promise<RaftNode> {
    const { plan } = this;
    const node = await RaftNode.open({
      clusterId: CLUSTER,
      id,
      incarnation,
      // Who joins knows nobody.
      bootstrap: id <= plan.size ? this.first : EMPTY_CONFIGURATION,
      ...nodeSettings(plan),
      featureLevel: network.featureLevel,
      advertise: this.places.advertised(id),
      storage,
      network,
      clock,
      logger: silentLogger,
      observer: silentObserver,
      seed: plan.seed * 100 + drawsOf(id, incarnation),
      onFatal: (reason) => {
        if (this.live.get(id)?.node !== node || this.disks.get(id)!.crashed) return;
        this.count(`fatal ${reason.kind}`);
        if (reason.kind === "removed") this.#endRemoved(id, reason.text);
        this.trace.add("fatal", reason.kind, id, 0, 0, 0);
        // As the process would end: whatever is not on the disk is gone.
        this.clock.setImmediate(() => {
          if (this.live.get(id)?.node !== node) return;
          this.stop(id, (disk) => disk.crash(() => false));
          if (reason.kind === "outdated") this.onOutdated(id);
        });
      },
    });
    return node;
  }

  #endRemoved(id: NodeId, text: string): void {
    this.removed.add(id);
    if (this.checks.configurations.newest.removed.includes(id)) return;
    this.fail(new Violation("CF", `node ${id} ends although nobody removed it: ${text}`));
  }

  /** The machine of a node is lost with its disk. */
  wipe(id: NodeId): void {
    this.stop(id, (disk) => disk.crash(() => false));
    this.shadows.get(id)!.lost();
    this.wiped.add(id);
  }

  /** The process of a node ends without a word; `crash` says what its disk keeps. */
  stop(id: NodeId, crash: (disk: MemoryDisk) => MemoryDisk): void {
    const live = this.live.get(id);
    if (live === undefined) return;
    this.live.delete(id);
    this.#countWork(live.node);
    this.clocks.set(id, live.clock.end());
    this.guard(() => this.checks.stopped(id));
    this.trace.add("stop", "", id, 0, 0, 0);
    this.#healScar(id, this.#nextDisk(id, crash));
    this.diskFaults.delete(id);
    this.shadows.get(id)!.crashed();
    live.network.vanish();
    for (const client of live.clients) client.connectionLost();
    for (const flood of live.floods) flood.end();
  }

  #countWork({ counters, raft }: RaftNode): void {
    const done = [
      ["entry repaired", counters.entriesRepaired],
      ["snapshot received", counters.snapshotsInstalled],
      ["answered by lease", raft.readsByLease],
    ] as const;
    for (const [name, count] of done) if (count > 0) this.count(name, count);
  }

  /** A disk that no process holds, with what it has now. */
  replaceDisk(id: NodeId, crash = (disk: MemoryDisk) => disk.kill()): MemoryDisk {
    this.shadows.get(id)!.crashed();
    return this.#nextDisk(id, crash);
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
    const { path, isRepaired } = scar;
    if (isRepaired) {
      this.count("wrong write repaired");
      // A part of it may still be missing.
      this.wound(id);
    }
    if (!disk.paths().includes(path)) return;
    disk.setContent(path, isRepaired ? scar.mended(disk.contentOf(path)) : scar.content());
  }

  /** One more client of a node, in a hurry. */
  startFlood(id: NodeId): void {
    const live = this.live.get(id)!;
    const key = `f${++this.#floods}`;
    // Entry by entry, on links that change their order, each of many would be sent many times.
    const count = this.prng.between(20, 150) / (this.plan.appendBytesMax === 1 ? 5 : 1);
    live.floods.push(new Flood(live.node.openLane(), key, count, (error) => this.fail(error)));
  }

  get leader(): LiveNode | undefined {
    const leaders = [...this.live.values()].filter(({ node }) => node.raft.role === "leader");
    return leaders.sort((a, b) => b.node.raft.term - a.node.raft.term)[0];
  }

  /** The members that run, in the eyes of the leader. */
  members(): LiveNode[] {
    const members = this.leader?.node.raft.configuration.members ?? [];
    return members.flatMap(({ id }) => this.live.get(id) ?? []);
  }

  /** Nothing may reject unheard: the run's owner reports such errors here. */
  onUnhandled(error: unknown): void {
    this.fail(error instanceof Violation ? error : new Violation("assertion", String(error)));
  }
}

/** A number for each process: two that drew the same timeouts would campaign at once for ever. */
function drawsOf(id: NodeId, incarnation: number): number {
  return id * 7 + incarnation % 7 + 1e6 * Math.floor(incarnation / 7);
}
