import type { OperationsResult, Window } from "../../scripts/bench/operations.ts";
import { paceMs } from "../../scripts/bench/machine_pace.ts";
import {
  addedPausesMs,
  describeOperations,
  missedAims,
} from "../../scripts/bench/operations_report.ts";
import { quantile } from "../../scripts/bench/statistics.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../support/assert.ts";

function windowOf(loopMaxMs: number, commandsPerSecond = 20_000): Window {
  const latencies = { p50Ms: 1, p99Ms: 2, maxMs: 3, loopP99Ms: 1, longPauses: 2 };
  return { seconds: 2, commandsPerSecond, ...latencies, loopMaxMs };
}

function resultOf(pausesMs: readonly number[], readyMs: number, rate: number): OperationsResult {
  return {
    snapshots: pausesMs.map((ms) => ({
      quiet: windowOf(5),
      snapshot: windowOf(5 + ms),
      paceMs: 100,
    })),
    restarts: [{ logEntries: 10, readyMs, firstReadMs: readyMs, paceMs: 100 }],
    join: {
      voterMs: 1000,
      caughtUpMs: 2000,
      lagEntriesMax: 0,
      before: windowOf(5),
      during: windowOf(5, rate),
      after: windowOf(5),
      keysChecked: 1,
    },
  };
}

Deno.test("bench takes quantiles, the last of which is the greatest value", () => {
  assertEquals(quantile([3, 1, 2, 4], 0.5), 3);
  assertEquals(quantile([3, 1, 2, 4], 1), 4);
  assertEquals(quantile([7], 0), 7);
  assertThrows(() => quantile([], 0.5), Error, "Cannot take a quantile of nothing");
});

Deno.test("bench measures the machine's pace as time of a core", () => {
  const pace = paceMs();
  assert(pace > 1 && pace < 60_000, `${pace} ms`);
});

Deno.test("bench judges operations by the median pause, the slowest restart, the least rate", () => {
  assertEquals(addedPausesMs(resultOf([1, 30], 1, 1).snapshots), [1, 30]);
  assertEquals(missedAims(resultOf([1, 19, 30], 4999, 19_700)), []);
  assertEquals(missedAims(resultOf([1, 21, 30], 4999, 19_700)).length, 1);
  assertEquals(missedAims(resultOf([1, 19, 30], 5001, 19_700)).length, 2);
  assertEquals(missedAims(resultOf([1, 19, 30], 4999, 19_000)).length, 1);
  const text = describeOperations(resultOf([21], 1, 20_000));
  assertStringIncludes(text, "MISSED");
  // Two in each window of two seconds.
  assertStringIncludes(text, "60 (2) → 60 (2)");
});
