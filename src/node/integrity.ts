/**
 * Whether this node's data can be trusted, and what it does where not: damaged entries are taken
 * from other members, a state that differs from theirs is served to nobody. A node with either does
 * not campaign.
 */

import type { Logger, LogIndex, NodeId } from "../base/mod.ts";
import { STATE_HASH_INTERVAL } from "../machine/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { PeerMessage, Raft } from "../raft/mod.ts";
import type { RaftStorage } from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import { LogRepair } from "./log_repair.ts";
import type { Replica } from "./replica.ts";
import { StateComparison } from "./state_comparison.ts";

export interface IntegrityOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly replica: Replica;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly nowMs: () => number;
  readonly schedule: () => void;
  /** The state is wrong: whatever was asked of this node must not be answered from it. */
  readonly onQuarantined: (why: string) => void;
  /** Nobody can give back what this node has lost. */
  readonly onLost: (error: Error) => void;
}

const ADVICE = "stop it, keep a copy of its data directory, and let it join again with an empty " +
  "one: logboat serve --join HOST:PORT --replace ID";

export class Integrity {
  readonly #options: IntegrityOptions;
  readonly #repair: LogRepair;
  readonly #comparison: StateComparison;
  #unfit = false;

  constructor(options: IntegrityOptions) {
    this.#options = options;
    const { raft, replica } = options;
    const members = () => raft.configuration.members.map(({ id }) => id);
    this.#repair = new LogRepair({
      ...options,
      members,
      appliedIndex: () => replica.appliedIndex,
      onRepaired: (configurations) => {
        if (configurations.length > 0) raft.step({ kind: "repaired", configurations });
        this.#judge();
        replica.retryRead();
      },
    });
    this.#comparison = new StateComparison({
      ...options,
      members,
      term: () => raft.term,
      commitIndex: () => raft.commitIndex,
      onQuarantined: (why) => {
        this.#judge();
        options.onQuarantined(why);
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

  /** An entry has been applied; called for each one. */
  passed(index: LogIndex): void {
    if (index % STATE_HASH_INTERVAL !== 0) return;
    this.#comparison.note(index, this.#options.replica.machine.stateHash);
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

  /** Tells the core whether this node may lead. */
  #judge(): void {
    const { raft, schedule } = this.#options;
    const isQuarantined = this.#comparison.quarantined !== undefined;
    const unfit = isQuarantined || this.#repair.blocks;
    if (isQuarantined && raft.role === "leader") {
      raft.step({ kind: "stepDown", reason: "the state of this node is wrong" });
      schedule();
    }
    if (unfit === this.#unfit) return;
    this.#unfit = unfit;
    raft.step(unfit ? { kind: "damaged" } : { kind: "repaired", configurations: [] });
  }
}
