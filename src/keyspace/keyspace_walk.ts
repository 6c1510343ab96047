/**
 * Every key of every database as it was when the walk began, while writes go on (architecture D8). A
 * key that is about to change is set aside first and given next.
 */

import type { Database } from "./database.ts";
import { DatabaseWalk, type WalkedKey } from "./database_walk.ts";
import { FieldWalk } from "./hash_value.ts";

export class KeyspaceWalk {
  /** The databases in the order of their numbers when the walk began. */
  readonly databases: readonly DatabaseWalk[];
  readonly #attached: readonly Database[];
  readonly #taken: WalkedKey[] = [];
  readonly #onEnd: () => void;
  #at = 0;

  constructor(databases: readonly Database[], onEnd: () => void) {
    this.#attached = [...databases];
    this.#onEnd = onEnd;
    const onTaken = (taken: WalkedKey) => this.#taken.push(taken);
    this.databases = databases.map((database) =>
      database.beginWalk((values, deadlines) =>
        new DatabaseWalk(database.index, values, deadlines, onTaken)
      )
    );
  }

  /** The next key; undefined at the end. */
  next(): WalkedKey | undefined {
    const taken = this.#taken.pop();
    if (taken !== undefined) return taken;
    for (; this.#at < this.databases.length; this.#at++) {
      const walked = this.databases[this.#at].next();
      if (walked !== undefined) return walked;
    }
    return undefined;
  }

  /** The keyspace forgets the walk, ended or not. */
  end(): void {
    for (const database of this.#attached) database.endWalk();
    for (const { value } of this.#taken) if (value instanceof FieldWalk) value.end();
    this.#onEnd();
  }
}
