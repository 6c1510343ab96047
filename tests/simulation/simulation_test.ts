/**
 * A short run of the simulator: seeds that failed once, some that nobody has seen, and twice the
 * same. `deno task sim` goes on for as long as it is told; `--canaries` shows that it finds bugs.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { CANARIES, findCanary } from "./canaries.ts";
import { drawPlan } from "./plan.ts";
import { FAILED_SEEDS } from "./seeds.ts";
import { simulate } from "./simulation.ts";
import { runSwarm } from "./swarm.ts";

for (const failed of FAILED_SEEDS) {
  Deno.test(`simulation: seed ${failed.seed} holds: ${failed.showed}`, async () => {
    const { failure } = await simulate(drawPlan(failed.seed, failed));
    assertEquals(failure?.text, undefined);
  });
}

Deno.test("simulation: new seeds hold every invariant", async () => {
  const firstSeed = Date.now() % 1_000_000_000;
  console.log(`  first seed ${firstSeed}`);
  const tally = await runSwarm({
    firstSeed,
    step: 1,
    budgetMs: 5000,
    seedsMax: 200,
    thinkMs: undefined,
    twiceEvery: 10,
  });
  assertEquals(tally.failure, undefined);
  assert(tally.committed > 0, "nothing was committed");
});

Deno.test("simulation: the same seed gives the same trace, another seed another one", async () => {
  const one = await simulate(drawPlan(5));
  const again = await simulate(drawPlan(5));
  const other = await simulate(drawPlan(7));
  assertEquals(one.trace, again.trace);
  assert(one.trace !== other.trace);
});

for (const canary of CANARIES.filter(({ seeds }) => seeds <= 2)) {
  Deno.test(`simulation: finds that ${canary.name}`, async () => {
    assert(await findCanary(canary) !== undefined, `not found in ${canary.seeds} seeds`);
  });
}
