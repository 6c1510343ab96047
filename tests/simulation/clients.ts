/**
 * Clients of the simulation: each waits for its answer, thinks, and goes on. What they saw is kept
 * as histories: keys as single objects, lists as transactions, deadlines as a life with one end.
 */

import { latin1FromBytes, type Prng } from "../../src/base/mod.ts";
import { Request, type TransactionItem } from "../../src/machine/mod.ts";
import type { Lane, OperationFailure, ReplyTarget } from "../../src/node/mod.ts";
import { RespError, SimpleString } from "../../src/resp/mod.ts";
import type { KeyOperation } from "../support/history.ts";
import { isRead, type KeyInput, keyModel, type KeyOutput } from "../support/key_model.ts";
import { checkObject, illegal, type Model, type Operation } from "../support/linearizability.ts";
import { findAnomaly, type ListTransaction, type MicroOperation } from "../support/list_append.ts";
import { Violation } from "./violation.ts";

/** A key that is set once with a deadline: absent, then there, then gone for ever. */
const mortalModel: Model<KeyInput, KeyOutput> = {
  initial: "absent",
  step(state, input, output) {
    if (input.kind === "set") return state === "absent" ? "alive" : illegal;
    if (output === null) return state === "alive" ? "dead" : state;
    return state === "alive" ? state : illegal;
  },
  keeps(input, output) {
    return isRead(input) && output !== null;
  },
};

/** A client notices that its connection is gone before an operation on it must have ended. */
const BROKEN_MS_MAX = 7500;

const BUDGET = { budgetMs: 20_000, nowMs: () => performance.now() };

export class Histories {
  readonly keys: KeyOperation[] = [];
  readonly mortals = new Map<string, Operation<KeyInput, KeyOutput>[]>();
  readonly transactions: ListTransaction[] = [];
  /** Answers of each kind: ok, notApplied, maybeApplied. */
  readonly outcomes = new Map<string, number>();
  #nextValue = 0;
  #nextProcess = 0;

  nextValue(): number {
    return ++this.#nextValue;
  }

  nextProcess(): number {
    return this.#nextProcess++;
  }

  count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /**
   * LZ: throws when what the clients saw has no explanation. A write whose outcome is not known had
   * happened by the time its value was applied, and never happened when that was nowhere.
   */
  check(appliedAtMs: ReadonlyMap<string, number>): void {
    const settled = this.keys.flatMap((operation) => {
      const { input, output } = operation;
      if (output !== undefined || !("value" in input)) return [operation];
      const returnMs = appliedAtMs.get(input.value);
      return returnMs === undefined ? [] : [{ ...operation, returnMs }];
    });
    for (const [key, operations] of Map.groupBy(settled, ({ key }) => key)) {
      this.#checkObject(key, keyModel, operations);
    }
    for (const [key, operations] of this.mortals) this.#checkObject(key, mortalModel, operations);
    const anomaly = findAnomaly(this.transactions);
    if (anomaly !== undefined) {
      const invariant = anomaly.kind === "duplicate" || anomaly.kind === "G1a" ? "EO" : "LZ";
      throw new Violation(invariant, `${anomaly.kind}: ${anomaly.text}`);
    }
  }

  #checkObject(
    key: string,
    model: Model<KeyInput, KeyOutput>,
    operations: readonly Operation<KeyInput, KeyOutput>[],
  ): void {
    const verdict = checkObject(model, operations, BUDGET);
    if (verdict.kind === "unknown") throw new Violation("LZ", `${key}: ${verdict.reason}`);
    if (verdict.kind === "linearizable") return;
    const stuck = operations[verdict.stuck];
    const near = operations
      .filter((o) => o.callMs <= stuck.returnMs && o.returnMs >= stuck.callMs - 2000)
      .slice(0, 12);
    const lines = [stuck, ...near].map((operation) => JSON.stringify(operation));
    throw new Violation("LZ", `${key} has no legal order; stuck at ${lines.join("\n  ")}`);
  }
}

