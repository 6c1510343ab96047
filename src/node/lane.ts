/**
 * One connection's operations in order (architecture D7). The head of the queue is answered first;
 * a read runs only at the head, so it sees the writes before it and none behind it.
 */

import { assert, Ring } from "../base/mod.ts";
import type { Request, TransactionItem } from "../machine/mod.ts";
import type { Batch } from "./batch.ts";
import type { Lane, OperationFailure, ReplyTarget } from "./gateway.ts";
import type { Operation, Outcome, Query, ReadOperation, WriteOperation } from "./operation.ts";

/** What a lane needs from the node. */
export interface LaneHost {
  /** Monotonic. */
  nowMs(): number;
  /** Puts a write into the open batch, which it returns; undefined when it is too large for one. */
  joinBatch(operation: WriteOperation, fill: BatchFill): Batch | undefined;
  /** Why no write can be taken now. */
  readonly refusesWrites: string | undefined;
  openBatch(): Batch | undefined;
  /** A copy of a request that the decoder will not change. */
  keep(request: Request): Request;
  /** Runs `callback` in a later turn. */
  later(callback: () => void): void;
  /** Whether the reads of all lanes are local. */
  readonly readsLocally: boolean;
  /**
   * Whether what this node has is fresh enough for a local read: `yes`; `ask` when the leader has to
   * say so first; or why it cannot be.
   */
  localRead(): "yes" | "ask" | OperationFailure;
  /** Asks for a read index for this read. */
  joinReadRound(operation: ReadOperation): void;
  /** Answers a read now, or arranges for it to be answered later and returns undefined. */
  runQuery(operation: ReadOperation): Operation["outcome"];
}

/**
 * Reads in a row end after about this time (the clock is asked every eighth), so that other clients
 * and heartbeats have their turn.
 */
const SLICE_MS = 5;

const UNHEARD: Outcome = { kind: "reply", reply: null };

const TOO_LARGE: OperationFailure = {
  effect: "notApplied",
  reason: "the command is larger than raft.entry-bytes-max; split it",
};

const LOST_PLACE: OperationFailure = {
  effect: "notApplied",
  reason: "the node took over a snapshot that has later writes of this connection; read again",
};

/** Writes one operation into a batch. */
export type BatchFill =
  | { readonly kind: "command"; readonly db: number; readonly request: Request }
  | { readonly kind: "transaction"; readonly items: readonly TransactionItem[] };

export class LaneQueue implements Lane {
  readonly #host: LaneHost;
  readonly #queue: Ring<Operation> = new Ring();
  readsLocally = false;
  #closed = false;
  #drainsLater = false;
  /** The batch of the newest write. */
  #writeBatch: Batch | undefined;

  constructor(host: LaneHost) {
    this.#host = host;
  }

  get pending(): number {
    return this.#queue.length;
  }

  write(db: number, request: Request, target: ReplyTarget): void {
    this.#joinBatch({ kind: "command", db, request }, target);
  }

  read(db: number, request: Request, target: ReplyTarget): void {
    this.#joinRead({ kind: "one", db, request: this.#host.keep(request) }, target);
  }

  transaction(items: readonly TransactionItem[], writes: boolean, target: ReplyTarget): void {
    if (writes) this.#joinBatch({ kind: "transaction", items }, target);
    else this.#joinRead({ kind: "all", items }, target);
  }

  close(): void {
    this.#closed = true;
  }

