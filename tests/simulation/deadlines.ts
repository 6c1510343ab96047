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
/** What the state of a run may grow by after its last snapshot. */
const SNAPSHOT_GROWTH_BYTES = 20_000;
/** As `node/snapshot_fetcher.ts` asks. */
const CHUNKS_A_ROUND = 4;
/**
 * An offer, a refused one, a lost chunk, and a node that asks by itself (`node/snapshot_*.ts`); entries
 * that are asked for once more (`node/log_repair.ts`).
 */
const SNAPSHOT_WAITS_MS = 1000 + 5000 + 2000 + 1000 + 5000;
/** A removed leader tries so long to hand over, and says good-bye (`node/departure.ts`). */
const DEPARTURE_MS = 10_000 + 1000;
/** As `node/membership.ts` tries. */
const MOVE_INTERVAL_MS = 10_000;

export class Deadlines {
  /** From a message to its answer, with nothing to wait for on the other side. */
  readonly roundTripMs: number;
  /** Within this time every node has looked at its timers. */
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly #plan: Plan;
  /** The longest election timeout. */
  readonly #electionMs: number;
  readonly #slow: number;

  constructor(plan: Plan) {
    const { electionTimeoutMs, heartbeatMs } = TIMINGS[plan.timing];
    const slow = plan.faults.has("clockDrift") ? 1 / CLOCK_RATE_MIN : 1;
    this.#plan = plan;
    this.#slow = slow;
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

  /**
   * `nodes` nodes take over a snapshot of about `bytes`: it is offered, asked for, maybe once in vain,
   * and its chunks come a few in each round trip, at a bounded rate.
   */
  snapshots(bytes: number, nodes: number): number {
    const { snapshotChunkBytes, snapshotRateBytes } = this.#plan;
    const all = bytes + SNAPSHOT_GROWTH_BYTES;
    const rounds = Math.ceil(all / snapshotChunkBytes / CHUNKS_A_ROUND) + 3;
    const transferMs = rounds * this.roundTripMs + nodes * all / snapshotRateBytes * 1000;
    return 2 * (SNAPSHOT_WAITS_MS * this.#slow + transferMs + this.heartbeatMs);
  }

  /** A change that was under way ends, its leader leaves, who was removed goes. */
  settle(): number {
    return DEPARTURE_MS * this.#slow + 2 * this.leader() + this.catchUp(BATCHES_MAX, 2);
  }

  /** A node that has moved tries to say so, maybe once in vain. */
  move(): number {
    return 2 * MOVE_INTERVAL_MS * this.#slow;
  }

  /** Every operation is answered or given up: a read may wait for an index and then for a mark. */
  answers(): number {
    const timeoutMs = 2 * this.#electionMs;
    // So may a change of the members.
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