type Effect = "ok" | "notApplied" | "maybeApplied";
type Ended = (reply: unknown, effect: Effect) => void;

/** One operation: what is sent, the type that its answer must have, and what is noted of it. */
interface Task {
  readonly send: (lane: Lane, target: ReplyTarget) => void;
  readonly isOurs: (reply: unknown) => boolean;
  readonly ended: Ended;
}

export interface ClientHost {
  nowMs(): number;
  later(delayMs: number, callback: () => void): void;
  fail(error: unknown): void;
  readonly thinkMs: number;
  /** Nothing that it waits for keeps such a client from looking at the next moment. */
  readonly onlyReads: boolean;
  readonly prng: Prng;
  /** What the connection loses of the next operation, if it breaks with it. */
  breaks(): "request" | "reply" | undefined;
  /** Another connection, to any node; undefined when none runs. */
  reconnect(client: Client): Lane | undefined;
}

/**
 * A connection to one node, until that node's process ends. One that breaks alone is made again, to
 * another node, where the client tries the same once more, as something new, or goes on.
 */
export class Client {
  readonly #host: ClientHost;
  readonly #histories: Histories;
  #lane: Lane;
  #process: number;
  #open: ((effect: "maybeApplied") => void) | undefined;
  /** What the client was not told the outcome of. */
  #again: (() => Task) | undefined;
  #gone = false;

  constructor(lane: Lane, host: ClientHost, histories: Histories) {
    this.#lane = lane;
    this.#host = host;
    this.#histories = histories;
    this.#process = histories.nextProcess();
  }

  start(): void {
    this.#think();
  }

  /** The node's process has ended: nobody knows what became of what was asked. */
  connectionLost(): void {
    this.#gone = true;
    this.#open?.("maybeApplied");
  }

  get waits(): boolean {
    return this.#open !== undefined;
  }

  get writes(): boolean {
    return !this.#host.onlyReads;
  }

