/** One thing that a client asked for, from its submission to its answer. */

import type { Reply, Request, TransactionItem } from "../machine/mod.ts";
import type { Batch } from "./batch.ts";
import type { OperationFailure, ReplyTarget } from "./gateway.ts";
import type { LaneQueue } from "./lane.ts";

export type Outcome =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "failure"; readonly failure: OperationFailure };

/** A write rides in a batch; its answer comes from applying that batch. */
export interface WriteOperation {
  readonly kind: "write";
  readonly lane: LaneQueue;
  readonly target: ReplyTarget;
  outcome: Outcome | undefined;
}

/** What a read asks: one command, or several with nothing between them. All are owned copies. */
export type Query =
  | { readonly kind: "one"; readonly db: number; readonly request: Request }
  | { readonly kind: "all"; readonly items: readonly TransactionItem[] };

/**
 * A read runs at the head of its lane, when one of these holds:
 * - its round was confirmed and the machine has applied the round's index (`readableAtMs` is set);
 * - `batch`, which was still open when the read was submitted, has applied the lane's write before it;
 * - a write behind it on the same lane is about to be applied.
 */
export interface ReadOperation {
  readonly kind: "read";
  readonly lane: LaneQueue;
  readonly target: ReplyTarget;
  readonly query: Query;
  /** The leader's clock, ms since 1970, of the moment that made the read possible. */
  readableAtMs: number | undefined;
  batch: Batch | undefined;
  outcome: Outcome | undefined;
}

export type Operation = WriteOperation | ReadOperation;