  #joinBatch(fill: BatchFill, target: ReplyTarget): void {
    const operation: WriteOperation = { kind: "write", lane: this, target, outcome: undefined };
    this.#queue.push(operation);
    const reason = this.#host.refusesWrites;
    const batch = reason === undefined ? this.#host.joinBatch(operation, fill) : undefined;
    if (batch !== undefined) {
      this.#writeBatch = batch;
      return;
    }
    const failure: OperationFailure = reason === undefined
      ? TOO_LARGE
      : { effect: "notApplied", reason };
    operation.outcome = { kind: "failure", failure };
    this.#host.later(() => this.drain());
  }

  #joinRead(query: Query, target: ReplyTarget): void {
    const open = this.#host.openBatch();
    // A batch that has left may be committed before writes that other clients finished by now, so a
    // read may ride only in one that has not left.
    const batch = open !== undefined && open === this.#writeBatch ? open : undefined;
    const operation: ReadOperation = {
      kind: "read",
      lane: this,
      target,
      query,
      readableAtMs: undefined,
      batch,
      outcome: undefined,
    };
    this.#queue.push(operation);
    if (batch !== undefined) return;
    const isLocal = this.readsLocally || this.#host.readsLocally;
    const local = isLocal ? this.#host.localRead() : "ask";
    if (local === "ask") return this.#host.joinReadRound(operation);
    if (local === "yes") operation.readableAtMs = 0;
    else operation.outcome = { kind: "failure", failure: local };
    this.#drainLater();
  }

  /**
   * Answers from the head on what can be answered; `applying` is the batch being applied. Many long
   * reads take several turns.
   */
  drain(applying?: Batch): void {
    let endMs: number | undefined;
    for (let ran = 0;;) {
      const head = this.#queue.peek();
      if (head === undefined) return;
      if (head.outcome === undefined && head.kind === "read") {
        if (applying !== undefined && head.batch === applying) head.readableAtMs ??= 0;
        if (head.readableAtMs !== undefined) {
          if ((++ran & 7) === 0) {
            const nowMs = this.#host.nowMs();
            endMs ??= nowMs + SLICE_MS;
            if (nowMs > endMs) return this.#drainLater();
          }
          head.outcome = this.#run(head);
        }
      }
      if (head.outcome === undefined) return;
      this.#queue.shift();
      this.#answer(head);
    }
  }

  /** Later is as good: whatever comes between is no write of this lane. */
  #drainLater(): void {
    if (this.#drainsLater) return;
    this.#drainsLater = true;
    this.#host.later(() => {
      this.#drainsLater = false;
      this.drain();
    });
  }

  /** Nobody hears the answer of a closed lane, and large ones are work. */
  #run(read: ReadOperation): Outcome | undefined {
    return this.#closed ? UNHEARD : this.#host.runQuery(read);
  }

  /** Answers everything before `write`, which is about to be applied: all of it is reads. */
  drainBefore(write: WriteOperation): void {
    for (;;) {
      const head = this.#queue.peek();
      if (head === write || head === undefined) return;
      if (head.outcome === undefined) {
        assert(
          head.kind === "read",
          "Cannot apply a write before an earlier one of its connection",
        );
        // It runs at this place of the log, whatever a leader's clock said.
        head.readableAtMs = undefined;
        head.outcome = this.#run(head);
        assert(head.outcome !== undefined, "Cannot put off a read behind a write that is applied");
      }
      this.#queue.shift();
      this.#answer(head);
    }
  }

  /** The batch failed: reads that ride in it fail with it, since they come after its writes. */
  failRiders(batch: Batch, failure: OperationFailure): void {
    for (const operation of this.#queue) {
      if (operation.kind === "read" && operation.batch === batch) {
        operation.outcome ??= { kind: "failure", failure };
      }
    }
    this.drain();
  }

  /**
   * The machine has jumped over writes of this lane, which have `failure` as their outcome. Reads
   * before the last of them have lost their place; those behind, which rode in its batch, ask for
   * another one.
   */
  jumped(failure: OperationFailure): void {
    let last: Operation | undefined;
    for (const operation of this.#queue) {
      const { outcome } = operation;
      if (outcome?.kind === "failure" && outcome.failure === failure) last = operation;
    }
    let isBefore = last !== undefined;
    for (const operation of this.#queue) {
      if (operation === last) isBefore = false;
      if (operation.kind !== "read" || operation.outcome !== undefined) continue;
      if (isBefore) operation.outcome = { kind: "failure", failure: LOST_PLACE };
      else if (operation.batch?.finished) {
        operation.batch = undefined;
        this.#host.joinReadRound(operation);
      }
    }
    this.drain();
  }

  #answer(operation: Operation): void {
    const outcome = operation.outcome;
    if (this.#closed || outcome === undefined) return;
    if (outcome.kind === "reply") operation.target.onReply(outcome.reply);
    else operation.target.onFailure(outcome.failure);
  }
}

/** Bytes that a fill adds to a batch, or a little less. */
export function fillBytes(fill: BatchFill): number {
  if (fill.kind === "command") return fill.request.end - fill.request.start;
  return fill.items.reduce((sum, { request }) => sum + request.end - request.start, 0);
}
