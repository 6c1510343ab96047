/**
 * A recorded history of operations on keys, and the check of it: each key is one object, so the
 * whole is linearizable exactly when each key is (Herlihy and Wing 1990, §3.3).
 */

import { isRead, type KeyInput, keyModel, type KeyOutput } from "./key_model.ts";
import { checkObject, type Operation, type Verdict } from "./linearizability.ts";

export interface KeyOperation extends Operation<KeyInput, KeyOutput> {
  readonly key: string;
}

/** Records operations while they run. One clock for all clients: this process's. */
export class History {
  readonly operations: KeyOperation[] = [];
  readonly #open = new Set<OpenOperation>();
  #nextProcess = 0;

  /** A number for a client; one that met an unknown outcome goes on under a new number. */
  newProcess(): number {
    return this.#nextProcess++;
  }

  /** Before the first byte is sent. */
  call(process: number, key: string, input: KeyInput): OpenOperation {
    const open = { process, key, input, callMs: performance.now() };
    this.#open.add(open);
    return open;
  }

  /** After the whole reply has arrived. */
  returned(open: OpenOperation, output: KeyOutput): void {
    if (!this.#open.delete(open)) throw new Error("Cannot end an operation twice");
    this.operations.push({ ...open, output, returnMs: performance.now() });
  }

  /** The reply says that the operation had no effect and never will. */
  failed(open: OpenOperation): void {
    if (!this.#open.delete(open)) throw new Error("Cannot end an operation twice");
  }

  /** No reply: it may have happened, may yet happen, or never. A read then says nothing at all. */
  unknown(open: OpenOperation): void {
    if (!this.#open.delete(open)) throw new Error("Cannot end an operation twice");
    if (isRead(open.input)) return;
    this.operations.push({ ...open, output: undefined, returnMs: Infinity });
  }

  /** Operations that no `returned`, `failed` or `unknown` has ended. */
  get openCount(): number {
    return this.#open.size;
  }
}

export interface OpenOperation {
  readonly process: number;
  readonly key: string;
  readonly input: KeyInput;
  readonly callMs: number;
}

export interface HistoryReport {
  readonly operations: number;
  readonly keys: number;
  readonly unknownOutcomes: number;
  readonly elapsedMs: number;
  /** Undefined when every key is linearizable; else what to print. */
  readonly problem: string | undefined;
}

/** Checks every key; a key that cannot be decided within the budget is a problem, not a success. */
export function checkHistory(
  operations: readonly KeyOperation[],
  options: { readonly budgetMs: number },
): HistoryReport {
  const startMs = performance.now();
  const byKey = Map.groupBy(operations, (operation) => operation.key);
  let problem: string | undefined;
  for (const [key, ofKey] of byKey) {
    const leftMs = options.budgetMs - (performance.now() - startMs);
    const verdict = checkObject(keyModel, ofKey, {
      budgetMs: Math.max(leftMs, 0),
      nowMs: () => performance.now(),
    });
    if (verdict.kind === "linearizable") continue;
    problem = describeVerdict(key, ofKey, verdict);
    break;
  }
  return {
    operations: operations.length,
    keys: byKey.size,
    unknownOutcomes: operations.filter((operation) => operation.output === undefined).length,
    elapsedMs: performance.now() - startMs,
    problem,
  };
}

/** The end of the longest legal order and the operations around the place where it got stuck. */
function describeVerdict(
  key: string,
  operations: readonly KeyOperation[],
  verdict: Verdict,
): string {
  if (verdict.kind === "linearizable") return `Key ${key} is linearizable`;
  if (verdict.kind === "unknown") return `Key ${key} is undecided. ${verdict.reason}`;
  const stuck = operations[verdict.stuck];
  const near = operations.filter((operation) =>
    operation.callMs <= stuck.returnMs && operation.returnMs >= stuck.callMs
  );
  const show = (operation: KeyOperation) => `    ${describeOperation(operation)}`;
  return [
    `Key ${key} is not linearizable: no legal order goes beyond ${verdict.order.length} of ` +
    `${operations.length} operations.`,
    "  The last of that order:",
    ...verdict.order.slice(-8).map((index) => show(operations[index])),
    "  No place for:",
    show(stuck),
    "  At the same time:",
    ...near.slice(0, 24).map(show),
  ].join("\n");
}

function describeOperation(operation: KeyOperation): string {
  const { process, callMs, returnMs, input, output } = operation;
  const until = returnMs === Infinity ? "…" : returnMs.toFixed(3);
  const answer = output === undefined ? "unknown" : JSON.stringify(output);
  const argument = "value" in input ? ` ${input.value}` : "by" in input ? ` ${input.by}` : "";
  return `[${callMs.toFixed(3)}, ${until}] p${process} ${input.kind}${argument} -> ${answer}`
    .slice(0, 240);
}
