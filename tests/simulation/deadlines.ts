/**
 * How long what must happen may take once links, disks and clocks are good again. Each deadline
 * follows from the plan and from the work that is left, so that slowness alone never breaks one and
 * waiting for ever always does. All are in ms of the simulation.
 */

import { type Plan, TIMINGS } from "./plan.ts";

/** How slow the slowest clock of a plan with drifting clocks is; timers last that much longer. */
export const CLOCK_RATE_MIN = 0.8;
/** A link delivers within so many of its mean delays. */
export const DELAY_FACTOR_MAX = 1.5;
/** The chance that elections which can go wrong by accident go wrong as often as is allowed. */
const ACCIDENT_CHANCE = 1e-9;
/** Four in ten operations of a client change nothing; this many in a row are an accident. */
const READS_IN_A_ROW_MAX = 24;
/** Batches that one node may have on their way, as `node/leader_route.ts` has it. */
const BATCHES_MAX = 64;

export class Deadlines {
  /** From a message to its answer, with nothing to wait for on the other side. */
  readonly roundTripMs: number;
  /** Within this time every node has looked at its timers. */
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly #plan: Plan;
  /** The longest election timeout. */
  readonly #electionMs: number;

  constructor(plan: Plan) {
    const { electionTimeoutMs, heartbeatMs } = TIMINGS[plan.timing];
    const slow = plan.faults.has("clockDrift") ? 1 / CLOCK_RATE_MIN : 1;
    this.#plan = plan;
    this.roundTripMs = 2 * DELAY_FACTOR_MAX * plan.delayMs;
    this.tickMs = Math.min(50, heartbeatMs) * slow;
    this.heartbeatMs = heartbeatMs * slow;
    this.#electionMs = electionTimeoutMs.max * slow;
  }

  /**
   * All follow one leader: what was believed ends with the longest timeout, then an attempt a
   * timeout until no two of them meet, then the first heartbeat.
   */
  leader(): number {
    const { electionTimeoutMs: { min, max } } = TIMINGS[this.#plan.timing];
    const meetMs = this.roundTripMs / 2 + 2;
    const chance = Math.min(0.9, this.#plan.size * meetMs / (max - min));
    const attempts = Math.ceil(Math.log(ACCIDENT_CHANCE) / Math.log(chance));
    const attemptMs = this.#electionMs + 2 * this.roundTripMs + this.tickMs;
    return (1 + attempts) * attemptMs + this.heartbeatMs + this.roundTripMs;
  }

  /**
   * A follower has `entries` more. The leader looks for the common prefix term by term, a round trip
   * each, and sends at least one entry in each message of its window.
   */
  catchUp(entries: number, terms: number): number {
    const { inflightMessagesMax } = this.#plan;
    const messages = Math.ceil(entries / inflightMessagesMax) + terms + 2;
    // A message that was lost before links were good is asked for with the heartbeats.
    return messages * this.roundTripMs + 2 * (this.heartbeatMs + this.roundTripMs + this.tickMs);
  }

  /** Every operation is answered or given up: a read may wait for an index and then for a mark. */
  answers(): number {
    const timeoutMs = 2 * this.#electionMs;
    return 2 * (timeoutMs + this.heartbeatMs + 2 * this.tickMs) + this.roundTripMs;
  }

  /** Something new commits, with nothing left to catch up: some client comes to a write. */
  nextWrite(): number {
    const operationMs = 2 * this.#plan.thinkMs + 4 * this.roundTripMs + this.tickMs;
    return this.answers() + READS_IN_A_ROW_MAX * operationMs;
  }

  /** Entries that may still come when no client has anything open. */
  lateEntries(nodes: number): number {
    // Batches that were given up keep their place in the order; keys that are due are removed.
    return nodes * (BATCHES_MAX + this.#plan.clients) + 2;
  }

  /** One read of a quiet cluster: to the leader, around its followers, once more when it was busy. */
  read(): number {
    return 4 * this.roundTripMs + this.heartbeatMs + 2 * this.tickMs;
  }

  /** Nothing may change the leader of a good cluster in this time. */
  calm(): number {
    return 3 * this.#electionMs;
  }
}
