/**
 * One member: drives the Raft core with its disk, its links, its clients and its timers. Everything
 * runs on the event loop; a turn gathers what has arrived and then lets it go together, so that the
 * writes of a turn share one entry and the reads of a turn share one round.
 */

import type { LogIndex, NodeId } from "../base/mod.ts";
import type { AppliedBatch, BatchHeader, Machine } from "../machine/mod.ts";
import {
  type Configuration,
  type DriverMessage,
  isDriverMessage,
  type PeerMessage,
  type Raft,
  type Ready,
} from "../raft/mod.ts";
import { Clients } from "./clients.ts";
import { CoreClock } from "./core_clock.ts";
import { type Counters, newCounters } from "./counters.ts";
import { Departure } from "./departure.ts";
import { DiskGuard } from "./disk_guard.ts";
import { ExpiryRemoval } from "./expiry_removal.ts";
import type { Gateway, Lane, NodeView } from "./gateway.ts";
import { Integrity } from "./integrity.ts";
import { LeaderClock } from "./leader_clock.ts";
import { LeaderRoute } from "./leader_route.ts";
import { LeaderWatch } from "./leader_watch.ts";
import { Membership } from "./membership.ts";
import { newRaft, type NodeStart, recoverStart } from "./node_start.ts";
import { Operations } from "./operations.ts";
import type { FatalReason, RaftNodeOptions } from "./options.ts";
import { type PersistHandler, PersistQueue } from "./persist_queue.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import { Replica, type ReplicaHandler, type ReplicaState } from "./replica.ts";
import { Snapshots } from "./snapshots.ts";
import { Turns } from "./turns.ts";
import { describeNode } from "./view.ts";

/** Timers are no finer than this. */
const TICK_MS_MIN = 2;
/** What the node itself watches (time-outs, the disk, deadlines) needs no finer pace. */
const TICK_MS_MAX = 50;
/** How often a stop looks whether everything is answered. */
const UNANSWERED_POLL_MS = 5;

export class RaftNode implements Gateway, PersistHandler, ReplicaHandler {
  readonly options: RaftNodeOptions;
  readonly raft: Raft;
  readonly replica: Replica;
  readonly snapshots: Snapshots;
  readonly membership: Membership;
  readonly operations: Operations;
  readonly counters: Counters = newCounters();
  readonly integrity: Integrity;
  readonly #route: LeaderRoute;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #persist: PersistQueue;
  readonly #disk: DiskGuard;
  readonly #leaderWatch: LeaderWatch;
  readonly #departure: Departure;
  readonly #removal: ExpiryRemoval;
  readonly #leaderClock: LeaderClock;
  readonly #coreClock: CoreClock;
  readonly #clients: Clients;
  readonly #turns: Turns;
  readonly #startedAtMs: number;
  readonly #tickMs: number;
  #running = false;
  #failed = false;

  /** Brings the machine to where the newest snapshot is; the log follows when the node runs. */
  static async open(options: RaftNodeOptions): Promise<RaftNode> {
    return new RaftNode(options, await recoverStart(options));
  }

