/**
 * Linearizable reads (Raft thesis §6.4, architecture D6): the reads of one turn share one read index,
 * wait until the machine has applied it, and run.
 */

import type { OperationFailure } from "./gateway.ts";
import type { NodeObserver } from "./observer.ts";
import type { ReadOperation } from "./operation.ts";

/** Reads that share an index. */
interface ReadGroup {
  readonly operations: ReadOperation[];
  /** Called with whether the index was confirmed and reached in time. */
  readonly barriers: ((reached: boolean) => void)[];
  readonly openedAtMs: number;
  askedAtMs: number;
  /** Known once the leader has confirmed. */
  index: number;
  clockMs: number;
}

export interface ReadRoute {
  /** Asks the core for a read index; false when there is no leader to ask. */
  ask(readId: number): boolean;
  /** Its answer is not wanted any more. */
  abandon(readId: number): void;
  readonly appliedIndex: number;
  /** Monotonic. */
  nowMs(): number;
}

export interface ReadLimits {
  readonly operationTimeoutMs: number;
}

/** Groups asked for and not confirmed; the reads that come meanwhile share the next group. */
const GROUPS_ASKED_MAX = 1;

const READ_IDS_PER_PROCESS = 2 ** 32;

/** So long after the last local read nobody asks any more how fresh the machine is. */
const KEEP_FRESH_MS = 60_000;
/** Of the bound on staleness: then a confirmation is asked for. */
const FRESHNESS_SHARE = 0.25;

const NO_ANSWER: OperationFailure = {
  effect: "notApplied",
  reason: "no leader confirmed the read in time; try again",
};

export class Reads {
  readonly #route: ReadRoute;
  readonly #limits: ReadLimits;
  readonly #observer: NodeObserver;
  #next: ReadGroup | undefined;
  readonly #asked = new Map<number, ReadGroup>();
  #waiting: ReadGroup[] = [];
  #lastReadId: number;
  #pending = 0;
  #freshAtMs = -Infinity;
  /** Until then, freshness is asked for when the last word on it is so old. */
  #keepFreshUntilMs = -Infinity;
  #freshnessMs = 0;

  /**
   * `incarnation` keeps the ids of this process apart: an answer to the last one's may be on its
   * way.
   */
  constructor(route: ReadRoute, incarnation: number, limits: ReadLimits, observer: NodeObserver) {
    this.#lastReadId = incarnation * READ_IDS_PER_PROCESS;
    this.#route = route;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Reads that wait for an index or for the machine to reach it. */
  get pending(): number {
    return this.#pending;
  }

  /** The machine has every write that was acknowledged anywhere before this time. */
  get freshAtMs(): number {
    return this.#freshAtMs;
  }

  /** For a while, `freshAtMs` is to stay clearly less than `stalenessMsMax` behind. */
  keepFresh(nowMs: number, stalenessMsMax: number): void {
    this.#keepFreshUntilMs = nowMs + KEEP_FRESH_MS;
    this.#freshnessMs = stalenessMsMax * FRESHNESS_SHARE;
  }

  /** Adds a read; true when a turn should follow, false when what it waits for will bring one. */
  join(operation: ReadOperation): boolean {
    this.#open().operations.push(operation);
    this.#pending++;
    return this.#asked.size < GROUPS_ASKED_MAX;
  }

  /** Like `join`, for who wants to know when a read would see all that was committed before now. */
  joinBarrier(barrier: (reached: boolean) => void): boolean {
    this.#open().barriers.push(barrier);
    return this.#asked.size < GROUPS_ASKED_MAX;
  }

  #open(): ReadGroup {
    return this.#next ??= {
      operations: [],
      barriers: [],
      openedAtMs: this.#route.nowMs(),
      askedAtMs: 0,
      index: 0,
      clockMs: 0,
    };
  }

  /** Asks for the reads that have come; called once a turn. */
  advance(nowMs: number): void {
    const group = this.#next;
    if (group === undefined || this.#asked.size >= GROUPS_ASKED_MAX) return;
    const readId = ++this.#lastReadId;
    if (!this.#route.ask(readId)) return;
    group.askedAtMs = nowMs;
    this.#asked.set(readId, group);
    this.#next = undefined;
  }

  /** The core's answer; without an index the reads are asked for again. */
  confirmed(readId: number, index: number | undefined, clockMs: number, nowMs: number): void {
    const group = this.#asked.get(readId);
    if (group === undefined) return;
    this.#asked.delete(readId);
    if (index === undefined) {
      this.#askAgain(group);
      return;
    }
    this.#observer.readIndexConfirmed((nowMs - group.askedAtMs) / 1000, group.operations.length);
    group.index = index;
    group.clockMs = clockMs;
    if (index <= this.#route.appliedIndex) this.#serve(group);
    else this.#waiting.push(group);
  }

  #askAgain(group: ReadGroup): void {
    if (this.#next === undefined) this.#next = group;
    // The older group's time counts: the newer reads may only fail a little early.
    else {
      const { operations, barriers } = this.#next;
      this.#next = {
        ...group,
        operations: [...group.operations, ...operations],
        barriers: [...group.barriers, ...barriers],
      };
    }
  }

  /** The machine has moved on. */
  applied(): void {
    if (this.#waiting.length === 0) return;
    const applied = this.#route.appliedIndex;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((group) => group.index > applied);
    for (const group of waiting) if (group.index <= applied) this.#serve(group);
  }

  #serve(group: ReadGroup): void {
    this.#freshAtMs = Math.max(this.#freshAtMs, group.askedAtMs);
    this.#pending -= group.operations.length;
    for (const operation of group.operations) {
      if (operation.outcome !== undefined) continue;
      operation.readableAtMs = group.clockMs;
      operation.lane.drain();
    }
    for (const barrier of group.barriers) barrier(true);
  }

  /**
   * Gives up on what has waited too long. What is lost on the way is asked for again by the core, as
   * long as the leader is the same; after that the core gives the reads back.
   */
  tick(nowMs: number): void {
    const isLate = (group: ReadGroup) => nowMs - group.openedAtMs > this.#limits.operationTimeoutMs;
    for (const [readId, group] of this.#asked) {
      if (!isLate(group)) continue;
      this.#asked.delete(readId);
      this.#route.abandon(readId);
      this.#fail(group);
    }
    if (this.#next !== undefined && isLate(this.#next)) {
      const late = this.#next;
      this.#next = undefined;
      this.#fail(late);
    }
    const late = this.#waiting.filter(isLate);
    if (late.length > 0) {
      this.#waiting = this.#waiting.filter((group) => !isLate(group));
      for (const group of late) this.#fail(group);
    }
    const isOld = nowMs < this.#keepFreshUntilMs && nowMs - this.#freshAtMs > this.#freshnessMs;
    if (isOld && this.#next === undefined && this.#asked.size === 0) this.#open();
    this.advance(nowMs);
  }

  #fail(group: ReadGroup): void {
    this.#pending -= group.operations.length;
    for (const operation of group.operations) {
      operation.outcome ??= { kind: "failure", failure: NO_ANSWER };
      operation.lane.drain();
    }
    for (const barrier of group.barriers) barrier(false);
  }
}
