/**
 * What the lanes of this node's clients share: the way of a write into a batch, of a read into a
 * round, and the limit on unfinished work.
 */

import { type Request, RequestKeeper, TIME_BEHIND } from "../machine/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { Batch } from "./batch.ts";
import type { Raft } from "../raft/mod.ts";
import type { Counters } from "./counters.ts";
import type { Lane, OperationFailure } from "./gateway.ts";
import { type BatchFill, type LaneHost, LaneQueue } from "./lane.ts";
import type { Outcome, ReadOperation, WriteOperation } from "./operation.ts";
import type { ReadingOptions } from "./options.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import type { Replica } from "./replica.ts";

export interface ClientsOptions {
  readonly clock: Clock;
  readonly raft: Raft;
  readonly replica: Replica;
  readonly proposals: Proposals;
  readonly reads: Reads;
  /** Asks for a turn of the node after the input of this one. */
  readonly schedule: () => void;
  readonly reading: ReadingOptions;
  readonly counters: Counters;
  /** Why the node takes no writes now. */
  readonly refusesWrites: () => string | undefined;
  /** Why the node answers no reads. */
  readonly refusesReads: () => string | undefined;
}

/** Above the first, clients are asked to wait; below the second, they go on. */
const SATURATED_BYTES = 64 << 20;
const RELIEVED_BYTES = 32 << 20;

export class Clients implements LaneHost {
  readonly #options: ClientsOptions;
  readonly #keeper = new RequestKeeper();
  readonly #relief: (() => void)[] = [];
  #saturated = false;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  openLane(): Lane {
    return new LaneQueue(this);
  }

  get saturated(): boolean {
    return this.#saturated;
  }

  onRelief(callback: () => void): void {
    this.#relief.push(callback);
  }

  /** Work has been finished: lets clients go on when it was too much. */
  relieve(): void {
    if (!this.#saturated || this.#options.proposals.bytes >= RELIEVED_BYTES) return;
    this.#saturated = false;
    for (const callback of this.#relief) callback();
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  keep(request: Request): Request {
    return this.#keeper.keep(request);
  }

  later(callback: () => void): void {
    this.#options.clock.setImmediate(callback);
  }

  get refusesWrites(): string | undefined {
    return this.#options.refusesWrites();
  }

  joinBatch(operation: WriteOperation, fill: BatchFill): Batch | undefined {
    const { proposals, schedule } = this.#options;
    const batch = proposals.join(operation, fill);
    // Otherwise the end of what it waits for brings a turn.
    if (proposals.mayAdvance()) schedule();
    if (proposals.bytes > SATURATED_BYTES) this.#saturated = true;
    return batch;
  }

  openBatch(): Batch | undefined {
    return this.#options.proposals.newest;
  }

  get readsLocally(): boolean {
    return this.#options.reading.reads === "local";
  }

  /**
   * Every read that was confirmed says how fresh the machine is at least; while there are local reads,
   * such a confirmation is asked for often enough.
   */
  localRead(): "yes" | "ask" | OperationFailure {
    const { reads, reading, counters, raft, clock } = this.#options;
    const nowMs = clock.nowMs();
    const { stalenessMsMax } = reading;
    reads.keepFresh(nowMs, stalenessMsMax);
    if (nowMs - reads.freshAtMs <= stalenessMsMax) {
      counters.localReads++;
      return "yes";
    }
    if (raft.leaderId !== undefined) return "ask";
    return {
      effect: "notApplied",
      reason:
        `no leader has confirmed for ${stalenessMsMax} ms (redis.staleness-ms-max) what this ` +
        "node has; ask another member, or again when there is a leader",
    };
  }

  joinReadRound(operation: ReadOperation): void {
    if (this.#options.reads.join(operation)) this.#options.schedule();
  }

  /** A read that meets a deadline which the log's time has not reached waits for a mark in the log. */
  runQuery(operation: ReadOperation): Outcome | undefined {
    const { replica, proposals, schedule, refusesReads } = this.#options;
    const reason = refusesReads();
    if (reason !== undefined) {
      return { kind: "failure", failure: { effect: "notApplied", reason } };
    }
    const { machine } = replica;
    const { query } = operation;
    const atMs = operation.readableAtMs ?? 0;
    const reply = query.kind === "one"
      ? machine.query(query.db, query.request, atMs)
      : machine.queryAll(query.items, atMs);
    if (reply !== TIME_BEHIND) return { kind: "reply", reply };
    operation.readableAtMs = undefined;
    proposals.joinMark(operation);
    schedule();
    return undefined;
  }
}
