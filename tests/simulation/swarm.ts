/** Runs seeds one after the other until the time is over, and adds up what they did. */

import { describePlan, drawPlan } from "./plan.ts";
import { type Outcome, simulate } from "./simulation.ts";

export interface Tally {
  seeds: number;
  simulatedMs: number;
  realMs: number;
  committed: number;
  counts: Record<string, number>;
  transitions: Record<string, number>;
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
    transitions: {},
    failure: undefined,
  };
}

export function addTally(into: Tally, from: Tally): void {
  into.seeds += from.seeds;
  into.simulatedMs += from.simulatedMs;
  into.realMs += from.realMs;
  into.committed += from.committed;
  for (const [name, count] of Object.entries(from.counts)) {
    into.counts[name] = (into.counts[name] ?? 0) + count;
  }
  for (const [name, count] of Object.entries(from.transitions)) {
    into.transitions[name] = (into.transitions[name] ?? 0) + count;
  }
  into.failure ??= from.failure;
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
}

/** Stops at the first failure. */
export async function runSwarm(options: SwarmOptions): Promise<Tally> {
  const tally = emptyTally();
  const startMs = performance.now();
  let seed = options.firstSeed;
  do {
    const outcome = await simulate(drawPlan(seed, options.thinkMs));
    add(tally, outcome);
    if (outcome.failure === undefined && tally.seeds % options.twiceEvery === 0) {
      const again = await simulate(drawPlan(seed, options.thinkMs));
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
  return tally;
}

function add(tally: Tally, outcome: Outcome): void {
  addTally(tally, {
    ...emptyTally(),
    seeds: 1,
    simulatedMs: outcome.simulatedMs,
    committed: outcome.committed,
    counts: Object.fromEntries(outcome.counts),
    transitions: Object.fromEntries(outcome.transitions),
  });
}

/** Everything that is needed to see the failure again. */
export function report(outcome: Outcome, { thinkMs }: { readonly thinkMs: number | undefined }) {
  const replay = `deno task sim --seed ${outcome.seed} --replay` +
    (thinkMs === undefined ? "" : ` --think-ms ${thinkMs}`);
  return [
    `seed ${outcome.seed}: ${outcome.failure!.text}`,
    `  ${describePlan(drawPlan(outcome.seed, thinkMs))}`,
    "  last events: ms, what, kind, from or node, to, term, index",
    ...outcome.lastEvents.map((line) => `    ${line}`),
    `  again: ${replay}`,
  ].join("\n");
}
