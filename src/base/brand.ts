/** Numbers that must not be swapped for one another, though all are safe integers. */

import { assert } from "./assert.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** A Raft term, 0 before the first election (Raft thesis §3.3). */
export type Term = Branded<"Term">;
/** A position in the Raft log; the first entry has 1, 0 means "before the log". */
export type LogIndex = Branded<"LogIndex">;
/** A member's identity: 1 to 2^32 - 1, never reused in a cluster. */
export type NodeId = Branded<"NodeId">;

/** Largest node id that the peer and batch formats can carry. */
export const NODE_ID_MAX = 0xffff_ffff;

/** Checks and brands a term. */
export function Term(value: number): Term {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    `Cannot use term ${value}: want an integer >= 0`,
  );
  return value as Term;
}

/** Checks and brands a log index. */
export function LogIndex(value: number): LogIndex {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    `Cannot use index ${value}: want an integer >= 0`,
  );
  return value as LogIndex;
}

/** Checks and brands a node id. */
export function NodeId(value: number): NodeId {
  assert(
    Number.isSafeInteger(value) && value >= 1 && value <= NODE_ID_MAX,
    `Cannot use node id ${value}: want an integer from 1 to ${NODE_ID_MAX}`,
  );
  return value as NodeId;
}
