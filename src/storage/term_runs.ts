/** The terms of the log's entries, one row for each change of term. Pure. */

import { assert, LogIndex, Term } from "../base/mod.ts";
import type { TermRun } from "../raft/mod.ts";

export class TermRuns {
  readonly #runs: TermRun[] = [];

  /** Notes the next entry of the log. */
  append(index: LogIndex, term: Term): void {
    const last = this.#runs.at(-1);
    if (last !== undefined && last.term === term) return;
    assert(
      last === undefined || (term > last.term && index > last.first),
      `Cannot add entry ${index} of term ${term}: the log ends in term ${last?.term}`,
    );
    this.#runs.push({ first: index, term });
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: LogIndex): void {
    while (this.#runs.length > 0 && this.#runs.at(-1)!.first >= index) this.#runs.pop();
  }

  /** Forgets everything: the log begins anew. */
  clear(): void {
    this.#runs.length = 0;
  }

  /** The term of an entry of the log. */
  termAt(index: LogIndex): Term {
    const run = this.#runs.findLast(({ first }) => first <= index);
    assert(run !== undefined, `Cannot tell the term of entry ${index}: it is before the log`);
    return run.term;
  }

  /** The term of the last entry, 0 when there is none. */
  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? Term(0);
  }

  toArray(): TermRun[] {
    return this.#runs.slice();
  }
}
