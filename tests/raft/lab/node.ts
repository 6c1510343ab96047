/**
 * A member of the simulated cluster: the driver's work (persist, send, apply, read back) in virtual
 * time around a real `Raft`. Everything of one instant is one turn, as in a turn of an event loop.
 */

import { LogIndex, type NodeId, type Prng } from "../../../src/base/mod.ts";
import {
  type Configuration,
  ENTRY_ID_ZERO,
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
import type { SimulatedDisk } from "./disk.ts";
import type { EventQueue } from "./event_queue.ts";

const encoder = new TextEncoder();

/** What all nodes of a cluster share. */
export interface Surroundings {
  readonly events: EventQueue;
  readonly prng: Prng;
  readonly checker: SafetyChecker;
  readonly raft: Pick<RaftOptions, "electionTimeoutMs" | "heartbeatMs" | "limits">;
  /** The members at the first start. */
  readonly bootstrap: Configuration;
  /** A tick comes late by up to this. */
  tickLateMs: number;
  readonly send: (message: RaftMessage) => void;
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
  /** The log as the core sees it, from what it asked to persist. */
  log: LogEntry[] = [];
  /** Commands applied by this process, in order; no-ops are not commands. */
  applied: string[] = [];
  appliedIndex = 0;
  readonly reads: ReadOutcome[] = [];
  incarnation = 0;
  #proposed = 0;
  #turnDue = false;
  #tickAtMs = Infinity;
  #pausedUntilMs = 0;
  #backlog: (() => void)[] = [];
  #readId = 0;
  #wasLeader = false;

  constructor(id: NodeId, disk: SimulatedDisk, around: Surroundings) {
    this.id = id;
    this.disk = disk;
    this.#around = around;
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
    this.applied = [];
    this.appliedIndex = 0;
    this.#proposed = 0;
    this.#turnDue = false;
    this.#tickAtMs = Infinity;
    this.#pausedUntilMs = 0;
    this.#backlog = [];
    this.raft = new Raft({
      ...raft,
      id: this.id,
      configurations: [{ index: LogIndex(0), configuration: this.#around.bootstrap }],
      hardState: this.disk.hardState,
      start: ENTRY_ID_ZERO,
      appliedIndex: LogIndex(0),
      mayVote: true,
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
    if (this.raft.lastEntry.index !== this.log.length + this.#proposed) this.turn();
    const record = recordWithPayload(encoder.encode(text));
    const result = this.step({ kind: "propose", entryKind: "command", record });
    if (result.kind !== "proposed") return undefined;
    this.#proposed++;
    let commands = 0;
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
    this.#append(ready.entries);
    this.#persist(ready);
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
      checker.committed(this.id, ready.commitIndex, this.log);
      this.#apply(raft, ready.commitIndex);
    }
  }

  #append(entries: readonly LogEntry[]): void {
    const first = entries.at(0);
    if (first === undefined) return;
    this.log.length = first.index - 1;
    for (const entry of entries) {
      this.#around.checker.appended(entry, this.log.at(-1)?.term ?? 0);
      this.log.push(entry);
    }
    this.#proposed = 0;
  }

  #persist(ready: Ready): void {
    const { number, hardState, entries, messagesAfterPersist } = ready;
    const nothing = hardState === undefined && entries.length === 0;
    const done = () =>
      this.#whenRunning(() => {
        for (const message of messagesAfterPersist) this.#send(message);
        this.step({ kind: "persisted", number });
      });
    if (!nothing || (messagesAfterPersist.length > 0 && !this.disk.isIdle)) {
      this.disk.write({ hardState, entries, done });
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
        if (entry.kind === "command") this.applied.push(textOf(entry));
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
