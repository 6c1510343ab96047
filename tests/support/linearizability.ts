/**
 * A checker for linearizability: the search of Wing and Gong (1993) with the memory of Lowe (2017),
 * for one object at a time. It is iterative, and a run out of its time budget is `unknown`, which a
 * test must treat as a failure.
 *
 * What leaves every state as it is, as its answer shows, is placed as soon as that is legal: later it
 * would do nothing else, so no other choice has to be tried.
 *
 * A state that an operation still needs, and that nothing left can make again, must not be left: values
 * are mostly written once, so this ends most wrong choices at once.
 *
 * Operations whose outcome is not known have no return. They may take effect at any time after
 * their call, or never, with any result; the search places one only where it is stuck without it.
 */

/** What a state may be: values that `===` compares by content. */
export type State = string | number | null;

/** One operation on one object. Times are of one monotonic clock. */
export interface Operation<Input, Output> {
  readonly process: number;
  readonly input: Input;
  /**
   * Undefined when the outcome is not known; then `returnMs` is `Infinity`, or, when something else
   * shows that it took effect, a time by which it had.
   */
  readonly output: Output | undefined;
  readonly callMs: number;
  readonly returnMs: number;
}

/** A sequential object. */
export interface Model<Input, Output> {
  readonly initial: State;
  /**
   * The state after `input` ran in `state` and answered `output`; `illegal` when it cannot have
   * answered that. An undefined `output` agrees with everything.
   */
  step(state: State, input: Input, output: Output | undefined): State | typeof illegal;
  /** Whether an operation that answers `output` leaves every state as it is. */
  keeps(input: Input, output: Output): boolean;
  /** For models whose values are told apart: the one state in which it can have answered so. */
  needs?(input: Input, output: Output | undefined): State | undefined;
  /** The one state that the operation can lead to from another one. */
  makes?(input: Input, output: Output | undefined): State | typeof anything | undefined;
}

/** What `Model.makes` returns when what comes out depends on the state. */
export const anything: unique symbol = Symbol("anything");

/** What `Model.step` returns for an answer that the state does not allow. */
export const illegal: unique symbol = Symbol("illegal");

export type Verdict =
  /** `order` is one legal sequence, as indices into the operations. */
  | { readonly kind: "linearizable"; readonly order: readonly number[] }
  /** No legal sequence exists. `order` is the longest that was found, `stuck` what came next. */
  | { readonly kind: "violation"; readonly order: readonly number[]; readonly stuck: number }
  | { readonly kind: "unknown"; readonly reason: string };

export interface SearchLimits {
  /** Time for the whole search, in ms. */
  readonly budgetMs: number;
  readonly nowMs: () => number;
}

/** How many steps pass between two looks at the clock. */
const stepsPerClockLook = 2048;

/** Whether the operations on one object have a legal order that agrees with real time. */
export function checkObject<Input, Output>(
  model: Model<Input, Output>,
  operations: readonly Operation<Input, Output>[],
  limits: SearchLimits,
): Verdict {
  return new Search(model, operations, limits).run();
}

/**
 * Calls and returns in the order of time, as a doubly linked list over arrays. Entry 0 is the head.
 * At equal times calls come first, which allows more and so never accuses wrongly.
 */
class EventList {
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** The operation of an entry. */
  readonly operation: Int32Array;
  readonly isReturn: Uint8Array;
  /** The entries of an operation; 0 when it has none. */
  readonly callEntry: Int32Array;
  readonly returnEntry: Int32Array;
  /** Operations without a return, by call; their calls are not in the list. */
  readonly open: readonly number[];
  /** The place in time of an entry, or of the call of an open operation. */
  readonly rank: Float64Array;
  readonly openRank: Float64Array;

