/**
 * The terms of a log in a few numbers: terms only rise along a log, so one run a term says them
 * all. Makes the search for a common prefix cheap (Raft thesis §3.5: at most one round trip a term)
 * and keeps no entry in memory for it.
 */

import { assert, type LogIndex, type Term } from "../base/mod.ts";
import type { EntryId } from "./log_entry.ts";
import type { TermRun } from "./ready.ts";

export class TermRuns {
  #start: EntryId;
  #runs: TermRun[] = [];

  /** Runs as recovered from disk, in order; the first one begins right behind `start`. */
  constructor(start: EntryId, runs: readonly TermRun[]) {
    this.#start = start;
    for (const run of runs) this.extend(run.first, run.term);
  }

  /** The entry before the first one. */
  get start(): EntryId {
    return this.#start;
  }

  /** Says that the entry at `first`, and those behind it, have `term`. */
  extend(first: LogIndex, term: Term): void {
    const last = this.#runs.at(-1);
    if (last === undefined) {
      assert(
        first === this.#start.index + 1 && term >= this.#start.term,
        `Cannot start term runs with term ${term} at ${first}: the log begins behind entry ${this.#start.index} of term ${this.#start.term}`,
      );
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

  /** Forgets everything up to `start`, which is in the log that ends with `last`. */
  compactTo(start: EntryId, last: LogIndex): void {
    const runs = this.#runs;
    let at = 0;
    while (at < runs.length && runs[at].first <= start.index) at++;
    const kept = runs.slice(at);
    const next = kept.at(0)?.first;
    // The run that holds `start` goes on behind it, unless the next one or nothing begins there.
    if (at > 0 && next !== start.index + 1 && start.index < last) {
      kept.unshift({ first: (start.index + 1) as LogIndex, term: runs[at - 1].term });
    }
    this.#runs = kept;
    this.#start = start;
  }

  /** The log is empty and begins behind `start`. */
  reset(start: EntryId): void {
    this.#runs = [];
    this.#start = start;
  }

  /** The term at `index`, from `start.index` to the end of the log. */
  termAt(index: LogIndex): Term {
    const at = this.#runOf(index);
    if (at >= 0) return this.#runs[at].term;
    if (index !== this.#start.index) {
      assert(
        false,
        `Cannot tell the term of entry ${index}: the log begins behind ${this.#start.index}`,
      );
    }
    return this.#start.term;
  }

  /** The largest index <= `index` whose term is <= `term`, but `start.index` when there is none. */
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
