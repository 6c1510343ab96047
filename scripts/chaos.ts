/**
 * `deno task chaos`: real processes under faults, scenario after scenario, each with clients whose
 * history is checked. Needs root, `ip` and a C compiler; all networks and mounts are its own.
 *
 *   --minutes M   how long to go on (default 1). One minute or less: a fixed choice of short
 *                 scenarios, each once
 *   --seed N      decides the order and the scenarios' choices (default: from the time of day; it is
 *                 printed first)
 *   --only A,B    only these scenarios; without --minutes each once
 *   --long        the long form of each: more rounds, longer faults
 *   --list        the names and titles, and nothing else
 *
 * Exit codes: 0 everything was as expected, 1 a failure, with its seed and how to see it again, 2 the
 * command line or the machine does not allow a run.
 */

import { parseArgs } from "@std/cli/parse-args";
import { enterHub, leaveHub } from "../tests/chaos/hub.ts";
import { runScenarios, unknownNames } from "../tests/chaos/runner.ts";
import { scenarios } from "../tests/chaos/scenarios.ts";

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    boolean: ["long", "list"],
    string: ["seed", "minutes", "only", "hub"],
  });
  if (args.list) {
    for (const { name, title, quick } of scenarios) {
      console.log(`${name.padEnd(5)} ${quick ? "short run " : "          "} ${title}`);
    }
    return 0;
  }
  const only = args.only?.split(",") ?? [];
  const unknown = unknownNames(scenarios, only);
  const minutes = Number(args.minutes ?? 1);
  const seed = Number(args.seed ?? Math.floor(Date.now() / 1000) % 1_000_000);
  if (unknown.length > 0 || !(minutes > 0) || !Number.isSafeInteger(seed)) {
    console.error(
      unknown.length > 0
        ? `Cannot find ${unknown.join(", ")}: --list names all scenarios`
        : "Cannot run: --minutes takes a number above 0 and --seed an integer",
    );
    return 2;
  }
  if (args.hub === undefined) return await enterHub(import.meta.filename!, Deno.args);
  // An exit ends the nodes too; a process that a signal ends would leave them behind.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => Deno.exit(1));
  }
  console.log(`seed ${seed}, ${only.length > 0 ? only.join(", ") : `${minutes} minutes`}`);
  const { runs, failures } = await runScenarios(scenarios, {
    seed,
    budgetMs: minutes * 60_000,
    only,
    once: args.minutes === undefined || minutes <= 1,
    long: args.long,
    hub: args.hub,
    print: (line) => console.log(line),
  });
  console.log(`${runs} runs, ${failures} failed (seed ${seed})`);
  await leaveHub(args.hub);
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
