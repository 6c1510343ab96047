/** Runs scenarios one after the other, in an order that the seed decides, until the time is up. */

import { Prng } from "../../src/base/mod.ts";
import type { Scenario } from "./scenario.ts";
import { shuffled } from "./shuffled.ts";

export interface RunOptions {
  readonly seed: number;
  readonly budgetMs: number;
  /** Names of scenarios; none: all, or, with `once`, those of the short run. */
  readonly only: readonly string[];
  /** Each chosen scenario once, however long they take. */
  readonly once: boolean;
  /** The long form of each. */
  readonly long: boolean;
  readonly hub: string;
  readonly print: (line: string) => void;
}

export interface RunReport {
  readonly runs: number;
  readonly failures: number;
}

/** Names that no scenario has. */
export function unknownNames(scenarios: readonly Scenario[], only: readonly string[]): string[] {
  return only.filter((name) => !scenarios.some((scenario) => scenario.name === name));
}

export async function runScenarios(
  scenarios: readonly Scenario[],
  options: RunOptions,
): Promise<RunReport> {
  const { print, only, once, long, hub } = options;
  const chosen = scenarios.filter((scenario) =>
    only.length > 0 ? only.includes(scenario.name) : !once || scenario.quick
  );
  const left = scenarios.filter((scenario) => !chosen.includes(scenario));
  if (left.length > 0) print(`left out: ${left.map(({ name }) => name).join(", ")}`);
  const random = new Prng(options.seed);
  const startMs = performance.now();
  const done = new Set<string>();
  let runs = 0;
  let failures = 0;
  for (let round = 0;; round++) {
    for (const scenario of shuffled(chosen, random)) {
      const spentMs = performance.now() - startMs;
      if (once ? round > 0 : spentMs >= options.budgetMs) {
        const missing = chosen.filter(({ name }) => !done.has(name)).map(({ name }) => name);
        if (missing.length > 0) print(`no time for: ${missing.join(", ")}`);
        return { runs, failures };
      }
      const seed = only.length === 1 && runs === 0 ? options.seed : random.u32();
      if (!await runOne(scenario, { seed, long, hub, print })) failures++;
      done.add(scenario.name);
      runs++;
    }
  }
}

interface OneRun {
  readonly seed: number;
  readonly long: boolean;
  readonly hub: string;
  readonly print: (line: string) => void;
}

async function runOne(scenario: Scenario, { seed, long, hub, print }: OneRun): Promise<boolean> {
  const { name, title } = scenario;
  const startMs = performance.now();
  const seconds = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
  const notes: string[] = [];
  const context = { seed, long, hub, random: new Prng(seed), note: (s: string) => notes.push(s) };
  try {
    await nothingUnhandled(() => scenario.run(context));
    print(`ok      ${name} (${seconds()}, seed ${seed}): ${title}`);
    for (const note of notes) print(`        ${note}`);
    return true;
  } catch (error) {
    print(`FAILED  ${name} (${seconds()}, seed ${seed}): ${title}`);
    for (const note of notes) print(`        ${note}`);
    print(error instanceof Error ? error.message : String(error));
    print(`Again: deno task chaos --only ${name} --seed ${seed}${long ? " --long" : ""}`);
    return false;
  }
}

/** What fails where the scenario does not wait for it is its failure too, not the end of the run. */
async function nothingUnhandled(run: () => Promise<void>): Promise<void> {
  const reasons: unknown[] = [];
  const keep = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    reasons.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", keep);
  try {
    await run();
    // The event comes after the jobs that are due now.
    await new Promise((resolve) => setTimeout(resolve));
  } finally {
    globalThis.removeEventListener("unhandledrejection", keep);
  }
  if (reasons.length > 0) throw reasons[0];
}