  constructor(operations: readonly Operation<unknown, unknown>[]) {
    const events: { at: number; isReturn: boolean; operation: number; open: boolean }[] = [];
    for (let i = 0; i < operations.length; i++) {
      const { callMs, returnMs, output } = operations[i];
      if (!(callMs <= returnMs)) throw new Error(`Operation ${i} returns before its call`);
      if (output !== undefined && returnMs === Infinity) {
        throw new Error(`Operation ${i} has an output without a return`);
      }
      events.push({ at: callMs, isReturn: false, operation: i, open: returnMs === Infinity });
      if (returnMs !== Infinity) {
        events.push({ at: returnMs, isReturn: true, operation: i, open: false });
      }
    }
    events.sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn));
    const size = events.length + 1;
    this.next = new Int32Array(size).fill(-1);
    this.previous = new Int32Array(size).fill(-1);
    this.operation = new Int32Array(size).fill(-1);
    this.isReturn = new Uint8Array(size);
    this.rank = new Float64Array(size);
    this.callEntry = new Int32Array(operations.length);
    this.returnEntry = new Int32Array(operations.length);
    const open: number[] = [];
    const openRanks: number[] = [];
    let last = 0;
    events.forEach((event, index) => {
      const entry = index + 1;
      if (event.open) {
        open.push(event.operation);
        openRanks.push(entry);
        return;
      }
      this.operation[entry] = event.operation;
      this.isReturn[entry] = event.isReturn ? 1 : 0;
      this.rank[entry] = entry;
      (event.isReturn ? this.returnEntry : this.callEntry)[event.operation] = entry;
      this.next[last] = entry;
      this.previous[entry] = last;
      last = entry;
    });
    this.open = open;
    this.openRank = Float64Array.from(openRanks);
  }

  get empty(): boolean {
    return this.next[0] === -1;
  }

  /** Takes out the call and the return of an operation. */
  lift(operation: number): void {
    this.#unlink(this.callEntry[operation]);
    this.#unlink(this.returnEntry[operation]);
  }

  /** Undoes the last `lift` that was not undone. */
  unlift(operation: number): void {
    this.#link(this.returnEntry[operation]);
    this.#link(this.callEntry[operation]);
  }

  #unlink(entry: number): void {
    const before = this.previous[entry];
    const after = this.next[entry];
    this.next[before] = after;
    if (after !== -1) this.previous[after] = before;
  }

  #link(entry: number): void {
    const before = this.previous[entry];
    const after = this.next[entry];
    this.next[before] = entry;
    if (after !== -1) this.previous[after] = entry;
  }
}

/** One choice of the search, and where to go on if it proves wrong. */
interface Frame {
  readonly operation: number;
  /** Index into the open operations, or -1 for one with a return. */
  readonly openIndex: number;
  readonly stateBefore: State;
  /** No other choice is left. */
  readonly isOnly: boolean;
}

class Search<Input, Output> {
  readonly #model: Model<Input, Output>;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #limits: SearchLimits;
  readonly #events: EventList;
  readonly #seen: SeenConfigurations;
  readonly #done: Uint32Array;
  /** Of each operation, whether it leaves every state as it is. */
  readonly #keeps: readonly boolean[];
  readonly #left: LeftOver;
  readonly #frames: Frame[] = [];
  #state: State;

  constructor(
    model: Model<Input, Output>,
    operations: readonly Operation<Input, Output>[],
    limits: SearchLimits,
  ) {
    this.#model = model;
    this.#operations = operations;
    this.#limits = limits;
    this.#events = new EventList(operations);
    this.#keeps = operations.map(({ input, output }) =>
      output !== undefined && model.keeps(input, output)
    );
    this.#left = new LeftOver(model as Model<unknown, unknown>, operations);
    this.#done = new Uint32Array(Math.ceil(operations.length / 32));
    this.#seen = new SeenConfigurations();
    this.#state = model.initial;
  }

  run(): Verdict {
    const events = this.#events;
    const endMs = this.#limits.nowMs() + this.#limits.budgetMs;
    let steps = 0;
    let best: number[] = [];
    let stuck = events.empty ? -1 : events.operation[events.next[0]];
    // The candidate to look at: an entry of the list, or, with -1, an index of the open operations.
    let entry = events.next[0];
    let openIndex = 0;
    while (!events.empty) {
      if (entry === events.next[0] && openIndex === 0 && this.#placeKept()) {
        entry = events.next[0];
        continue;
      }
      if (++steps % stepsPerClockLook === 0 && this.#limits.nowMs() > endMs) {
        return {
          kind: "unknown",
          reason: `Cannot decide within ${this.#limits.budgetMs} ms: ` +
            `${steps} steps over ${this.#operations.length} operations`,
        };
      }
      if (entry !== -1 && events.isReturn[entry] === 0) {
        if (this.#place(events.operation[entry], -1)) {
          entry = events.next[0];
          openIndex = 0;
        } else {
          entry = events.next[entry];
        }
        continue;
      }
      // Every call before the first return was tried: only an open operation can help.
      const blocker = this.#firstReturn(entry);
      const placed = this.#placeOpen(openIndex, events.rank[blocker]);
      if (placed !== -1) {
        entry = events.next[0];
        openIndex = 0;
        continue;
      }
      if (this.#frames.length >= best.length) {
        best = this.#frames.map((frame) => frame.operation);
        stuck = events.operation[blocker];
      }
      const frame = this.#back();
      if (frame === undefined) return { kind: "violation", order: best, stuck };
      if (frame.openIndex === -1) {
        entry = events.next[events.callEntry[frame.operation]];
        openIndex = 0;
      } else {
        entry = -1;
        openIndex = frame.openIndex + 1;
      }
    }
    return { kind: "linearizable", order: this.#frames.map((frame) => frame.operation) };
  }

  /** Places one operation that changes nothing, if one may come next. */
  #placeKept(): boolean {
    const events = this.#events;
    for (let at = events.next[0]; events.isReturn[at] === 0; at = events.next[at]) {
      const operation = events.operation[at];
      if (this.#keeps[operation] && this.#place(operation, -1, true)) return true;
    }
    return false;
  }

  /** Undoes the last choice that was not the only one. */
  #back(): Frame | undefined {
    for (let frame = this.#frames.pop(); frame !== undefined; frame = this.#frames.pop()) {
      this.#undo(frame);
      if (!frame.isOnly) return frame;
    }
    return undefined;
  }

  #firstReturn(from: number): number {
    const events = this.#events;
    let entry = from === -1 ? events.next[0] : from;
    while (events.isReturn[entry] === 0) entry = events.next[entry];
    return entry;
  }

  /** Tries the open operations from `openIndex` on that were called before `rank`. */
  #placeOpen(openIndex: number, rank: number): number {
    const { open, openRank } = this.#events;
    for (let i = openIndex; i < open.length && openRank[i] < rank; i++) {
      const operation = open[i];
      if ((this.#done[operation >>> 5] >>> (operation & 31)) & 1) continue;
      if (this.#place(operation, i)) return i;
    }
    return -1;
  }

  /** Makes `operation` the next one if that is legal and leads to a configuration not seen yet. */
  #place(operation: number, openIndex: number, isOnly = false): boolean {
    const { input, output } = this.#operations[operation];
    const after = this.#model.step(this.#state, input, output);
    if (after === illegal) return false;
    this.#done[operation >>> 5] |= 1 << (operation & 31);
    this.#left.take(operation);
    if (this.#left.isInVain(operation, this.#state, after) || !this.#seen.add(this.#done, after)) {
      this.#done[operation >>> 5] &= ~(1 << (operation & 31));
      this.#left.giveBack(operation);
      return false;
    }
    this.#frames.push({ operation, openIndex, stateBefore: this.#state, isOnly });
    this.#state = after;
    if (openIndex === -1) this.#events.lift(operation);
    return true;
  }

  #undo(frame: Frame): void {
    this.#done[frame.operation >>> 5] &= ~(1 << (frame.operation & 31));
    this.#left.giveBack(frame.operation);
    this.#state = frame.stateBefore;
    if (frame.openIndex === -1) this.#events.unlift(frame.operation);
  }
}

