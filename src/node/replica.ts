/**
 * This node's copy of the state: the machine, and how far the log has been applied to it. Entries
 * are applied one after the other, never twice and never with one between left out; a snapshot of a
 * peer puts another machine in its place between two entries.
 */

import { LogIndex, Term, unreachable } from "../base/mod.ts";
import type { AppliedBatch, BatchHeader, BatchObserver, Machine } from "../machine/mod.ts";
import type { Clock } from "../platform/mod.ts";
import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  type EntryId,
  type LogEntry,
  payloadChecksumOf,
  type Raft,
} from "../raft/mod.ts";
import type { RaftStorage } from "../storage/mod.ts";
import { Applier, type ApplySource, type ApplyTarget } from "./applier.ts";

/** A machine and where in the log it is. */
export interface ReplicaState {
  readonly machine: Machine;
  /** The last entry that the machine has. */
  readonly last: EntryId;
  /** The members as of that entry. */
  readonly configuration: Configuration;
}

/** Told what happens while entries are applied. */
export interface ReplicaHandler {
  /** The observer of a batch that is about to be applied, when it is one of this node's. */
  observerOf(header: BatchHeader): BatchObserver | undefined;
  /** The batch has been applied, or skipped as `admission` says. */
  onBatch(batch: AppliedBatch): void;
  /**
   * Another configuration is in effect for the machine: of a committed entry, or of a snapshot that
   * this node has jumped to.
   */
  onConfiguration(configuration: Configuration, jumped: boolean): void;
  /** An entry is over; called for each one, so to be quick. */
  onPassed(index: LogIndex): void;
  /** A slice is over. */
  onApplied(index: LogIndex): void;
  /** More is committed: call `advance` again in a later turn. */
  onMoreToApply(): void;
  /** The disk does not give back an entry that was committed. */
  onReadFailed(error: unknown): void;
}

export interface ReplicaOptions {
  readonly raft: Raft;
  readonly storage: RaftStorage;
  readonly clock: Clock;
  readonly start: ReplicaState;
}

export class Replica implements ApplySource, ApplyTarget {
  readonly #options: ReplicaOptions;
  readonly #handler: ReplicaHandler;
  readonly #applier: Applier;
  #machine: Machine;
  #appliedTerm: Term;
  #configuration: Configuration;
  #bytesApplied = 0;

  constructor(options: ReplicaOptions, handler: ReplicaHandler) {
    const { start, clock } = options;
    this.#options = options;
    this.#handler = handler;
    this.#machine = start.machine;
    this.#appliedTerm = start.last.term;
    this.#configuration = start.configuration;
    this.#applier = new Applier(this, this, () => clock.nowMs(), start.last.index);
  }

  /** Another object after a snapshot has been installed. */
  get machine(): Machine {
    return this.#machine;
  }

  /** The last entry that was applied. */
  get applied(): EntryId {
    return { term: this.#appliedTerm, index: this.#applier.appliedIndex };
  }

  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex;
  }

  /** The members as of the last entry that was applied. */
  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Records applied by this process. */
  get bytesApplied(): number {
    return this.#bytesApplied;
  }

  /** Applies what is committed, for the time of one slice; nothing over a gap that a snapshot fills. */
  advance(): void {
    if (this.appliedIndex >= this.#options.raft.logStart.index) this.#applier.advance();
  }

  /** What could not be read may be readable now. */
  retryRead(): void {
    this.#applier.retryRead();
  }

  /** Goes on from a snapshot's state, which must be ahead of this one. */
  replace(state: ReplicaState): void {
    this.#machine = state.machine;
    this.#appliedTerm = state.last.term;
    this.#applier.restartAt(state.last.index);
    this.#setConfiguration(state.configuration, true);
  }

  apply(entry: LogEntry): void {
    const machine = this.#machine;
    switch (entry.kind) {
      case "command":
        this.#handler.onBatch(machine.apply(commandOf(entry), entry.index, this.#observerOf));
        break;
      case "configuration":
        this.#applyConfiguration(decodeConfiguration(commandOf(entry)));
        break;
      case "noop":
        break;
      default:
        unreachable(entry.kind);
    }
    machine.passed(entry.index, payloadChecksumOf(entry));
    this.#appliedTerm = entry.term;
    this.#bytesApplied += entry.record.length;
    this.#handler.onPassed(entry.index);
  }

  readonly #observerOf = (header: BatchHeader) => this.#handler.observerOf(header);

  /** Batches of a removed member that are still under way have no effect, on every member alike. */
  #applyConfiguration(configuration: Configuration): void {
    for (const id of configuration.removed) this.#machine.origins.remove(id);
    this.#setConfiguration(configuration, false);
  }

  #setConfiguration(configuration: Configuration, jumped: boolean): void {
    this.#configuration = configuration;
    this.#handler.onConfiguration(configuration, jumped);
  }

  onApplied(index: LogIndex): void {
    this.#handler.onApplied(index);
  }

  onMoreToApply(): void {
    this.#handler.onMoreToApply();
  }

  onReadFailed(error: unknown): void {
    this.#handler.onReadFailed(error);
  }

  get commitIndex(): LogIndex {
    return this.#options.raft.commitIndex;
  }

  get firstInMemory(): LogIndex {
    return this.#options.raft.firstInMemory;
  }

  entriesInMemory(first: LogIndex, last: LogIndex, bytesMax: number) {
    return this.#options.raft.entries(first, last, bytesMax);
  }

  entriesOnDisk(first: LogIndex, last: LogIndex, bytesMax: number) {
    return this.#options.storage.read(first, last, bytesMax);
  }
}
