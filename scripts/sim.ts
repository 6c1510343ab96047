/**
 * `deno task sim`: whole nodes under faults in virtual time, seed after seed, in one process a core.
 *
 *   --seed N       the first seed (default: drawn at random; it is printed first)
 *   --minutes M    how long to go on (default 1)
 *   --seeds N      end after so many seeds, if that is sooner
 *   --replay       only that seed, twice, with what happened last
 *   --think-ms T   the mean time that a client waits between two operations (default: drawn)
 *   --canaries     plant known bugs instead: each must be found
 *   --jobs J       processes (default: one a core)
 *
 * Exit codes: 0 all invariants held, 1 a failure, with its seed and how to see it again.
 */

import { parseArgs } from "@std/cli/parse-args";
import { denoPlatform } from "../src/platform/deno/mod.ts";
import { findCanaries } from "../tests/simulation/canaries.ts";
import { reachable } from "../tests/simulation/coverage.ts";
import { FIRED } from "../tests/simulation/faults.ts";
import { drawPlan } from "../tests/simulation/plan.ts";
import { simulate } from "../tests/simulation/simulation.ts";
import {
  addTally,
  emptyTally,
  report,
  runSwarm,
  type Speed,
  type Tally,
} from "../tests/simulation/swarm.ts";

const RESULT = "tally ";
const AT_SEED = "at seed ";
/** A seed takes seconds: one that takes so long will never end. */
const SEED_MS_MAX = 300_000;

const platform = denoPlatform();

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly seeds: number;
  readonly thinkMs: number | undefined;
  readonly jobs: number;
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    boolean: ["replay", "canaries"],
    string: ["seed", "minutes", "seeds", "think-ms", "jobs", "worker"],
  });
  const options: Options = {
    seed: Number(args.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000_000),
    minutes: Number(args.minutes ?? 1),
    seeds: Number(args.seeds ?? Infinity),
    thinkMs: args["think-ms"] === undefined ? undefined : Number(args["think-ms"]),
    jobs: Number(args.jobs ?? navigator.hardwareConcurrency),
  };
  if (args.canaries) return await findCanaries((line) => console.log(line)) ? 0 : 1;
  if (args.replay) return await replay(options);
  if (args.worker !== undefined) return await work(options, Number(args.worker));
  console.log(`seed ${options.seed}, ${options.jobs} processes, ${options.minutes} minutes`);
  const tallies = await Promise.all(
    Array.from({ length: options.jobs }, (_, job) => startWorker(options, job)),
  );
  const total = emptyTally();
  for (const tally of tallies) addTally(total, tally);
  printSummary(total);
  return total.failure === undefined ? 0 : 1;
}

async function replay({ seed, thinkMs }: Options): Promise<number> {
  const first = await simulate(drawPlan(seed, { thinkMs }));
  const second = await simulate(drawPlan(seed, { thinkMs }));
  console.log(`seed ${seed}: trace ${first.trace}, again ${second.trace}`);
  if (first.failure !== undefined) console.log(report(first, { thinkMs }));
  return first.failure === undefined && first.trace === second.trace ? 0 : 1;
}

async function work(
  { seed, minutes, seeds, thinkMs, jobs }: Options,
  job: number,
): Promise<number> {
  const tally = await runSwarm({
    firstSeed: seed + job,
    step: jobs,
    budgetMs: minutes * 60_000,
    seedsMax: Math.ceil(seeds / jobs),
    thinkMs,
    twiceEvery: 100,
    onSeed: (next) => console.log(AT_SEED + next),
  });
  console.log(RESULT + JSON.stringify(tally));
  return 0;
}

/** A failure is printed at once: other processes go on and may find more. */
async function startWorker(options: Options, job: number): Promise<Tally> {
  const own = ["--seed", options.seed, "--minutes", options.minutes, "--jobs", options.jobs];
  if (options.seeds !== Infinity) own.push("--seeds", options.seeds);
  if (options.thinkMs !== undefined) own.push("--think-ms", options.thinkMs);
  const command = [Deno.execPath(), "run", "-A", import.meta.filename!, ...own, "--worker", job];
  let tally = emptyTally();
  const text: string[] = [];
  const at = { seed: "none", sinceMs: performance.now() };
  const child = platform.process.spawn(command.map(String), (line) => {
    if (line.startsWith(RESULT)) tally = JSON.parse(line.slice(RESULT.length));
    else if (!line.startsWith(AT_SEED)) text.push(line);
    else Object.assign(at, { seed: line.slice(AT_SEED.length), sinceMs: performance.now() });
  });
  const watch = setInterval(() => {
    if (performance.now() - at.sinceMs < SEED_MS_MAX) return;
    text.push(`it was on this seed for ${SEED_MS_MAX / 1000} seconds`);
    child.kill("SIGKILL");
  }, 1000);
  const code = await child.exited;
  clearInterval(watch);
  if (code !== 0) tally.failure = `process ${job} ended at seed ${at.seed}: ${text.join("\n")}`;
  if (tally.failure !== undefined) console.log(tally.failure);
  return tally;
}

function printSummary(tally: Tally): void {
  console.log(
    `${tally.seeds} seeds, ${Math.round(tally.simulatedMs / 1000)} simulated seconds, ` +
      `${rate(tally)} a second and process, ${tally.committed} entries committed`,
  );
  printThreeNodes(tally);
  print("faults and answers", tally.counts);
  print("reached", tally.coverage);
  const parts = Object.entries(tally.deadlineParts)
    .map(([name, part]) => [name, `${Math.round(100 * part)} %`]);
  print("most that was needed of a deadline", Object.fromEntries(parts));
  const silent = FIRED.filter((kind) => !(kind in tally.counts));
  console.log(`faults that never fired: ${silent.join(", ") || "none"}`);
  const unreached = reachable().filter((name) => !(name in tally.coverage));
  console.log(`never reached:${unreached.map((name) => `\n  ${name}`).join("") || " nothing"}`);
  if (tally.failure !== undefined) console.log("FAILED: see above");
}

function printThreeNodes({ threeNodes }: Tally): void {
  const all = { simulatedMs: 0, realMs: 0 };
  for (const { simulatedMs, realMs } of Object.values(threeNodes)) {
    all.simulatedMs += simulatedMs;
    all.realMs += realMs;
  }
  const rates = Object.entries(threeNodes).sort().map(([name, speed]) => `${name}: ${rate(speed)}`);
  console.log(`simulated seconds a second with three nodes: ${rate(all)} (${rates.join("; ")})`);
}

function rate({ simulatedMs, realMs }: Speed): number {
  return realMs === 0 ? 0 : Math.round(simulatedMs / realMs);
}

function print(title: string, values: Record<string, number | string>): void {
  const texts = Object.entries(values).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, value]) => `${name} ${value}`);
  console.log(`${title}: ${texts.join(", ")}`);
}

if (import.meta.main) Deno.exit(await main());
