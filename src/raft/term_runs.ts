/**
 * The terms of a whole log in a few numbers: terms only rise along a log, so one run a term says
 * them all. Makes the search for a common prefix cheap (Raft thesis §3.5: at most one round trip
 * a term) and keeps no entry in memory for it.
 */

import { assert, type LogIndex, type Term } from "../base/mod.ts";
import type { TermRun } from "./ready.ts";

export class TermRuns {
  readonly #runs: TermRun[] = [];

  /** Runs as recovered from disk, in order; the first one starts at index 1. */
  constructor(runs: readonly TermRun[]) {
    for (const run of runs) this.extend(run.first, run.term);
  }

  /** Says that the entry at `first`, and those behind it, have `term`. */
  extend(first: LogIndex, term: Term): void {
    const last = this.#runs.at(-1);
    if (last === undefined) {
      assert(first === 1, `Cannot start term runs at ${first}: expected 1`);
    } else {
      if (last.term === term) return;
      assert(
        term > last.term && first > last.first,
        `Cannot extend term runs: found term ${term} at ${first} behind term ${last.term} at ${last.first}`,
      );
    }
    this.#runs.push({ first, term });
  }

  /** Forgets everything from `first` on. */
  truncateFrom(first: LogIndex): void {
    const runs = this.#runs;
    while (runs.length > 0 && runs[runs.length - 1].first >= first) runs.pop();
  }

  /** The term at `index`, which is in the log; 0 for index 0. */
  termAt(index: LogIndex): Term {
    const at = this.#runOf(index);
    return at < 0 ? 0 as Term : this.#runs[at].term;
  }

  /** The largest index <= `index` whose term is <= `term`; 0 when there is none. */
  lastIndexUpToTerm(index: LogIndex, term: Term): LogIndex {
    const runs = this.#runs;
    let found = index as number;
    for (let at = this.#runOf(index); at >= 0 && runs[at].term > term; at--) {
      found = runs[at].first - 1;
    }
    return found as LogIndex;
  }

  #runOf(index: LogIndex): number {
    const runs = this.#runs;
    let low = 0;
    let high = runs.length - 1;
    if (high >= 0 && runs[high].first <= index) return high;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (runs[middle].first <= index) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
