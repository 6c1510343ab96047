import { parseCsv, type RunResult } from "../../scripts/bench/redis_benchmark.ts";
import { describeReport, missedTargets, type Report } from "../../scripts/bench/report.ts";
import { type Row, rowResult, rows } from "../../scripts/bench/rows.ts";
import { median, spread } from "../../scripts/bench/statistics.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../support/assert.ts";

const csv = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",` +
  `"p99_latency_ms","max_latency_ms"\n"SET","49800.80","0.7","0.1","0.862","1.3","2.471","9.2"\n`;

function runs(...perSecond: number[]): RunResult[] {
  return perSecond.map((requestsPerSecond) => ({
    requestsPerSecond,
    p50Ms: 1000 / requestsPerSecond,
    p99Ms: 1,
    requests: 100,
  }));
}

function rowNamed(name: string): Row {
  return rows.find((row) => row.name === name)!;
}

Deno.test("bench reads the figures of redis-benchmark by their names", () => {
  assertEquals(parseCsv(csv, "SET"), { requestsPerSecond: 49800.8, p50Ms: 0.862, p99Ms: 2.471 });
  assertThrows(() => parseCsv(csv, "GET"), Error, "Cannot read rps of GET");
  assertThrows(() => parseCsv("", "SET"), Error, "Cannot read rps of SET");
});

Deno.test("bench takes medians and the spread of pairs", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(spread([2, 9, 4]), { low: 2, high: 9 });
  const row = rowResult(rowNamed("SET, 50 clients"), runs(30, 60, 90), runs(100, 100, 200));
  assertEquals(row.ratio, 0.6);
  assertEquals(row.ratioSpread, { low: 0.3, high: 0.6 });
  assertEquals(row.reached, true);
});

Deno.test("bench compares one client by its p50, where less is better", () => {
  const row = rowNamed("SET, 1 client");
  assertEquals(rowResult(row, runs(500), runs(1000)).reached, true);
  assertEquals(rowResult(row, runs(400), runs(1000)).reached, false);
  assertEquals(rowResult(row, runs(400), runs(1000)).ratio, 2.5);
});

Deno.test("bench names missed targets, missing peers and how it measured", () => {
  const report: Report = {
    measuredAt: "2030-01-01T00:00:00Z",
    form: "short",
    machine: { cores: 2 },
    versions: {},
    settings: { Logboat: "three nodes" },
    method: "in turn",
    missing: ["etcd: not installed"],
    rows: [
      rowResult(rowNamed("SET, 50 clients"), runs(10), runs(100)),
      rowResult(rowNamed("GET, 50 clients"), runs(90), runs(100)),
      rowResult(rowNamed("GET, 1 client"), runs(1), runs(100)),
    ],
    memory: undefined,
    idle: undefined,
  };
  assertEquals(missedTargets(report), ["SET, 50 clients"]);
  const text = describeReport(report, { subject: "Logboat", peer: "Redis" });
  assertStringIncludes(text, "not measured: etcd: not installed");
  assertStringIncludes(text, "MISSED");
  assertStringIncludes(text, "method: in turn");
});