  /** Reads everything, for the end: `answered` hears of each read. */
  readAll(answered: (effect: Effect) => void): void {
    const keys = REGISTERS.map((key) => () => this.#keyTask(key, { kind: "get" }));
    const lists = () =>
      this.#listTask(LISTS.map((key) => ({ kind: "read", key, elements: undefined })));
    const next = ([make, ...rest]: readonly (() => Task)[]) => {
      if (make === undefined) return;
      this.#run(make(), (effect) => {
        answered(effect);
        next(rest);
      });
    };
    next([...keys, lists]);
  }

  /** No new operations. */
  quiet(): void {
    this.#gone = true;
  }

  #think(): void {
    const { prng, thinkMs } = this.#host;
    this.#host.later(thinkMs * 2 * prng.unit(), () => {
      if (this.#gone) return;
      const make = this.#again ?? this.#draw();
      this.#again = undefined;
      const broken = this.#host.breaks();
      if (broken === undefined) return this.#run(make(), () => this.#think());
      this.#run(make(), () => this.#think(), broken);
      this.#breakLater(make);
    });
  }

  /** The client notices that its connection is gone, sooner or later. */
  #breakLater(make: () => Task): void {
    const { prng, thinkMs, later } = this.#host;
    const lane = this.#lane;
    later(Math.min(3 * thinkMs, BROKEN_MS_MAX) * prng.unit(), () => {
      if (this.#gone) return;
      lane.close();
      const next = this.#host.reconnect(this);
      this.#gone = next === undefined;
      if (prng.chance(0.6)) this.#again = make;
      this.#open?.("maybeApplied");
      this.#lane = next ?? lane;
      this.#process = this.#histories.nextProcess();
    });
  }

  /** With `broken` the client does not hear of the answer; the history does. */
  #run(task: Task, next: (effect: Effect) => void, broken?: "request" | "reply"): void {
    let noted = false;
    const note: Ended = (reply, effect) => {
      if (noted) return;
      noted = true;
      try {
        task.ended(reply, effect);
      } catch (error) {
        this.#host.fail(error);
      }
    };
    const end: Ended = (reply, effect) => {
      this.#open = undefined;
      this.#histories.count(effect);
      note(reply, effect);
      if (!this.#gone || effect !== "maybeApplied") next(effect);
    };
    let answered = false;
    const once = () => {
      if (answered) this.#host.fail(new Violation("RI", "a second answer to one operation"));
      answered = true;
    };
    this.#open = () => {
      answered = true;
      end(undefined, "maybeApplied");
    };
    if (broken === "request") return note(undefined, "notApplied");
    task.send(this.#lane, {
      onReply: (reply: unknown) => {
        if (this.#gone && answered) return;
        const plain = plainOf(reply);
        if (!task.isOurs(plain)) {
          this.#host.fail(new Violation("RI", `the answer ${plain} belongs to another request`));
        }
        if (broken !== undefined && !answered) return note(plain, "ok");
        once();
        end(plain, "ok");
      },
      onFailure: ({ effect }: OperationFailure) => {
        if (this.#gone && answered) return;
        // What ran, without its reply, is to the history as what may have run.
        const outcome = this.onOutcome(effect === "applied" ? "maybeApplied" : effect);
        if (broken !== undefined && !answered) return note(undefined, outcome);
        once();
        end(undefined, outcome);
      },
    });
  }

  /** What a node's error says about the operation. */
  onOutcome(effect: "notApplied" | "maybeApplied"): "notApplied" | "maybeApplied" {
    return effect;
  }

  /** What to do next; each call makes it anew, with other values. */
  #draw(): () => Task {
    const { prng } = this.#host;
    const value = () => `v${this.#histories.nextValue()}`;
    const register = prng.pick(["r0", "r1"]);
    const on = (key: string, input: () => KeyInput) => () => this.#keyTask(key, input());
    if (this.#host.onlyReads) return on(prng.pick(REGISTERS), () => ({ kind: "get" }));
    switch (prng.between(0, 9)) {
      case 0:
        return on(register, () => ({ kind: "set", value: value() }));
      case 1:
        return on(register, () => ({ kind: "setIfAbsent", value: value() }));
      case 2:
        return on(register, () => ({ kind: "getSet", value: value() }));
      case 3: {
        const kind = prng.chance(0.5) ? "delete" : "get";
        return on(register, () => ({ kind }));
      }
      case 4:
        return on(register, () => ({ kind: "get" }));
      case 5:
        return on("c0", () => ({ kind: "incrBy", by: 1 }));
      case 6:
        return () => this.#mortalTask();
      case 7: {
        const key = prng.pick(LISTS);
        return () => this.#listTask([{ kind: "read", key, elements: undefined }]);
      }
      default:
        return () => this.#listTask(this.#drawMicroOperations());
    }
  }

  #drawMicroOperations(): MicroOperation[] {
    const { prng } = this.#host;
    return Array.from({ length: prng.between(1, 3) }, () => {
      const key = prng.pick(LISTS);
      return prng.chance(0.6)
        ? { kind: "append", key, element: this.#histories.nextValue() }
        : { kind: "read", key, elements: undefined };
    });
  }

  #keyTask(key: string, input: KeyInput): Task {
    const callMs = this.#host.nowMs();
    const words = wordsOf(key, input);
    const reads = isRead(input);
    return {
      send: (lane, target) => {
        const request = Request.of(...words);
        if (reads) lane.read(0, request, target);
        else lane.write(0, request, target);
      },
      isOurs: (reply) => keyReplyFits(input, reply),
      ended: (reply, effect) => {
        if (effect === "notApplied" || (effect === "maybeApplied" && reads)) return;
        const known = effect === "ok";
        this.#histories.keys.push({
          key,
          process: this.#process,
          input,
          callMs,
          output: known ? reply as KeyOutput : undefined,
          returnMs: known ? this.#host.nowMs() : Infinity,
        });
      },
    };
  }

  #mortalTask(): Task {
    const { prng } = this.#host;
    const { mortals } = this.#histories;
    const names = [...mortals.keys()];
    const sets = names.length === 0 || prng.chance(0.3);
    const key = sets ? `m${this.#histories.nextValue()}` : prng.pick(names.slice(-3));
    const callMs = this.#host.nowMs();
    if (sets) mortals.set(key, []);
    const lifeMs = String(prng.between(1, 4) * Math.ceil(this.#host.thinkMs));
    const input: KeyInput = sets ? { kind: "set", value: key } : { kind: "get" };
    return {
      send: (lane, target) => {
        if (sets) lane.write(0, Request.of("SET", key, key, "PX", lifeMs), target);
        else lane.read(0, Request.of("GET", key), target);
      },
      isOurs: (reply) => sets ? reply === "OK" : reply === null || reply === key,
      ended: (reply, effect) => {
        if (effect === "notApplied" || (effect === "maybeApplied" && !sets)) return;
        const known = effect === "ok";
        mortals.get(key)!.push({
          process: this.#process,
          input,
          callMs,
          output: known ? reply as KeyOutput : undefined,
          returnMs: known ? this.#host.nowMs() : Infinity,
        });
      },
    };
  }

  #listTask(operations: readonly MicroOperation[]): Task {
    const callMs = this.#host.nowMs();
    const writes = operations.some(({ kind }) => kind === "append");
    const items: TransactionItem[] = operations.map((operation) => ({
      db: 0,
      request: operation.kind === "append"
        ? Request.of("APPEND", operation.key, `${operation.element},`)
        : Request.of("GET", operation.key),
    }));
    return {
      send: (lane, target) => lane.transaction(items, writes, target),
      isOurs: (reply) =>
        Array.isArray(reply) && reply.length === operations.length &&
        operations.every(({ kind }, at) => (kind === "append") === (typeof reply[at] === "number")),
      ended: (reply, effect) => {
        if (effect === "maybeApplied" && !writes) return;
        const seen = reply as readonly (string | number | null)[];
        this.#histories.transactions.push({
          operations: operations.map((operation, at) =>
            operation.kind === "append" || effect !== "ok"
              ? operation
              : { ...operation, elements: elementsOf(seen[at] as string | null) }
          ),
          callMs,
          returnMs: effect === "maybeApplied" ? Infinity : this.#host.nowMs(),
          outcome: effect === "ok" ? "ok" : effect === "notApplied" ? "failed" : "unknown",
        });
      },
    };
  }
}

