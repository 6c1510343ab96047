/** Runs seeds one after the other until the time is over, and adds up what they did. */

import { takeCoverage, watchCoverage } from "./coverage.ts";
import { describePlan, drawPlan, type Plan } from "./plan.ts";
import { type Outcome, simulate } from "./simulation.ts";

export interface Speed {
  simulatedMs: number;
  realMs: number;
}

export interface Tally {
  seeds: number;
  simulatedMs: number;
  realMs: number;
  committed: number;
  counts: Record<string, number>;
  /** Roles, reasons and rules, as `coverage.ts` names them. */
  coverage: Record<string, number>;
  /** The largest part of each deadline that was needed. */
  deadlineParts: Record<string, number>;
  /** Speed of the runs with three nodes, by preset and by how long clients wait. */
  threeNodes: Record<string, Speed>;
  /** What to print of the first failure. */
  failure: string | undefined;
}

export function emptyTally(): Tally {
  return {
    seeds: 0,
    simulatedMs: 0,
    realMs: 0,
    committed: 0,
    counts: {},
    coverage: {},
    deadlineParts: {},
    threeNodes: {},
    failure: undefined,
  };
}

export function addTally(into: Tally, from: Tally): void {
  into.seeds += from.seeds;
  into.simulatedMs += from.simulatedMs;
  into.realMs += from.realMs;
  into.committed += from.committed;
  addCounts(into.counts, from.counts);
  addCounts(into.coverage, from.coverage);
  for (const [name, part] of Object.entries(from.deadlineParts)) {
    into.deadlineParts[name] = Math.max(part, into.deadlineParts[name] ?? 0);
  }
  for (const [name, { simulatedMs, realMs }] of Object.entries(from.threeNodes)) {
    const speed = into.threeNodes[name] ??= { simulatedMs: 0, realMs: 0 };
    speed.simulatedMs += simulatedMs;
    speed.realMs += realMs;
  }
  into.failure ??= from.failure;
}

function addCounts(into: Record<string, number>, from: Record<string, number>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}

export interface SwarmOptions {
  readonly firstSeed: number;
  /** From one seed to the next. */
  readonly step: number;
  readonly budgetMs: number;
  readonly seedsMax: number;
  readonly thinkMs: number | undefined;
  /** Every so many seeds one is run twice: the traces must be equal. */
  readonly twiceEvery: number;
  /** A seed begins. */
  readonly onSeed?: (seed: number) => void;
}

/** Stops at the first failure. */
export async function runSwarm(options: SwarmOptions): Promise<Tally> {
  const tally = emptyTally();
  const startMs = performance.now();
  let seed = options.firstSeed;
  watchCoverage();
  takeCoverage();
  do {
    options.onSeed?.(seed);
    const plan = drawPlan(seed, options);
    const fromMs = performance.now();
    const outcome = await simulate(plan);
    add(tally, outcome, plan, performance.now() - fromMs);
    if (outcome.failure === undefined && tally.seeds % options.twiceEvery === 0) {
      const again = await simulate(drawPlan(seed, options));
      if (again.trace !== outcome.trace) {
        const text = `two runs differ: ${outcome.trace} and ${again.trace}`;
        tally.failure = report({ ...again, failure: { invariant: "determinism", text } }, options);
      }
    } else if (outcome.failure !== undefined) tally.failure = report(outcome, options);
    seed += options.step;
  } while (
    tally.failure === undefined && tally.seeds < options.seedsMax &&
    performance.now() - startMs < options.budgetMs
  );
  tally.realMs = performance.now() - startMs;
  tally.coverage = takeCoverage();
  return tally;
}

function add(tally: Tally, outcome: Outcome, plan: Plan, realMs: number): void {
  const { simulatedMs } = outcome;
  const name = `${plan.timing}, a client waits ${plan.thinkMs} ms`;
  addTally(tally, {
    ...emptyTally(),
    seeds: 1,
    simulatedMs,
    committed: outcome.committed,
    counts: Object.fromEntries(outcome.counts),
    deadlineParts: Object.fromEntries(outcome.deadlineParts),
    threeNodes: plan.size === 3 ? { [name]: { simulatedMs, realMs } } : {},
  });
}

/** Everything that is needed to see the failure again. */
export function report(outcome: Outcome, { thinkMs }: { readonly thinkMs: number | undefined }) {
  const replay = `deno task sim --seed ${outcome.seed} --replay` +
    (thinkMs === undefined ? "" : ` --think-ms ${thinkMs}`);
  return [
    `seed ${outcome.seed}: ${outcome.failure!.text}`,
    `  ${describePlan(drawPlan(outcome.seed, { thinkMs }))}`,
    "  last events: ms, what, kind, from or node, to, term, index",
    ...outcome.lastEvents.map((line) => `    ${line}`),
    `  again: ${replay}`,
  ].join("\n");
}
