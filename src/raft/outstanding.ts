/**
 * The `Ready`s whose persistence has been asked for and not reported. Each remembers what it may
 * claim when it is durable. A truncation lowers the claims: the entries that an older `Ready` wrote
 * there are not the ones that the log has now, though their indexes are equal (the "ABA" case:
 * tests/raft/persist_test.ts plays it).
 */

import { type LogIndex, Ring, type Term } from "../base/mod.ts";

interface Claim {
  readonly number: number;
  readonly term: Term;
  lastIndex: LogIndex;
}

export class Outstanding {
  readonly #claims = new Ring<Claim>();
  #durableTerm: Term;

  constructor(durableTerm: Term) {
    this.#durableTerm = durableTerm;
  }

  /** The newest term known to be on disk. */
  get durableTerm(): Term {
    return this.#durableTerm;
  }

  add(number: number, term: Term, lastIndex: LogIndex): void {
    this.#claims.push({ number, term, lastIndex });
  }

  /** Entries from `first` on are being replaced. */
  truncateFrom(first: LogIndex): void {
    const claims = this.#claims;
    for (let at = 0; at < claims.length; at++) {
      const claim = claims.at(at) as Claim;
      if (claim.lastIndex >= first) claim.lastIndex = (first - 1) as LogIndex;
    }
  }

  /** `Ready` `number` and all before it are durable: the last index that is then stable, or 0. */
  settle(number: number): LogIndex {
    let stable = 0 as LogIndex;
    for (let claim = this.#claims.peek(); claim !== undefined; claim = this.#claims.peek()) {
      if (claim.number > number) break;
      this.#claims.shift();
      this.#noteTerm(claim.term);
      if (claim.lastIndex > stable) stable = claim.lastIndex;
    }
    return stable;
  }

  /** The hard states of `Ready` `number` and all before it are durable; their entries may not be. */
  settleHardState(number: number): void {
    const claims = this.#claims;
    for (let at = 0; at < claims.length; at++) {
      const claim = claims.at(at) as Claim;
      if (claim.number > number) break;
      this.#noteTerm(claim.term);
    }
  }

  /** What was durable ahead of its turn is settled again in its turn. */
  #noteTerm(term: Term): void {
    if (term > this.#durableTerm) this.#durableTerm = term;
  }
}