const REGISTERS = ["r0", "r1", "c0"];
const LISTS = ["l0", "l1", "l2"];
/** Reads that `readAll` makes. */
export const FINAL_READS = REGISTERS.length + 1;

function elementsOf(text: string | null): number[] {
  return (text ?? "").split(",").filter((part) => part !== "").map(Number);
}

function wordsOf(key: string, input: KeyInput): string[] {
  switch (input.kind) {
    case "get":
      return ["GET", key];
    case "set":
      return ["SET", key, input.value];
    case "setIfAbsent":
      return ["SET", key, input.value, "NX"];
    case "getSet":
      return ["SET", key, input.value, "GET"];
    case "incrBy":
      return ["INCRBY", key, String(input.by)];
    case "delete":
      return ["DEL", key];
    case "append":
      return ["APPEND", key, input.value];
    case "compareAndSet":
      throw new Error("Redis has no such command");
  }
}

function keyReplyFits(input: KeyInput, reply: unknown): boolean {
  switch (input.kind) {
    case "set":
      return reply === "OK";
    case "setIfAbsent":
      return reply === "OK" || reply === null;
    case "get":
    case "getSet":
      return reply === null || /^(v\d+|\d+)$/.test(String(reply));
    default:
      return typeof reply === "number";
  }
}

function plainOf(reply: unknown): unknown {
  if (reply instanceof SimpleString) return reply.text;
  if (reply instanceof RespError) return `error ${reply.text}`;
  if (reply instanceof Uint8Array) return latin1FromBytes(reply);
  if (typeof reply === "bigint") return Number(reply);
  if (Array.isArray(reply)) return reply.map(plainOf);
  return reply;
}
