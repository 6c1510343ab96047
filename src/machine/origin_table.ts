/**
 * At most once (architecture D4): the last batch applied of every node's process. A node sends its
 * unresolved batches again to a new leader; the copies that follow the first one are skipped, and so
 * is one that arrives before its predecessor. One row a member.
 */

import type { BatchId } from "./batch.ts";

export type Admission =
  /** The next one of its origin. */
  | "next"
  /** Applied before, or of a process that has been replaced, or of a member that was removed. */
  | "repeated"
  /** Its predecessor has not been applied: the origin will send both again. */
  | "early";

interface Row {
  incarnation: number;
  sequence: number;
}

export class OriginTable {
  readonly #rows = new Map<number, Row>();
  /** Ids are never used again; a batch of one that is still under way must find no empty row. */
  readonly #removed = new Set<number>();

  /** Decides whether to apply a batch, and remembers it when the answer is `next`. */
  admit(id: BatchId): Admission {
    const admission = this.admissionOf(id);
    if (admission === "next") this.restore(id);
    return admission;
  }

  /** What `admit` would say now. What is repeated stays so, whatever else comes. */
  admissionOf({ origin, incarnation, sequence }: BatchId): Admission {
    if (this.#removed.has(origin)) return "repeated";
    const row = this.#rows.get(origin) ?? { incarnation, sequence: 0 };
    if (incarnation < row.incarnation) return "repeated";
    const last = incarnation > row.incarnation ? 0 : row.sequence;
    if (sequence <= last) return "repeated";
    return sequence === last + 1 ? "next" : "early";
  }

  /** The member was removed, by an entry that every member applies at the same place. */
  remove(origin: number): void {
    this.#rows.delete(origin);
    this.#removed.add(origin);
  }

  /** Ids of removed members, rising. */
  removed(): number[] {
    return [...this.#removed].sort((a, b) => a - b);
  }

  /** Puts back a row, of a snapshot for one. */
  restore(row: BatchId): void {
    this.#rows.set(row.origin, { incarnation: row.incarnation, sequence: row.sequence });
  }

  /** Rows in the order of node ids, for snapshots and digests. */
  rows(): BatchId[] {
    return [...this.#rows]
      .map(([origin, row]) => ({ origin, ...row }))
      .sort((a, b) => a.origin - b.origin);
  }
}