/** What the operations that are not placed need, and what they can make. */
class LeftOver {
  readonly #needs: readonly (State | undefined)[];
  readonly #makes: readonly (State | typeof anything | undefined)[];
  readonly #needed = new Map<State, number>();
  readonly #made = new Map<State | typeof anything, number>();

  constructor(
    model: Model<unknown, unknown>,
    operations: readonly Operation<unknown, unknown>[],
  ) {
    this.#needs = operations.map(({ input, output }) => model.needs?.(input, output));
    this.#makes = operations.map(({ input, output }) => model.makes?.(input, output));
    for (let operation = 0; operation < operations.length; operation++) this.giveBack(operation);
  }

  take(operation: number): void {
    this.#count(operation, -1);
  }

  giveBack(operation: number): void {
    this.#count(operation, 1);
  }

  /** Whether a state that is still needed can never be again: `operation` led from `before` to `after`. */
  isInVain(operation: number, before: State, after: State): boolean {
    if (this.#made.get(anything) ?? 0) return false;
    const made = this.#makes[operation];
    return this.#isGone(before, after) ||
      (made !== undefined && made !== anything && this.#isGone(made, after));
  }

  #isGone(state: State, now: State): boolean {
    return state !== now && (this.#needed.get(state) ?? 0) > 0 &&
      (this.#made.get(state) ?? 0) === 0;
  }

  #count(operation: number, by: number): void {
    const needs = this.#needs[operation];
    if (needs !== undefined) this.#needed.set(needs, (this.#needed.get(needs) ?? 0) + by);
    const makes = this.#makes[operation];
    if (makes !== undefined) this.#made.set(makes, (this.#made.get(makes) ?? 0) + by);
  }
}

/** Pairs of (operations done, state) that the search has been in. The hash only finds the bucket. */
class SeenConfigurations {
  readonly #stateIds = new Map<State, number>();
  readonly #buckets = new Map<number, { done: Uint32Array; stateId: number }[]>();

  /** Copies and remembers the pair; false when it was there. */
  add(done: Uint32Array, state: State): boolean {
    let stateId = this.#stateIds.get(state);
    if (stateId === undefined) {
      stateId = this.#stateIds.size;
      this.#stateIds.set(state, stateId);
    }
    const hash = hashConfiguration(done, stateId);
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) {
      this.#buckets.set(hash, [{ done: done.slice(), stateId }]);
      return true;
    }
    for (const seen of bucket) {
      if (seen.stateId === stateId && sameWords(seen.done, done)) return false;
    }
    bucket.push({ done: done.slice(), stateId });
    return true;
  }
}

/** 53 bits from two FNV-1a runs over words. */
function hashConfiguration(done: Uint32Array, stateId: number): number {
  let low = 0x811c9dc5 ^ stateId;
  let high = 0x01000193 ^ (stateId * 31);
  for (let i = 0; i < done.length; i++) {
    low = Math.imul(low ^ done[i], 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high ^ done[i], 0x85ebca6b);
    high ^= high >>> 13;
  }
  return (high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0);
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