  private constructor(options: RaftNodeOptions, start: NodeStart) {
    this.options = options;
    const { clock, storage } = options;
    this.#startedAtMs = clock.nowMs();
    this.#turns = new Turns(clock, () => this.#turn());
    this.#tickMs = Math.min(TICK_MS_MAX, options.heartbeatMs);
    this.#leaderClock = new LeaderClock(() => clock.wallMs());
    this.raft = newRaft(options, start);
    this.#coreClock = new CoreClock(this.raft, clock, options.electionTimeoutMs.min);
    this.replica = new Replica({ raft: this.raft, storage, clock, start: start.replica }, this);
    this.integrity = new Integrity(this, {
      onQuarantined: (reason) => this.#proposals.distrust({ effect: "maybeApplied", reason }),
      onLost: (error) => this.#fail({ kind: "logDamaged", text: error.message }),
    });
    const origin = { origin: options.id, incarnation: options.incarnation };
    this.#route = new LeaderRoute({
      ...options,
      raft: this.raft,
      leaderClock: this.#leaderClock,
      tick: () => this.#coreClock.tick(),
      isSyncing: () => this.#persist.busy,
      replica: this.replica,
    });
    this.#proposals = new Proposals(this.#route, origin, options.proposalLimits, options.observer);
    this.#reads = new Reads(this.#route, options.incarnation, options.readLimits, options.observer);
    this.#clients = new Clients({
      ...options,
      raft: this.raft,
      counters: this.counters,
      replica: this.replica,
      proposals: this.#proposals,
      reads: this.#reads,
      schedule: () => this.schedule(),
      refusesWrites: () =>
        this.#departure.whyNoWrites ?? this.integrity.quarantined ?? this.#disk.whyNoWrites,
      refusesReads: () => this.integrity.quarantined,
    });
    this.#persist = new PersistQueue(storage, this, () => clock.nowMs());
    this.snapshots = new Snapshots({
      ...options,
      raft: this.raft,
      replica: this.replica,
      counters: this.counters,
      distrusted: () => this.integrity.quarantined,
      isInstalling: () => this.#persist.isInstalling,
      isOlderInUse: () => this.operations.usesOlderSnapshot,
      pump: () => this.#pump(),
      schedule: () => this.schedule(),
      onDiskFailed: (error) => this.diskFailed(error),
      end: (reason) => this.#fail(reason),
    });
    this.membership = new Membership({
      ...options,
      raft: this.raft,
      counters: this.counters,
      changeMembers: (change) => this.operations.changeMembers(change),
      end: (reason) => this.#fail(reason),
    });
    this.operations = new Operations(this);
    this.#departure = new Departure({
      ...options,
      raft: this.raft,
      proposals: this.#proposals,
      end: (reason) => this.#fail(reason),
    });
    this.#disk = new DiskGuard({
      id: options.id,
      raft: this.raft,
      clock,
      logger: options.logger,
      limits: options.diskLimits,
      transferMs: options.electionTimeoutMs.min,
      isRunning: () => this.#running,
      schedule: () => this.schedule(),
      onHung: (busyMs) => {
        const text = `a sync of the log has not ended for ${Math.round(busyMs)} ms`;
        this.#fail({ kind: "diskHung", text });
      },
    });
    this.#leaderWatch = new LeaderWatch(this.raft, options.logger, options.observer);
    this.#removal = new ExpiryRemoval(this.replica, this.#leaderClock, this.#proposals);
  }

  // ——— Life ———

  /** Opens the peer listener and begins to take part in elections. */
  async start(): Promise<void> {
    this.#running = true;
    await this.options.network.start({
      onMessage: (message) => this.#onMessage(message),
      onPeerHello: (peer, hello) => this.membership.onHello(peer, hello),
      onPeerUp: (peer) => this.#onPeerUp(peer),
      onPeerClosed: (peer) => this.#onPeerClosed(peer),
      onRefused: (peer, refusal, text) => this.#departure.onRefused(peer, refusal, text),
      onJoin: (request) => this.operations.join(request),
    });
    this.membership.follow();
    this.#departure.onConfiguration(this.replica.configuration, false);
    this.#tick();
  }

  /**
   * Ends the node's part: hands leadership over, waits until its clients' operations are answered,
   * both for at most `graceMs`, and closes links and files. What was promised is on disk.
   */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.options;
    const endMs = clock.nowMs() + graceMs;
    if (this.raft.role === "leader") await this.operations.handOver(undefined);
    while (this.#unanswered > 0 && clock.nowMs() < endMs) {
      await new Promise<void>((resolve) => clock.setTimer(UNANSWERED_POLL_MS, resolve));
    }
    this.#running = false;
    this.#turns.end();
    await this.options.network.close();
    await this.snapshots.stop();
    await this.options.storage.close();
  }

  get #unanswered(): number {
    return this.#proposals.operations + this.#reads.pending;
  }

  #fail(reason: FatalReason): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#running = false;
    this.#turns.end();
    this.options.onFatal(reason);
  }

  /** The storage's own report of a failed write or sync. */
  diskFailed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#fail({ kind: "diskFailed", text });
  }

  // ——— The turn ———

  schedule(): void {
    this.#turns.schedule();
  }

  #turn(): void {
    if (!this.#running) return;
    const nowMs = this.options.clock.nowMs();
    this.#proposals.advance(nowMs);
    this.#reads.advance(nowMs);
    this.#pump();
  }

  /** Does what the core asks for, until it asks for nothing more. */
  #pump(): void {
    if (this.#failed) return;
    do {
      while (this.raft.hasReady()) this.#handleReady(this.raft.takeReady());
      this.options.network.flush();
      this.#persist.start();
    } while (this.raft.hasReady());
    this.options.network.flush();
    if (this.#leaderWatch.check()) {
      // What was sent to another leader may be lost.
      this.#proposals.resend(this.options.clock.nowMs());
      this.schedule();
    }
    this.membership.follow();
    if (!this.#failed) this.replica.advance();
    if (this.raft.hasReady()) this.schedule();
  }

  #handleReady(ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    const fetched = this.snapshots.onReady(ready);
    if (fetched !== undefined) this.#jump(fetched.state);
    this.#persist.add(ready, fetched?.receiver, fetched?.installed);
    for (const fetch of ready.fetches) void this.integrity.fetch(fetch);
    if (ready.reads.length === 0) return;
    const nowMs = this.options.clock.nowMs();
    for (const read of ready.reads) {
      const clockMs = read.clockMs > 0 ? read.clockMs : this.#leaderClock.read();
      this.#reads.confirmed(read.readId, read.index, clockMs, nowMs);
    }
    this.schedule();
  }

  /**
   * The machine of a snapshot takes the place of this node's. What its clients still waited for has
   * either happened by then, or is still to come: the snapshot's table of origins knows (D4).
   */
  #jump(state: ReplicaState): void {
    const { id, incarnation } = this.options;
    this.replica.replace(state);
    this.#leaderClock.observe(this.machine.clockMs);
    const own = this.machine.origins.rows().find(({ origin }) => origin === id);
    const sequence = own?.incarnation === incarnation ? own.sequence : 0;
    this.#proposals.jumpedTo(sequence, (read) => this.#clients.joinReadRound(read));
    this.#reads.applied();
    this.#clients.relieve();
  }

  #send(message: PeerMessage): void {
    if (message.kind === "readIndexReply" && message.index !== undefined) {
      this.options.network.send({ ...message, clockMs: this.#leaderClock.read() });
      return;
    }
    this.options.network.send(message);
  }

  onPersisted(number: number, messages: readonly PeerMessage[], part?: "hardState"): void {
    if (this.#failed) return;
    if (part === undefined) this.#disk.noteWritten();
    for (const message of messages) this.#send(message);
    this.raft.step({ kind: "persisted", number, part });
    this.#turns.soon();
  }

  onPersistFailed(error: unknown, retry: () => void): void {
    this.#disk.writeFailed(error, retry);
  }

  // ——— What comes in ———

  #onMessage(message: PeerMessage): void {
    if (!this.#running) return;
    this.#tellTime();
    if (message.kind === "forwardedBatch") this.#route.takeForwarded(message);
    else if (isDriverMessage(message)) this.#onDriverMessage(message);
    else this.membership.step(message);
    this.#turns.soon();
  }

  #onDriverMessage(message: DriverMessage): void {
    if (this.snapshots.onMessage(message) || this.integrity.onMessage(message)) return;
    if (message.kind === "memberChange") this.operations.onRequest(message);
    else if (message.kind === "memberChangeReply") this.operations.onAnswer(message);
  }

  #onPeerUp(peer: NodeId): void {
    this.options.logger.info("peer connected", { peer });
    this.#departure.onAccepted(peer);
    if (peer === this.raft.leaderId) this.#proposals.resend(this.options.clock.nowMs());
    this.schedule();
  }

  #onPeerClosed(peer: NodeId): void {
    if (!this.#running) return;
    this.options.logger.info("peer closed its connection", { peer });
    this.#tellTime();
    this.raft.step({ kind: "peerClosed", peer });
    this.snapshots.onPeerClosed(peer);
    this.schedule();
  }

  /** The core takes the time from ticks: once a turn, before the first event of it. */
  #tellTime(): void {
    if (!this.#turns.isSoon) this.#coreClock.tick();
  }

  #tick(): void {
    if (!this.#running) return;
    const nowMs = this.#coreClock.tick();
    this.#disk.check(this.#persist.busyMs(nowMs));
    if (!this.#running) return;
    this.#proposals.tick(nowMs);
    this.#reads.tick(nowMs);
    this.snapshots.tick(nowMs);
    this.integrity.tick(nowMs);
    this.membership.tick(nowMs);
    if (this.raft.role === "leader") this.#removal.tick(nowMs);
    this.#turn();
    this.#armTick(nowMs);
  }

  /** At the usual pace, and sooner when the core has something to do sooner. */
  #armTick(nowMs: number): void {
    const dueMs = Math.max(TICK_MS_MIN, this.raft.wakeAtMs - nowMs);
    this.#turns.tickAfter(Math.min(this.#tickMs, dueMs), () => this.#tick());
  }

  // ——— Applying ———

  /** Another object after a snapshot has been installed. */
  get machine(): Machine {
    return this.replica.machine;
  }

  get appliedIndex(): LogIndex {
    return this.replica.appliedIndex;
  }

  observerOf(header: BatchHeader) {
    return this.#proposals.observerOf(header);
  }

  onBatch(batch: AppliedBatch): void {
    this.#leaderClock.observe(this.machine.clockMs);
    if (batch.admission === "repeated") return;
    this.#proposals.applied(batch, batch.admission === "early", this.options.clock.nowMs());
  }

  onConfiguration(configuration: Configuration, jumped: boolean): void {
    this.#departure.onConfiguration(configuration, jumped);
  }

  onPassed(index: LogIndex): void {
    this.integrity.passed(index);
  }

  onApplied(index: LogIndex): void {
    this.raft.step({ kind: "applied", index });
    this.#reads.applied();
    this.#clients.relieve();
    this.snapshots.onApplied();
    if (this.#proposals.operations > 0) this.schedule();
  }

  onMoreToApply(): void {
    this.#turns.afterInput();
  }

  onReadFailed(error: unknown): void {
    this.integrity.readFailed(error);
  }

  // ——— Clients ———

  openLane(): Lane {
    return this.#clients.openLane();
  }

  get saturated(): boolean {
    return this.#clients.saturated;
  }

  onRelief(callback: () => void): void {
    this.#clients.onRelief(callback);
  }

  // ——— Operators ———

  /** Resolves when everything is applied that was committed before; false when no leader says what. */
  readBarrier(): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#reads.joinBarrier(resolve)) this.schedule();
    });
  }

  view(): NodeView {
    return describeNode(this, {
      startedAtMs: this.#startedAtMs,
      pendingWrites: this.#proposals.operations,
      pendingReads: this.#reads.pending,
      trouble: this.#departure.whyNoWrites ?? this.#disk.trouble,
    });
  }
}
