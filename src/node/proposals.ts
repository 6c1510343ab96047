/**
 * This node's batches from the open one to their apply (architecture D3, D4): cut, sent to the
 * leader wherever it is, sent again when that may have been in vain, and resolved by the machine.
 */

import { assert, Ring } from "../base/mod.ts";
import type { BatchHeader, BatchObserver, Reply } from "../machine/mod.ts";
import { Batch } from "./batch.ts";
import type { OperationFailure } from "./gateway.ts";
import { type BatchFill, fillBytes, type LaneQueue } from "./lane.ts";
import type { NodeObserver } from "./observer.ts";
import type { Operation, ReadOperation, WriteOperation } from "./operation.ts";

/** The way to the leader. */
export interface BatchRoute {
  /**
   * Hands the batch to the leader: to the core when that is this node, else over its link. False
   * when there is no leader to hand it to or it takes nothing now.
   */
  submit(batch: Batch): boolean;
  /** Whether `next` may leave while so many of this node's batches are on their way. */
  mayCut(next: Batch, batchesInFlight: number): boolean;
  /** Monotonic. */
  nowMs(): number;
}

export interface ProposalLimits {
  /** A batch that has reached this is closed. */
  readonly batchBytesMax: number;
  /** Larger commands and transactions are refused. */
  readonly entryBytesMax: number;
  /** A client waits at most this long for its write. */
  readonly operationTimeoutMs: number;
  /** A batch without an answer is sent again after this time. */
  readonly resendMs: number;
}

const ABANDONED: OperationFailure = {
  effect: "maybeApplied",
  reason: "no answer from the cluster in time; read before you write again",
};
const NOT_SENT: OperationFailure = {
  effect: "notApplied",
  reason: "no leader could be reached in time; try again",
};

const REPLY_LOST: OperationFailure = {
  effect: "applied",
  reason: "this node was behind and took over a snapshot that has it; read before you write again",
};

export class Proposals implements BatchObserver {
  readonly #route: BatchRoute;
  readonly #limits: ProposalLimits;
  readonly #origin: { readonly origin: number; readonly incarnation: number };
  readonly #observer: NodeObserver;
  /** Not sealed: the last one takes new operations. Only it may be below the size limit. */
  #open: Ring<Batch> = new Ring();
  #newest: Batch | undefined;
  /** Sealed and not applied, by rising sequence. */
  readonly #inFlight: Ring<Batch> = new Ring();
  #lastSequence = 0;
  #applying: Batch | undefined;
  #distrusted: OperationFailure | undefined;
  #bytes = 0;
  #lastResendMs = 0;

