/** What happened, as a rolling hash to compare runs by and the last events to read. */

import type { VirtualClock } from "../support/virtual_clock.ts";

const KEPT = 80;

type Event = readonly [number, string, string, number, number, number, number];

export class Trace {
  readonly #clock: VirtualClock;
  readonly #last: Event[] = [];
  #hash = 0x811c9dc5;
  #count = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  add(what: string, kind: string, a: number, b: number, c: number, d: number): void {
    const nowMs = this.#clock.nowMs();
    this.#last[this.#count++ % KEPT] = [nowMs, what, kind, a, b, c, d];
    let hash = this.#hash;
    for (const number of [nowMs * 1000, a, b, c, d]) {
      hash = Math.imul(hash ^ (number | 0), 0x01000193);
      hash ^= hash >>> 15;
    }
    for (let at = 0; at < kind.length; at++) {
      hash = Math.imul(hash ^ kind.charCodeAt(at), 0x01000193);
    }
    this.#hash = hash;
  }

  get hash(): string {
    return `${(this.#hash >>> 0).toString(16)}-${this.#count}`;
  }

  lastEvents(): string[] {
    const from = this.#count % KEPT;
    return [...this.#last.slice(from), ...this.#last.slice(0, from)].map(
      ([atMs, what, kind, a, b, c, d]) => `${atMs.toFixed(2)} ${what} ${kind} ${a} ${b} ${c} ${d}`,
    );
  }
}
