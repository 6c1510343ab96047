/**
 * Whether this node's data can be trusted, and what it does where not: damaged entries are taken
 * from other members, a state that differs from theirs is served to nobody. A node with either does
 * not campaign.
 */

import type { LogIndex } from "../base/mod.ts";
import { STATE_HASH_INTERVAL } from "../machine/mod.ts";
import type { LogEntry, PeerMessage, Raft, Ready } from "../raft/mod.ts";
import type { Doubt } from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import { LogRepair } from "./log_repair.ts";
import type { RaftNodeOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import type { Snapshots } from "./snapshots.ts";
import { StateComparison } from "./state_comparison.ts";

/** The node, as far as this needs it. */
export interface IntegrityHost {
  readonly options: RaftNodeOptions;
  readonly raft: Raft;
  readonly replica: Replica;
  readonly counters: Counters;
  readonly snapshots: Snapshots;
  schedule(): void;
}

export interface IntegrityHandler {
  /** The state is wrong: whatever was asked of this node must not be answered from it. */
  readonly onQuarantined: (why: string) => void;
  /** Nobody can give back what this node has lost. */
  readonly onLost: (error: Error) => void;
}

const ADVICE = "stop it, keep a copy of its data directory, and let a new node take its place: " +
  "logboat serve --join HOST:PORT --replace ID";

export class Integrity {
  readonly #host: IntegrityHost;
  readonly #repair: LogRepair;
  readonly #comparison: StateComparison;
  #unfit = false;

  constructor(host: IntegrityHost, handler: IntegrityHandler) {
    this.#host = host;
    const { options, raft, replica, counters } = host;
    const members = () => raft.configuration.members.map(({ id }) => id);
    this.#repair = new LogRepair({
      ...options,
      raft,
      counters,
      members,
      nowMs: () => options.clock.nowMs(),
      takeSnapshot: () => void host.snapshots.take(),
      onLost: handler.onLost,
      appliedIndex: () => replica.appliedIndex,
      onRepaired: (configurations) => {
        if (configurations.length > 0) raft.step({ kind: "configurationsFound", configurations });
        this.#judge();
        replica.retryRead();
      },
    });
    this.#comparison = new StateComparison({
      ...options,
      counters,
      members,
      term: () => raft.term,
      commitIndex: () => raft.commitIndex,
      before: options.storage.snapshots.doubt,
      onQuarantined: (doubt) => {
        this.#judge();
        handler.onQuarantined(doubt.why);
        this.#keep(doubt);
      },
      onTrusted: () => {
        this.#judge();
        this.#keep(undefined);
      },
    });
    this.#judge();
  }

  /** Why this node serves nobody, with what to do. */
  get quarantined(): string | undefined {
    const why = this.#comparison.quarantined;
    return why === undefined ? undefined : `${why}; ${ADVICE}`;
  }

  get damagedEntries(): number {
    return this.#repair.damagedEntries;
  }

  /** What keeps this node from serving, for people. */
  get trouble(): string | undefined {
    return this.quarantined ?? this.#repair.trouble;
  }

  /** A read of the log has failed; `retryRead` of the replica follows when it may succeed. */
  readFailed(error: unknown): void {
    this.#repair.readFailed(error);
    this.#judge();
  }

  /** Reads entries that a peer needs, for the core; where that fails the core asks again. */
  async fetch({ peer, first, last, bytesMax }: Ready["fetches"][number]): Promise<void> {
    const { options, raft } = this.#host;
    let entries: readonly LogEntry[] = [];
    try {
      entries = await options.storage.read(first, last, bytesMax);
    } catch (error) {
      this.readFailed(error);
    }
    raft.step({ kind: "fetched", peer, first, entries });
    this.#host.schedule();
  }

  /** An entry has been applied; called for each one. */
  passed(index: LogIndex): void {
    if (index % STATE_HASH_INTERVAL !== 0) return;
    this.#comparison.note(index, this.#host.replica.machine.stateHash);
  }

  /** Takes the messages that are about entries and hashes; false for all others. */
  onMessage(message: PeerMessage): boolean {
    switch (message.kind) {
      case "entriesRequest":
        this.#repair.answer(message);
        return true;
      case "entriesReply":
        this.#repair.onReply(message);
        return true;
      case "stateHash":
        this.#comparison.onHash(message);
        return true;
      default:
        return false;
    }
  }

  tick(nowMs: number): void {
    this.#repair.tick(nowMs);
    this.#judge();
  }

  /** For the next process: its state may come from a snapshot of a wrong one. */
  #keep(doubt: Doubt | undefined): void {
    const { storage, logger } = this.#host.options;
    storage.snapshots.noteDoubt(doubt).catch((error) => {
      const why = error instanceof Error ? error.message : String(error);
      logger.error("cannot note on disk whether the state of this node is wrong", { why });
    });
  }

  /** Tells the core whether this node may lead. */
  #judge(): void {
    const { raft } = this.#host;
    const isQuarantined = this.#comparison.quarantined !== undefined;
    const unfit = isQuarantined || this.#repair.blocks;
    if (isQuarantined && raft.role === "leader") {
      raft.step({ kind: "stepDown", reason: "the state of this node is wrong" });
      this.#host.schedule();
    }
    if (unfit === this.#unfit) return;
    this.#unfit = unfit;
    raft.step(unfit ? { kind: "damaged" } : { kind: "repaired" });
  }
}