  constructor(
    route: BatchRoute,
    origin: { readonly origin: number; readonly incarnation: number },
    limits: ProposalLimits,
    observer: NodeObserver,
  ) {
    this.#route = route;
    this.#origin = origin;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Bytes that wait to be applied. */
  get bytes(): number {
    return this.#bytes;
  }

  get operations(): number {
    let count = 0;
    for (const batch of this.#open) count += batch.operations.length;
    for (const batch of this.#inFlight) count += batch.operations.length;
    return count;
  }

  /** The batch that new operations join; undefined when the next one starts a batch. */
  get newest(): Batch | undefined {
    return this.#newest;
  }

  /** Adds a client's write to the open batch; undefined when no batch may be so large. */
  join(operation: WriteOperation, fill: BatchFill): Batch | undefined {
    const bytes = fillBytes(fill);
    if (bytes > this.#limits.entryBytesMax) return undefined;
    if (bytes >= this.#limits.batchBytesMax) this.#newest = undefined;
    const batch = this.#newestOrNew();
    const builder = batch.builder!;
    const before = builder.bytes;
    if (fill.kind === "command") builder.command(fill.db, fill.request);
    else builder.transaction(fill.items);
    this.#joined(batch, operation, before);
    return batch;
  }

  /** Adds a place in the log at which `operation` can be answered, and moves the log's time on. */
  joinMark(operation: ReadOperation): void {
    const batch = this.#newestOrNew();
    const before = batch.bytes;
    batch.builder!.mark();
    this.#joined(batch, operation, before);
  }

  /** Adds the removal of a key whose deadline has passed by the leader's clock. */
  joinRemoval(db: number, key: string): Batch {
    const batch = this.#newestOrNew();
    const before = batch.bytes;
    batch.builder!.removeExpired(db, key);
    this.#joined(batch, undefined, before);
    return batch;
  }

  #newestOrNew(): Batch {
    if (this.#newest === undefined) {
      this.#newest = new Batch(this.#route.nowMs());
      this.#bytes += this.#newest.bytes;
      this.#open.push(this.#newest);
    }
    return this.#newest;
  }

  #joined(batch: Batch, operation: Operation | undefined, bytesBefore: number): void {
    batch.operations.push(operation);
    this.#bytes += batch.bytes - bytesBefore;
    if (batch.bytes >= this.#limits.batchBytesMax) this.#newest = undefined;
  }

  /** Whether the newest operation changes anything: else the end of what it waits for will. */
  mayAdvance(): boolean {
    const batch = this.#open.peek();
    return batch !== undefined && this.#route.mayCut(batch, this.#inFlight.length);
  }

  /** Seals and sends what may go now; called once a turn. */
  advance(nowMs: number): void {
    this.#submitUnsent(nowMs);
    while (this.#open.length > 0) {
      const batch = this.#open.peek()!;
      if (!this.#route.mayCut(batch, this.#inFlight.length)) return;
      batch.seal({ ...this.#origin, sequence: this.#lastSequence + 1 });
      this.#lastSequence++;
      this.#open.shift();
      if (batch === this.#newest) this.#newest = undefined;
      this.#inFlight.push(batch);
      if (!this.#submit(batch, nowMs)) return;
    }
  }

  /** In order: a batch whose predecessor did not go would be refused by the machine. */
  #submitUnsent(nowMs: number): void {
    for (const batch of this.#inFlight) {
      if (batch.sentAtMs === undefined && !this.#submit(batch, nowMs)) return;
    }
  }

  #submit(batch: Batch, nowMs: number): boolean {
    if (!this.#route.submit(batch)) return false;
    batch.sentAtMs = nowMs;
    return true;
  }

  /** The leader, or the link to it, is another one: what was sent may be lost. */
  resend(nowMs: number): void {
    this.#lastResendMs = nowMs;
    for (const batch of this.#inFlight) {
      if (!this.#submit(batch, nowMs)) return;
    }
  }

  /** Gives up on what has waited too long and sends again what has no answer. */
  tick(nowMs: number): void {
    for (const batch of this.#inFlight) {
      if (!batch.abandoned && nowMs - batch.openedAtMs > this.#limits.operationTimeoutMs) {
        this.#abandon(batch);
      }
    }
    for (let batch = this.#open.peek(); batch !== undefined; batch = this.#open.peek()) {
      if (nowMs - batch.openedAtMs <= this.#limits.operationTimeoutMs) break;
      this.#open.shift();
      if (batch === this.#newest) this.#newest = undefined;
      this.#bytes -= batch.bytes;
      this.#fail(batch, NOT_SENT);
    }
    const oldest = this.#inFlight.peek();
    if (oldest === undefined || nowMs - this.#lastResendMs < this.#limits.resendMs) return;
    if (oldest.sentAtMs !== undefined && nowMs - oldest.sentAtMs > this.#limits.resendMs) {
      this.resend(nowMs);
    }
  }

  #abandon(batch: Batch): void {
    const { operations, bytes } = batch;
    const failure = batch.sentAtMs === undefined ? NOT_SENT : ABANDONED;
    batch.abandon({ ...this.#origin, sequence: batch.sequence });
    this.#bytes -= bytes - batch.bytes;
    this.#failOperations(batch, operations, failure);
  }

  #fail(batch: Batch, failure: OperationFailure): void {
    const operations = batch.operations;
    batch.operations = [];
    batch.finished = true;
    this.#failOperations(batch, operations, failure);
  }

  #failOperations(
    batch: Batch,
    operations: readonly (Operation | undefined)[],
    failure: OperationFailure,
  ): void {
    for (const operation of operations) {
      if (operation === undefined) continue;
      operation.outcome ??= { kind: "failure", failure };
      operation.lane.failRiders(batch, NOT_SENT);
    }
  }

  /**
   * The machine has jumped to a snapshot that has this node's batches up to `sequence`: they took
   * effect, once, and their replies exist nowhere. Calls `again` for reads that waited in one of
   * them for a place in the log.
   */
  jumpedTo(sequence: number, again: (read: ReadOperation) => void): void {
    assert(sequence <= this.#lastSequence, `Cannot jump to own batch ${sequence}: it was not sent`);
    const lanes = new Set<LaneQueue>();
    const marks: ReadOperation[] = [];
    for (let batch = this.#inFlight.peek(); batch !== undefined; batch = this.#inFlight.peek()) {
      if (batch.sequence > sequence) break;
      this.#inFlight.shift();
      this.#bytes -= batch.bytes;
      batch.finished = true;
      for (const operation of batch.operations) {
        if (operation?.kind === "read") marks.push(operation);
        else if (operation !== undefined) {
          operation.outcome ??= { kind: "failure", failure: REPLY_LOST };
          lanes.add(operation.lane);
        }
      }
      batch.operations = [];
    }
    for (const lane of lanes) lane.jumped(REPLY_LOST);
    for (const read of marks) if (read.outcome === undefined) again(read);
  }

  /**
   * No batch of this node takes effect from now on, on any member: none is on its way any more. Those
   * that have left fail as `sent`, the others as `unsent`.
   */
  end(unsent: OperationFailure, sent: OperationFailure): void {
    for (const ring of [this.#inFlight, this.#open]) {
      for (let batch = ring.shift(); batch !== undefined; batch = ring.shift()) {
        this.#bytes -= batch.bytes;
        this.#fail(batch, batch.sentAtMs === undefined ? unsent : sent);
      }
    }
    this.#newest = undefined;
  }

  /** The observer of a batch that the machine is about to apply, when it is one of ours. */
  observerOf(header: BatchHeader): BatchObserver | undefined {
    if (!this.#isOurs(header)) return undefined;
    const batch = this.#inFlight.peek();
    assert(
      batch !== undefined && batch.sequence === header.sequence,
      `Cannot apply own batch ${header.sequence}: found ${batch?.sequence} waiting`,
    );
    // The payload that was abandoned may be the one that committed: nobody waits for its answers.
    this.#applying = batch;
    return batch.abandoned ? undefined : this;
  }

  #isOurs(header: BatchHeader): boolean {
    return header.origin === this.#origin.origin &&
      header.incarnation === this.#origin.incarnation;
  }

  beforeOperation(position: number): void {
    const operation = this.#applying!.operations[position];
    if (operation?.kind === "write") operation.lane.drainBefore(operation);
  }

  afterOperation(position: number, reply: Reply): void {
    const batch = this.#applying!;
    const operation = batch.operations[position];
    if (operation === undefined) return;
    const failure = this.#distrusted;
    if (operation.kind === "write") {
      operation.outcome = failure === undefined
        ? { kind: "reply", reply }
        : { kind: "failure", failure };
    } else operation.batch = batch;
    operation.lane.drain(batch);
  }

  /** The machine's replies are wrong: whoever waits for one gets `failure` from now on. */
  distrust(failure: OperationFailure): void {
    this.#distrusted = failure;
  }

  /** A batch of ours has been applied, or skipped because one before it is missing. */
  applied(header: BatchHeader, early: boolean, nowMs: number): void {
    if (!this.#isOurs(header)) return;
    if (early) {
      if (nowMs - this.#lastResendMs >= EARLY_RESEND_MS) this.resend(nowMs);
      return;
    }
    const batch = this.#inFlight.shift()!;
    this.#applying = undefined;
    batch.finished = true;
    this.#bytes -= batch.bytes;
    this.#observer.batchCommitted(
      (nowMs - batch.openedAtMs) / 1000,
      batch.operations.length,
      batch.record.length,
    );
  }
}

/** Several skipped batches in a row are one loss: answer it once. */
const EARLY_RESEND_MS = 20;
