/**
 * A member of the simulated cluster: the driver's work (persist, send, apply, read back) in virtual
 * time around a real `Raft`. Everything of one instant is one turn, as in a turn of an event loop.
 */

import { LogIndex, type NodeId, type Prng, Term } from "../../../src/base/mod.ts";
import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  type LogEntry,
  Raft,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  type Ready,
  recordWithPayload,
  type StepResult,
} from "../../../src/raft/mod.ts";
import { type SafetyChecker, SafetyViolation, textOf } from "./checker.ts";
import type { LabSnapshot, SimulatedDisk } from "./disk.ts";
import type { EventQueue } from "./event_queue.ts";

const encoder = new TextEncoder();

/** What all nodes of a cluster share. */
export interface Surroundings {
  readonly events: EventQueue;
  readonly prng: Prng;
  readonly checker: SafetyChecker;
  readonly raft: Pick<RaftOptions, "electionTimeoutMs" | "heartbeatMs" | "limits">;
  /** A tick comes late by up to this. */
  tickLateMs: number;
  readonly leaseReads: boolean;
  readonly send: (message: RaftMessage) => void;
  /** Carries a snapshot to a peer, or loses it; `done` says which. */
  readonly sendSnapshot: (
    from: LabNode,
    to: NodeId,
    snapshot: LabSnapshot,
    done: (sent: boolean) => void,
  ) => void;
  /** Hears of every change of role. */
  readonly onLeader: (node: NodeId, term: number) => void;
}

/** The outcome of a read that came back. */
export interface ReadOutcome {
  readonly readId: number;
  readonly index: number | undefined;
}

export class LabNode {
  readonly id: NodeId;
  readonly disk: SimulatedDisk;
  readonly #around: Surroundings;
  raft: Raft | undefined;
  /** The log as the core sees it, from what it asked to persist; it begins behind `logStart`. */
  log: LogEntry[] = [];
  logStart = 0;
  /** Commands applied, in order, those of the snapshot included; no-ops are not commands. */
  applied: string[] = [];
  appliedIndex = 0;
  /** Snapshots that this process was given by others. */
  installs = 0;
  /** A snapshot is taken when so many entries are applied behind the last one; 0: never. */
  snapshotEntries = 0;
  /** So many entries behind a snapshot's end stay in the log. */
  trailingEntries = 0;
  readonly reads: ReadOutcome[] = [];
  incarnation = 0;
  #proposed = 0;
  #turnDue = false;
  #tickAtMs = Infinity;
  #pausedUntilMs = 0;
  #backlog: (() => void)[] = [];
  #readId = 0;
  #wasLeader = false;
  #appliedTerm = 0;
  #appliedMembers: Configuration;
  /** Commands up to `logStart`. */
  #commandsBefore = 0;
  readonly #received: LabSnapshot[] = [];

  constructor(id: NodeId, disk: SimulatedDisk, around: Surroundings) {
    this.id = id;
    this.disk = disk;
    this.#around = around;
    this.#appliedMembers = disk.bootstrap;
    disk.onStored = (entry, prevTerm) => {
      if (prevTerm !== undefined) around.checker.exists(entry, prevTerm);
    };
  }

  get isUp(): boolean {
    return this.raft !== undefined;
  }
  get isLeader(): boolean {
    return this.raft?.role === "leader";
  }
  get term(): number {
    return this.raft?.term ?? this.disk.hardState.term;
  }

  start(): void {
    const { raft, prng, events } = this.#around;
    this.incarnation++;
    this.#readId = this.incarnation * 2 ** 32;
    this.log = [...this.disk.log];
    this.logStart = this.disk.start.index;
    const configurations = this.disk.configurations();
    this.#load(this.disk.snapshot);
    this.#commandsBefore = this.applied.length;
    for (const entry of this.log) {
      if (entry.index <= this.appliedIndex && entry.kind === "command") this.#commandsBefore--;
    }
    this.#proposed = 0;
    this.#turnDue = false;
    this.#tickAtMs = Infinity;
    this.#pausedUntilMs = 0;
    this.#backlog = [];
    this.#received.length = 0;
    this.raft = new Raft({
      ...raft,
      id: this.id,
      configurations,
      hardState: this.disk.hardState,
      start: this.disk.start,
      appliedIndex: LogIndex(this.appliedIndex),
      mayVote: true,
      leaseReads: this.#around.leaseReads,
      last: this.disk.last,
      termRuns: this.disk.termRuns(),
      seed: prng.u32(),
      nowMs: events.nowMs,
    });
    this.#armTick();
  }

  /** The process is killed: memory is gone, so is what the disk had not synced. */
  crash(): void {
    this.raft = undefined;
    this.#wasLeader = false;
    this.disk.crash();
  }

