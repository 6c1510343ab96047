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
    if (this.#removed.has(id.origin)) return "repeated";
    let row = this.#rows.get(id.origin);
    if (row === undefined) {
      row = { incarnation: id.incarnation, sequence: 0 };
    }
    if (id.incarnation < row.incarnation) return "repeated";
    const last = id.incarnation > row.incarnation ? 0 : row.sequence;
    if (id.sequence <= last) return "repeated";
    if (id.sequence > last + 1) return "early";
    row.incarnation = id.incarnation;
    row.sequence = id.sequence;
    this.#rows.set(id.origin, row);
    return "next";
  }

  /** Whether `admit` would call it repeated, whatever else comes: it is of no use any more. */
  isPassed(id: BatchId): boolean {
    if (this.#removed.has(id.origin)) return true;
    const row = this.#rows.get(id.origin);
    if (row === undefined || id.incarnation > row.incarnation) return false;
    return id.incarnation < row.incarnation || id.sequence <= row.sequence;
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

  /** Puts back the row of a snapshot. */
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
