/**
 * One member: drives the Raft core with its disk, its links, its clients and its timers. Everything
 * runs on the event loop; a turn gathers what has arrived and then lets it go together, so that the
 * writes of a turn share one entry and the reads of a turn share one round.
 */

import { type LogIndex, NodeId } from "../base/mod.ts";
import { Machine, readBatchHeader, stampBatch } from "../machine/mod.ts";
import type { Timer } from "../platform/mod.ts";
import {
  type ForwardedBatch,
  type PeerMessage,
  Raft,
  type RaftMessage,
  type Ready,
  RECORD_HEADER_BYTES,
} from "../raft/mod.ts";
import { StorageError } from "../storage/mod.ts";
import type { NodeActions, TransferOutcome } from "./actions.ts";
import { Applier, type ApplySource, type ApplyTarget } from "./applier.ts";
import type { Batch } from "./batch.ts";
import { Clients } from "./clients.ts";
import { DiskHealth } from "./disk_health.ts";
import { type DueKey, ExpiryRemoval, type RemovalHost } from "./expiry_removal.ts";
import type { Gateway, Lane, NodeView } from "./gateway.ts";
import { LeaderClock } from "./leader_clock.ts";
import { LeaderWatch } from "./leader_watch.ts";
import type { FatalReason, RaftNodeOptions } from "./options.ts";
import { type PersistHandler, PersistQueue } from "./persist_queue.ts";
import { type BatchRoute, Proposals } from "./proposals.ts";
import { type ReadRoute, Reads } from "./reads.ts";
import { describeNode } from "./view.ts";

/** Batches of this node's clients on their way. */
const BATCHES_MAX = 64;
/** A batch of this size goes while others are on their way. */
const BATCH_BYTES_LARGE = 64 << 10;
/** So does one that has waited so long. */
const BATCH_WAIT_MS = 2;
/** Timers are no finer than this. */
const TICK_MS_MIN = 2;
/** What the node itself watches (time-outs, the disk, deadlines) needs no finer pace. */
const TICK_MS_MAX = 50;
/** How often a write is tried again on a full disk. */
const DISK_FULL_RETRY_MS = 250;