  /** The process is stopped and goes on later: nothing reaches it meanwhile but waits. */
  pause(durationMs: number): void {
    const { events } = this.#around;
    this.#pausedUntilMs = events.nowMs + durationMs;
    const life = this.incarnation;
    events.at(this.#pausedUntilMs, () => {
      if (life !== this.incarnation || !this.isUp || events.nowMs < this.#pausedUntilMs) return;
      this.#tick();
      for (const run of this.#backlog.splice(0)) if (this.isUp) run();
    });
  }

  get isPaused(): boolean {
    return this.#around.events.nowMs < this.#pausedUntilMs;
  }

  /** A message or notice from outside. */
  receive(event: RaftEvent): void {
    if (this.raft !== undefined) this.#whenRunning(() => this.step(event));
  }

  #whenRunning(run: () => void): void {
    if (this.isPaused) this.#backlog.push(run);
    else run();
  }

  step(event: RaftEvent): StepResult {
    if (this.raft === undefined) return { kind: "ignored", reason: "it is down" };
    if (event.kind !== "tick") {
      this.raft.step({ kind: "tick", nowMs: this.#around.events.nowMs });
      this.#noteRole();
    }
    const result = this.raft.step(event);
    this.#noteRole();
    this.#scheduleTurn();
    this.#armTick();
    return result;
  }

  /** Proposes a command: its place among the commands of this node's log when it was taken. */
  propose(text: string): { ordinal: number; term: number } | undefined {
    if (this.raft === undefined || this.isPaused) return undefined;
    const known = this.logStart + this.log.length + this.#proposed;
    if (this.raft.lastEntry.index !== known) this.turn();
    const record = recordWithPayload(encoder.encode(text));
    const result = this.step({ kind: "propose", entryKind: "command", record });
    if (result.kind !== "proposed") return undefined;
    this.#proposed++;
    let commands = this.#commandsBefore;
    for (const entry of this.log) if (entry.kind === "command") commands++;
    return { ordinal: commands + this.#proposed, term: result.id.term };
  }

  /** Asks for a read index; the outcome comes in `reads`. Undefined when refused. */
  read(): number | undefined {
    const readId = ++this.#readId;
    const result = this.step({ kind: "read", readId });
    return result.kind === "done" ? readId : undefined;
  }

  /** Does all the work that the core has. */
  turn(): void {
    this.#turnDue = false;
    while (this.raft?.hasReady()) this.#work(this.raft, this.raft.takeReady());
    this.#armTick();
  }

  #work(raft: Raft, ready: Ready): void {
    const { checker } = this.#around;
    for (const message of ready.messages) this.#send(message);
    const snapshot = this.#install(ready);
    this.#append(ready.entries);
    this.#persist(ready, snapshot);
    for (const { peer } of ready.snapshots) this.#offerSnapshot(peer);
    for (const { readId, index } of ready.reads) this.reads.push({ readId, index });
    for (const fetch of ready.fetches) {
      const { peer, first, last, bytesMax } = fetch;
      const life = this.incarnation;
      this.#around.events.after(1, () => {
        if (life !== this.incarnation) return;
        const entries = this.disk.read(first, last, bytesMax);
        this.receive({ kind: "fetched", peer, first, entries });
      });
    }
    if (ready.commitIndex > this.appliedIndex) {
      const leads = raft.role === "leader" ? [raft.committedConfiguration, raft.configuration] : [];
      checker.committed(this.id, ready.commitIndex, (index) => this.entryAt(index), leads);
      this.#apply(raft, ready.commitIndex);
      this.#maybeSnapshot();
    }
  }

  entryAt(index: number): LogEntry | undefined {
    return this.log[index - this.logStart - 1];
  }

