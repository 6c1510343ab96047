/**
 * The first machine of a new cluster, from the keys of an RDB file: of Redis, or a backup of Logboat.
 * Of a backup the time of its log is kept, so that a key that was seen expired stays so. The origin
 * table is not: in the new cluster every node begins to count anew.
 */

import { type DeadlineMs, RdbError, type RdbVisitor, type Value } from "../keyspace/mod.ts";
import { DATABASES, Machine } from "./machine.ts";
import type { SnapshotHeader, SnapshotWalk } from "./snapshot.ts";

/** A visitor for `RdbFileReader`; nothing counts before the reader has finished. */
export class RdbImport implements RdbVisitor {
  readonly #machine = new Machine();
  readonly #skipped = new Map<string, number>();
  #keys = 0;
  #clockMs = 0;

  /** Keys taken in. */
  get keys(): number {
    return this.#keys;
  }

  /** What was left out because Logboat has no such type, and how often. */
  get skipped(): ReadonlyMap<string, number> {
    return this.#skipped;
  }

  /** The bytes of the snapshot that the new cluster begins with. */
  beginSnapshot(header: SnapshotHeader): SnapshotWalk {
    this.#machine.restore(header, {
      origins: [],
      removedOrigins: [],
      clockMs: this.#clockMs,
      expiredKeys: 0,
      batches: 0,
      commands: 0,
      stateHash: this.#machine.stateHash,
    });
    return this.#machine.beginSnapshot(header);
  }

  aux(name: string, value: string): void {
    if (name === "logboat-clock-ms" && /^\d{1,15}$/.test(value)) this.#clockMs = Number(value);
  }

  entry(db: number, key: string, value: Value, deadlineMs: DeadlineMs | undefined): void {
    const what = db >= DATABASES
      ? `database ${db} does not exist, there are ${DATABASES}`
      : this.#machine.keyspace.db(db).restore(key, value, deadlineMs)
      ? undefined
      : "it is there twice";
    if (what !== undefined) {
      throw new RdbError("damaged", `Cannot take in key ${JSON.stringify(key)}: ${what}`);
    }
    this.#keys++;
  }

  skippedKey(_db: number, _key: string, typeName: string): void {
    this.skippedOther(`${typeName} keys`);
  }

  skippedOther(what: string): void {
    this.#skipped.set(what, (this.#skipped.get(what) ?? 0) + 1);
  }
}