export class RaftNode
  implements
    Gateway,
    NodeActions,
    BatchRoute,
    ReadRoute,
    PersistHandler,
    ApplySource,
    ApplyTarget,
    RemovalHost {
  readonly options: RaftNodeOptions;
  readonly raft: Raft;
  readonly machine: Machine = new Machine();
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #persist: PersistQueue;
  readonly #applier: Applier;
  readonly #disk: DiskHealth;
  readonly #leaderWatch: LeaderWatch;
  readonly #removal: ExpiryRemoval;
  readonly #leaderClock: LeaderClock;
  readonly #clients: Clients;
  readonly #startedAtMs: number;
  readonly #tickMs: number;
  #timer: Timer | undefined;
  #turnScheduled = false;
  #turnSoon = false;
  #running = false;
  #failed = false;

  constructor(options: RaftNodeOptions) {
    this.options = options;
    const { clock, storage } = options;
    this.#startedAtMs = clock.nowMs();
    this.#tickMs = Math.min(TICK_MS_MAX, options.heartbeatMs);
    this.#leaderClock = new LeaderClock(() => clock.wallMs());
    this.raft = new Raft({
      id: options.id,
      voters: options.members.map((member) => member.id),
      hardState: storage.recovered.hardState,
      last: storage.recovered.last,
      termRuns: storage.recovered.termRuns,
      electionTimeoutMs: options.electionTimeoutMs,
      heartbeatMs: options.heartbeatMs,
      limits: options.raftLimits,
      seed: options.seed,
      nowMs: clock.nowMs(),
    });
    const nowMs = () => clock.nowMs();
    const origin = { origin: options.id, incarnation: options.incarnation };
    this.#proposals = new Proposals(this, origin, options.proposalLimits, options.observer);
    this.#reads = new Reads(this, options.incarnation, options.readLimits, options.observer);
    this.#clients = new Clients({
      clock,
      machine: this.machine,
      proposals: this.#proposals,
      reads: this.#reads,
      schedule: () => this.#schedule(),
      refusesWrites: () => this.#whyNoWrites(),
    });
    this.#persist = new PersistQueue(storage, this, nowMs);
    this.#applier = new Applier(this, this, nowMs);
    this.#disk = new DiskHealth(options.diskLimits);
    this.#leaderWatch = new LeaderWatch(this.raft, options.logger, options.observer);
    this.#removal = new ExpiryRemoval(this);
  }

  // ——— Life ———

  /** Opens the peer listener and begins to take part in elections. */
  async start(): Promise<void> {
    this.#running = true;
    await this.options.network.start({
      onMessage: (message) => this.#onMessage(message),
      onPeerUp: (peer) => this.#onPeerUp(peer),
      onPeerClosed: (peer) => this.#onPeerClosed(peer),
      onRefused: (peer, refusal, text) => this.#onRefused(peer, refusal, text),
    });
    this.#tick();
  }

  /**
   * Ends the node's part: hands leadership over, waits until its clients' operations are answered,
   * both for at most `graceMs`, and closes links and files. What was promised is on disk.
   */
  async stop(graceMs: number): Promise<void> {
    const endMs = this.options.clock.nowMs() + graceMs;
    if (this.raft.role === "leader" && this.#hasConnectedPeer()) {
      await this.transferLeadership(undefined);
    }
    while (this.#unanswered > 0 && this.options.clock.nowMs() < endMs) await this.#pause(5);
    this.#running = false;
    this.#timer?.cancel();
    await this.options.network.close();
    await this.options.storage.close();
  }

  #hasConnectedPeer(): boolean {
    const { members, id, network } = this.options;
    return members.some((member) => member.id !== id && network.isConnected(member.id));
  }

  get #unanswered(): number {
    return this.#proposals.operations + this.#reads.pending;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.options.clock.setTimer(delayMs, resolve));
  }

  #fail(reason: FatalReason): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#running = false;
    this.#timer?.cancel();
    this.options.onFatal(reason);
  }

  /** The storage's own report of a failed write or sync. */
  diskFailed(error: unknown): void {
    this.#fail({
      kind: "diskFailed",
      text: String(error instanceof Error ? error.message : error),
    });
  }

  // ——— The turn ———

  /** A turn after the input of this one: what clients send at the same time goes together. */
  #schedule(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.options.clock.setImmediate(() => {
      this.#turnScheduled = false;
      this.#turn();
    });
  }

  /** What peers and the disk say is acted on before anything else is read. */
  #soon(): void {
    if (this.#turnSoon) return;
    this.#turnSoon = true;
    queueMicrotask(() => {
      this.#turnSoon = false;
      this.#turn();
    });
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
      this.#schedule();
    }
    this.#applier.advance();
    if (this.raft.hasReady()) this.#schedule();
  }

  #handleReady(ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    this.#persist.add(ready);
    for (const fetch of ready.fetches) this.#fetch(fetch);
    if (ready.reads.length === 0) return;
    const nowMs = this.options.clock.nowMs();
    for (const read of ready.reads) {
      const clockMs = read.clockMs > 0 ? read.clockMs : this.#leaderClock.read();
      this.#reads.confirmed(read.readId, read.index, clockMs, nowMs);
    }
    this.#schedule();
  }

  #send(message: RaftMessage): void {
    if (message.kind === "readIndexReply" && message.index !== undefined) {
      this.options.network.send({ ...message, clockMs: this.#leaderClock.read() });
      return;
    }
    this.options.network.send(message);
  }

  onPersisted(number: number, messages: readonly RaftMessage[]): void {
    if (this.#failed) return;
    if (this.#disk.noteWritten()) this.options.logger.info("the disk has room again");
    for (const message of messages) this.#send(message);
    this.raft.step({ kind: "persisted", number });
    this.#soon();
  }

  /** A full disk is waited for (architecture D9); the storage itself has reported all the rest. */
  onPersistFailed(error: unknown, retry: () => void): void {
    if (!(error instanceof StorageError) || error.kind !== "full") return;
    if (this.#disk.noteFull()) {
      this.options.logger.error("the disk is full; writes wait or are refused until it has room", {
        why: error.message,
      });
      // A successor needs room for its vote: where nobody has any, this node serves reads on.
      this.raft.step({ kind: "transfer", to: undefined });
      this.#schedule();
    }
    this.options.clock.setTimer(DISK_FULL_RETRY_MS, () => this.#running && retry());
  }

  #fetch(fetch: { peer: NodeId; first: LogIndex; last: LogIndex; bytesMax: number }): void {
    this.options.storage.read(fetch.first, fetch.last, fetch.bytesMax).then(
      (entries) => {
        this.raft.step({ kind: "fetched", peer: fetch.peer, first: fetch.first, entries });
        this.#schedule();
      },
      (error) => this.onReadFailed(error),
    );
  }

  // ——— What comes in ———

  #onMessage(message: PeerMessage): void {
    if (!this.#running) return;
    this.#tellTime();
    if (message.kind === "forwardedBatch") this.#onForwardedBatch(message);
    else this.raft.step({ kind: "message", message });
    this.#soon();
  }

  /** A follower's batch; dropped when this node cannot take it: its origin sends it again. */
  #onForwardedBatch(message: ForwardedBatch): void {
    if (this.raft.role !== "leader") return;
    const header = readBatchHeader(message.record, RECORD_HEADER_BYTES);
    if (header.origin !== message.from) {
      this.options.logger.warn("dropped a batch that names another origin than its sender", {
        from: message.from,
        origin: header.origin,
      });
      return;
    }
    this.#propose(message.record, message.from);
  }

  #propose(record: Uint8Array, awaitedBy?: NodeId): boolean {
    stampBatch(record, RECORD_HEADER_BYTES, this.#leaderClock.read());
    const result = this.raft.step({ kind: "propose", entryKind: "command", record, awaitedBy });
    return result.kind === "proposed";
  }

  #onPeerUp(peer: NodeId): void {
    this.options.logger.info("peer connected", { peer });
    if (peer === this.raft.leaderId) this.#proposals.resend(this.options.clock.nowMs());
    this.#schedule();
  }

  #onPeerClosed(peer: NodeId): void {
    if (!this.#running) return;
    this.options.logger.info("peer closed its connection", { peer });
    this.#tellTime();
    this.raft.step({ kind: "peerClosed", peer });
    this.#schedule();
  }

  #onRefused(peer: NodeId, refusal: string, text: string): void {
    this.options.logger.error("peer refused this node", { peer, refusal, text });
    if (refusal === "olderIncarnation" || refusal === "duplicateNode") {
      this.#fail({
        kind: "replaced",
        text: `node ${peer} says that another process runs as node ${this.options.id}: ${text}`,
      });
    }
  }

  /** The core takes the time from ticks: once a turn, before the first event of it. */
  #tellTime(): void {
    if (!this.#turnSoon) this.raft.step({ kind: "tick", nowMs: this.options.clock.nowMs() });
  }

  #tick(): void {
    if (!this.#running) return;
    const { clock } = this.options;
    const nowMs = clock.nowMs();
    this.raft.step({ kind: "tick", nowMs });
    this.#checkDisk(nowMs);
    if (!this.#running) return;
    this.#proposals.tick(nowMs);
    this.#reads.tick(nowMs);
    if (this.raft.role === "leader") this.#removal.tick(nowMs);
    this.#turn();
    this.#armTick(nowMs);
  }

  /** At the usual pace, and sooner when the core has something to do sooner. */
  #armTick(nowMs: number): void {
    const dueMs = Math.max(TICK_MS_MIN, this.raft.wakeAtMs - nowMs);
    const { clock } = this.options;
    this.#timer = clock.setTimer(Math.min(this.#tickMs, dueMs), () => this.#tick());
  }

  #checkDisk(nowMs: number): void {
    const busyMs = this.#persist.busyMs(nowMs);
    switch (this.#disk.check(busyMs)) {
      case "fine":
        return;
      case "stepDown":
        this.options.logger.error("the disk does not answer", { busyMs: Math.round(busyMs) });
        this.#leaveHungDisk();
        return;
      case "exit":
        this.#fail({
          kind: "diskHung",
          text: `a sync of the log has not ended for ${Math.round(busyMs)} ms`,
        });
    }
  }

  /** Hands over while it can, which is quicker for the others; then stops leading in any case. */
  #leaveHungDisk(): void {
    const { clock, electionTimeoutMs } = this.options;
    this.raft.step({ kind: "transfer", to: undefined });
    clock.setTimer(electionTimeoutMs.min, () => {
      if (!this.#running || !this.#disk.isHung) return;
      this.raft.step({ kind: "stepDown", reason: "the disk does not answer" });
      this.#schedule();
    });
  }

  dueKeys(limit: number): readonly DueKey[] {
    return this.machine.keyspace.dueKeys(this.#leaderClock.read(), limit);
  }

  joinRemoval({ db, key }: DueKey): Batch {
    return this.#proposals.joinRemoval(db, key);
  }

  // ——— Proposals and reads on their way to the leader ———

  submit(batch: Batch): boolean {
    const { raft, options } = this;
    if (raft.role === "leader") {
      const record = batch.recordInLog ? batch.record.slice() : batch.record;
      const accepted = this.#propose(record);
      if (accepted && record === batch.record) batch.recordInLog = true;
      return accepted;
    }
    if (raft.leaderId === undefined) return false;
    return options.network.send({
      kind: "forwardedBatch",
      from: options.id,
      to: raft.leaderId,
      term: raft.term,
      record: batch.record,
    });
  }

  mayCut(next: Batch, batchesInFlight: number): boolean {
    if (this.raft.leaderId === undefined || batchesInFlight >= BATCHES_MAX) return false;
    if (this.raft.role === "leader" && this.#persist.busy) return false;
    // Few large batches cost less than many small ones: a small one waits for those before it, but
    // not for long where links or disks are slow.
    return batchesInFlight === 0 || next.bytes >= BATCH_BYTES_LARGE ||
      this.options.clock.nowMs() - next.openedAtMs >= BATCH_WAIT_MS;
  }

  ask(readId: number): boolean {
    return this.raft.step({ kind: "read", readId }).kind !== "refused";
  }

  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex;
  }

  // ——— Applying ———

  get commitIndex(): LogIndex {
    return this.raft.commitIndex;
  }

  get firstInMemory(): LogIndex {
    return this.raft.firstInMemory;
  }

  entriesInMemory(first: LogIndex, last: LogIndex, bytesMax: number) {
    return this.raft.entries(first, last, bytesMax);
  }

  entriesOnDisk(first: LogIndex, last: LogIndex, bytesMax: number) {
    return this.options.storage.read(first, last, bytesMax);
  }

  applyCommand(payload: Uint8Array, index: LogIndex): void {
    const header = this.machine.apply(payload, index, this.#observerOf);
    this.#leaderClock.observe(this.machine.clockMs);
    if (header.admission !== "repeated") {
      const early = header.admission === "early";
      this.#proposals.applied(header, early, this.options.clock.nowMs());
    }
  }

  readonly #observerOf = (header: Parameters<Proposals["observerOf"]>[0]) =>
    this.#proposals.observerOf(header);

  onApplied(index: LogIndex): void {
    this.raft.step({ kind: "applied", index });
    this.#reads.applied();
    this.#clients.relieve();
    if (this.#proposals.operations > 0) this.#schedule();
  }

  onMoreToApply(): void {
    this.#schedule();
  }

  onReadFailed(error: unknown): void {
    this.#fail({
      kind: "logDamaged",
      text: error instanceof Error ? error.message : String(error),
    });
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

  nowMs(): number {
    return this.options.clock.nowMs();
  }

  /** With a full disk and nobody else to lead, a write could only wait in vain. */
  #whyNoWrites(): string | undefined {
    if (!this.#disk.isFull) return undefined;
    const { leaderId } = this.raft;
    const alone = leaderId === undefined || leaderId === this.options.id;
    return alone ? "the disk is full; free some space, the node goes on by itself" : undefined;
  }

  // ——— Operators ———

  async transferLeadership(to: number | undefined): Promise<TransferOutcome> {
    const { raft, options } = this;
    if (raft.role !== "leader") {
      return { kind: "refused", reason: "this node does not lead; ask the leader" };
    }
    const target = to === undefined ? undefined : NodeId(to);
    const result = raft.step({ kind: "transfer", to: target });
    if (result.kind === "refused") return { kind: "refused", reason: result.reason };
    this.#schedule();
    const endMs = options.clock.nowMs() + options.transferTimeoutMs;
    while (options.clock.nowMs() < endMs && this.#hasConnectedPeer()) {
      const { leaderId } = raft;
      if (leaderId !== undefined && leaderId !== options.id) return { kind: "done", leaderId };
      await this.#pause(5);
    }
    return { kind: "refused", reason: "no other member took over; this node leads on" };
  }

  view(): NodeView {
    return describeNode(this, {
      startedAtMs: this.#startedAtMs,
      pendingWrites: this.#proposals.operations,
      pendingReads: this.#reads.pending,
      diskTrouble: this.#disk.trouble,
    });
  }
}