  /** The machine as a snapshot has it; an empty one without. */
  #load(snapshot: LabSnapshot | undefined): void {
    this.applied = [...snapshot?.applied ?? []];
    this.appliedIndex = snapshot?.last.index ?? 0;
    this.#appliedTerm = snapshot?.last.term ?? 0;
    this.#appliedMembers = snapshot?.configuration ?? this.disk.bootstrap;
  }

  /** A leader's snapshot has arrived. */
  receiveSnapshot(from: NodeId, term: Term, snapshot: LabSnapshot): void {
    this.#received.push(snapshot);
    const { last, configuration } = snapshot;
    this.receive({ kind: "snapshotReceived", from, term, last, configuration });
  }

  #install({ snapshot }: Ready): LabSnapshot | undefined {
    if (snapshot === undefined) return undefined;
    const { last } = snapshot;
    const found = this.#received.find((one) =>
      one.last.index === last.index && one.last.term === last.term
    );
    if (found === undefined) throw new SafetyViolation(`node ${this.id} installs what it has not`);
    this.#around.checker.installed(this.id, found);
    this.installs++;
    this.#received.length = 0;
    this.#load(found);
    this.log = [];
    this.logStart = last.index;
    this.#commandsBefore = this.applied.length;
    this.#proposed = 0;
    return found;
  }

  #offerSnapshot(peer: NodeId): void {
    const { snapshot } = this.disk;
    if (snapshot === undefined) throw new SafetyViolation(`node ${this.id} has no snapshot`);
    const life = this.incarnation;
    this.#around.sendSnapshot(this, peer, snapshot, (sent) => {
      if (life === this.incarnation) this.receive({ kind: "snapshotDone", peer, sent });
    });
  }

  /** Takes a snapshot of what is applied and durable, and cuts the log behind it. */
  #maybeSnapshot(): void {
    const before = this.disk.snapshot?.last.index ?? 0;
    if (this.snapshotEntries === 0 || this.appliedIndex - before < this.snapshotEntries) return;
    this.takeSnapshot();
  }

  takeSnapshot(): void {
    const { disk, raft } = this;
    const index = LogIndex(this.appliedIndex);
    if (raft === undefined || index <= (disk.snapshot?.last.index ?? 0)) return;
    const last = { term: Term(this.#appliedTerm), index };
    // On disk before the entry is: it waits for the next time.
    if (disk.last.index < index || !disk.has(last)) return;
    disk.save({ last, configuration: this.#appliedMembers, applied: [...this.applied] });
    const through = index - this.trailingEntries;
    if (through <= disk.start.index) return;
    disk.compact(through);
    for (const entry of this.log.splice(0, through - this.logStart)) {
      if (entry.kind === "command") this.#commandsBefore++;
    }
    this.logStart = through;
    raft.step({ kind: "compacted", start: disk.start });
  }

  #append(entries: readonly LogEntry[]): void {
    const first = entries.at(0);
    if (first === undefined) return;
    this.log.length = first.index - 1 - this.logStart;
    this.log.push(...entries);
    this.#proposed = 0;
  }

  #persist(ready: Ready, snapshot: LabSnapshot | undefined): void {
    const { number, hardState, entries, messagesAfterPersist } = ready;
    const nothing = hardState === undefined && entries.length === 0 && snapshot === undefined;
    const done = () =>
      this.#whenRunning(() => {
        for (const message of messagesAfterPersist) this.#send(message);
        this.step({ kind: "persisted", number });
      });
    if (!nothing || (messagesAfterPersist.length > 0 && !this.disk.isIdle)) {
      this.disk.write({ snapshot, hardState, entries, done });
    } else {
      for (const message of messagesAfterPersist) this.#send(message);
    }
  }

  #apply(raft: Raft, commitIndex: LogIndex): void {
    while (this.appliedIndex < commitIndex) {
      const first = LogIndex(this.appliedIndex + 1);
      const entries = raft.entries(first, commitIndex, 4096) ??
        this.disk.read(first, Math.min(commitIndex, raft.firstInMemory - 1), 4096);
      if (entries.length === 0) {
        throw new SafetyViolation(`node ${this.id} finds entry ${first} nowhere`);
      }
      for (const entry of entries) {
        if (entry.index !== this.appliedIndex + 1) {
          throw new SafetyViolation(`node ${this.id} applies ${entry.index} out of order`);
        }
        this.#around.checker.applied(this.id, entry);
        this.appliedIndex = entry.index;
        this.#appliedTerm = entry.term;
        if (entry.kind === "command") this.applied.push(textOf(entry));
        else if (entry.kind === "configuration") {
          this.#appliedMembers = decodeConfiguration(commandOf(entry));
        }
      }
      raft.step({ kind: "applied", index: LogIndex(this.appliedIndex) });
    }
  }

  #send(message: RaftMessage): void {
    this.#around.checker.sent(message);
    this.#around.send(message);
  }

  #scheduleTurn(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    const life = this.incarnation;
    const { events } = this.#around;
    events.at(events.nowMs, () => {
      if (life === this.incarnation && this.isUp && this.#turnDue) this.turn();
    });
  }

  #armTick(): void {
    const { raft } = this;
    if (raft === undefined) return;
    const { events, prng, tickLateMs, raft: { heartbeatMs } } = this.#around;
    const nextMs = Math.min(raft.wakeAtMs, events.nowMs + heartbeatMs / 4);
    const atMs = Math.max(nextMs, events.nowMs + 0.5) + prng.unit() * tickLateMs;
    if (atMs >= this.#tickAtMs) return;
    this.#tickAtMs = atMs;
    const life = this.incarnation;
    events.at(atMs, () => {
      if (life !== this.incarnation || !this.isUp || this.#tickAtMs !== atMs) return;
      this.#tickAtMs = Infinity;
      if (this.isPaused) events.at(this.#pausedUntilMs, () => this.#armTick());
      else this.#tick();
    });
  }

  #tick(): void {
    this.step({ kind: "tick", nowMs: this.#around.events.nowMs });
  }

  #noteRole(): void {
    const { raft } = this;
    if (raft === undefined) return;
    if (raft.role === "leader" && !this.#wasLeader) {
      this.#around.checker.leads(this.id, raft.term);
      this.#around.onLeader(this.id, raft.term);
    }
    this.#wasLeader = raft.role === "leader";
  }
}
