import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { runScenarios, unknownNames } from "./runner.ts";
import type { Scenario } from "./scenario.ts";

function scenario(name: string, options: Partial<Scenario> & { log?: string[] } = {}): Scenario {
  const run = (context: { seed: number }) => {
    options.log?.push(`${name} ${context.seed}`);
    return Promise.resolve();
  };
  return { name, title: `title of ${name}`, run, ...options };
}

const options = { seed: 7, budgetMs: 60_000, only: [], once: true, long: false, hub: "" };

Deno.test("a short run takes the quick scenarios once each and names the rest", async () => {
  const log: string[] = [];
  const lines: string[] = [];
  const table = [
    scenario("A", { quick: true, log }),
    scenario("B", { log }),
    scenario("C", { quick: true, log }),
  ];
  const report = await runScenarios(table, { ...options, print: (line) => lines.push(line) });
  assertEquals(report, { runs: 2, failures: 0 });
  assertEquals(log.map((entry) => entry[0]).sort(), ["A", "C"]);
  assertEquals(lines[0], "left out: B");
});

Deno.test("the same seed gives the same order and the same seeds", async () => {
  const orders: string[][] = [[], []];
  for (const log of orders) {
    const table = Array.from("ABCDEFGH", (name) => scenario(name, { quick: true, log }));
    await runScenarios(table, { ...options, print() {} });
  }
  assertEquals(orders[0], orders[1]);
  assertEquals(orders[0].length, 8);
});

Deno.test("a failure is counted, told with its seed, and can be run again alone with it", async () => {
  const lines: string[] = [];
  const seeds: number[] = [];
  const failing = scenario("A", {
    quick: true,
    run({ seed }) {
      seeds.push(seed);
      return Promise.reject(new Error("not as expected"));
    },
  });
  const print = (line: string) => lines.push(line);
  const report = await runScenarios([failing], { ...options, print });
  assertEquals(report, { runs: 1, failures: 1 });
  assertStringIncludes(lines.join("\n"), "not as expected");
  assertStringIncludes(lines.at(-1)!, `deno task chaos --only A --seed ${seeds[0]}`);
  await runScenarios([failing], { ...options, seed: seeds[0], only: ["A"], print });
  assertEquals(seeds[1], seeds[0]);
});

Deno.test("what fails unnoticed while a scenario runs is its failure, and the run goes on", async () => {
  const lines: string[] = [];
  const careless = scenario("A", {
    quick: true,
    async run() {
      Promise.reject(new Error("nobody waits for this"));
      await Promise.resolve();
    },
  });
  const table = [careless, scenario("B", { quick: true })];
  const report = await runScenarios(table, { ...options, print: (line) => lines.push(line) });
  assertEquals(report, { runs: 2, failures: 1 });
  assertStringIncludes(lines.join("\n"), "nobody waits for this");
});

Deno.test("names that no scenario has are found", () => {
  assertEquals(unknownNames([scenario("A")], ["A", "X"]), ["X"]);
});
