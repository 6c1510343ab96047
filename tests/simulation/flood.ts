/**
 * A client that sends many operations without waiting, some of them large. Only its own connection
 * counts the key up, so each answer has bounds: what it was told before, and what may have happened.
 */

import { Request } from "../../src/machine/mod.ts";
import type { Lane, OperationFailure } from "../../src/node/mod.ts";
import { Violation } from "./violation.ts";

const LARGE = "x".repeat(3000);

export class Flood {
  readonly #fail: (error: unknown) => void;
  #left = 0;
  #counted = 0;
  #perhaps = 0;
  #next = 0;

  /** Sends `count` increments of `key`, and a large value beside every fourth. */
  constructor(lane: Lane, key: string, count: number, fail: (error: unknown) => void) {
    this.#fail = fail;
    for (let at = 0; at < count; at++) {
      this.#send(lane, Request.of("INCR", key), at, true);
      if (at % 4 === 0) this.#send(lane, Request.of("SET", `${key}large`, LARGE), at, false);
    }
  }

  get waits(): boolean {
    return this.#left > 0;
  }

  /** The node's process is gone; nobody answers any more. */
  end(): void {
    this.#left = 0;
  }

  #send(lane: Lane, request: Request, at: number, counts: boolean): void {
    this.#left++;
    lane.write(0, request, {
      onReply: (reply: unknown) => {
        this.#answered(at);
        if (counts) this.#check(Number(reply));
      },
      onFailure: ({ effect }: OperationFailure) => {
        this.#answered(at);
        if (counts && effect === "maybeApplied") this.#perhaps++;
        if (counts && effect === "applied") this.#counted++;
      },
    });
  }

  #answered(at: number): void {
    if (this.#left > 0) this.#left--;
    if (at < this.#next) this.#fail(new Violation("RI", `answer ${at} comes after ${this.#next}`));
    this.#next = at;
  }

  #check(value: number): void {
    const least = this.#counted + 1;
    const most = least + this.#perhaps;
    if (!(value >= least && value <= most)) {
      const text = `a counter is ${value}, its client expects ${least} to ${most}`;
      this.#fail(new Violation("EO", text));
    }
    // What came before it has happened or never will.
    this.#perhaps = 0;
    this.#counted = value;
  }
}
