/**
 * `deno task bench`: Logboat on three nodes beside redis-server on one, both syncing every write, with
 * `redis-benchmark` as the client of both, in turn on the same machine. Only the ratios mean
 * anything: machines differ and are shared.
 *
 *   --short        about a minute: fewer and shorter runs, no memory row
 *   --only TEXT    only rows whose name begins with TEXT, for example SET or "GET, 50 clients"
 *   --json FILE    where the figures go (default: bench-results/latest.json or operations.json)
 *   --strict       fail when a target is missed
 *   --operations   instead of the comparison: a snapshot under load, a restart after SIGKILL and a
 *                  wiped node that joins again, with a million keys; about two minutes
 *   --noise        redis-server against a second redis-server: how far from 1 chance alone goes
 *
 * Exit codes: 0 measured, 1 a run failed, 2 wrong usage, 3 a target was missed (`--strict`).
 */

import { type IdleResult, measureIdle, measureMemory, type MemoryResult } from "./bench/memory.ts";
import { measureOperations } from "./bench/operations.ts";
import { describeMethod, describeOperations, missedAims } from "./bench/operations_report.ts";
import { type Peer, startLogboat, startRedis, versionOf } from "./bench/peers.ts";
import { randomKeys, runLoad, valueBytes } from "./bench/redis_benchmark.ts";
import { describeReport, missedTargets, type Report } from "./bench/report.ts";
import { followerRows, measureRow, type RowResult, rows } from "./bench/rows.ts";
import { executablePath } from "./bench/support.ts";

interface Options {
  readonly short: boolean;
  readonly only: string;
  readonly json: string;
  readonly strict: boolean;
  readonly noise: boolean;
  readonly operations: boolean;
}

const resultsDirectory = new URL("../bench-results/", import.meta.url).pathname;
const memoryKeys = 1_000_000;
/** Enough random writes that nearly every one of the keys exists before reads are measured. */
const preloadRequests = 4 * randomKeys;

function readOptions(args: readonly string[]): Options | string {
  const values: Record<string, string> = { only: "", json: "" };
  const switches = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i].replace(/^--/, "");
    if (["short", "strict", "noise", "operations"].includes(name)) switches.add(name);
    else if (["only", "json"].includes(name) && i + 1 < args.length) values[name] = args[++i];
    else {return `Cannot read the option ${args[i]}: expected --short, --only TEXT, --json FILE, ` +
        "--strict, --operations or --noise";}
  }
  const isCompared = ["short", "noise"].some((name) => switches.has(name)) || values.only !== "";
  if (switches.has("operations") && isCompared) {
    return "Cannot use --operations with --short, --noise or --only: those are of the comparison";
  }
  const file = switches.has("operations") ? "operations" : "latest";
  return {
    short: switches.has("short"),
    strict: switches.has("strict"),
    noise: switches.has("noise"),
    only: values.only,
    operations: switches.has("operations"),
    json: values.json || `${resultsDirectory}${file}.json`,
  };
}

/** A new directory for a server's data; all are on the same disk. */
async function dataDirectory(): Promise<string> {
  await Deno.mkdir(resultsDirectory, { recursive: true });
  return await Deno.makeTempDir({ dir: resultsDirectory, prefix: "data-" });
}

/** Starts both sides, runs `body`, and ends both whatever happens. */
async function withPeers<T>(
  options: Options,
  body: (subject: Peer, peer: Peer) => Promise<T>,
): Promise<T> {
  const subject = options.noise
    ? await startRedis(await dataDirectory(), "Redis A")
    : await startLogboat(await dataDirectory());
  try {
    const peer = await startRedis(await dataDirectory(), options.noise ? "Redis B" : "Redis");
    try {
      return await body(subject, peer);
    } finally {
      await peer.close();
    }
  } finally {
    await subject.close();
  }
}

async function measureRows(options: Options): Promise<{
  results: RowResult[];
  settings: Record<string, string>;
  idle: IdleResult | undefined;
}> {
  const all = options.short || options.noise ? rows : [...rows, ...followerRows];
  const chosen = all.filter((row) => row.name.startsWith(options.only));
  return await withPeers(options, async (subject, peer) => {
    // The subject has just started and nobody has asked it anything.
    const idle = options.short || options.only !== "" ? undefined : await measureIdle(subject, 10);
    for (const { port } of chosen.length > 0 ? [subject, peer] : []) {
      await runLoad(port, { command: "SET", clients: 50, pipeline: 16 }, preloadRequests);
    }
    const results: RowResult[] = [];
    for (const row of chosen) {
      console.error(`measuring ${row.name}`);
      results.push(await measureRow(row, subject, peer, runsOf(options)));
    }
    const settings = { [subject.name]: subject.settings, [peer.name]: peer.settings };
    return { results, settings, idle };
  });
}

function runsOf(options: Options): { rounds: number; secondsPerRun: number } {
  return options.short ? { rounds: 3, secondsPerRun: 0.7 } : { rounds: 5, secondsPerRun: 3 };
}

/** Both sides anew and empty. */
async function measureMemoryOfBoth(
  options: Options,
): Promise<{ subject: MemoryResult; peer: MemoryResult }> {
  return await withPeers(options, async (subject, peer) => {
    console.error(`measuring resident memory with ${memoryKeys} keys`);
    return {
      subject: await measureMemory(subject, memoryKeys),
      peer: await measureMemory(peer, memoryKeys),
    };
  });
}

async function machine(): Promise<Record<string, string | number>> {
  const cpuInfo = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return {
    cores: navigator.hardwareConcurrency,
    processor: /^model name\s*:\s*(.*)$/m.exec(cpuInfo)?.[1] ?? Deno.build.arch,
    "memory, GB": Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
  };
}

/** Peers of the design that cannot be measured here; never left out silently. */
async function missingPeers(): Promise<string[]> {
  const etcd = await versionOf("etcd");
  return [
    etcd === undefined
      ? "etcd: not installed"
      : `etcd (${etcd}): it does not speak the Redis protocol, so redis-benchmark cannot load it`,
    "RedisRaft: not packaged; it has to be built and loaded into a redis-server by hand",
  ];
}

async function runOperations(options: Options): Promise<number> {
  const loadBefore = Deno.loadavg()[0].toFixed(1);
  const result = await measureOperations(await dataDirectory());
  const about = {
    measuredAt: new Date().toISOString(),
    machine: { ...await machine(), loadBefore },
  };
  const method = `${describeMethod()}; run from ${executablePath() ? "the executable" : "source"}`;
  const lines = Object.entries(about.machine).map(([key, value]) => `  ${key}: ${value}`);
  console.log(["Operations of Logboat", "", ...lines, `  method: ${method}`, ""].join("\n"));
  console.log(describeOperations(result));
  await writeFigures(options, { ...about, method, ...result });
  return options.strict && missedAims(result).length > 0 ? 3 : 0;
}

async function writeFigures(options: Options, figures: unknown): Promise<void> {
  await Deno.writeTextFile(options.json, JSON.stringify(figures, undefined, 2) + "\n");
  console.log(`\nFigures: ${options.json}`);
}

async function run(options: Options): Promise<number> {
  if (options.operations) return await runOperations(options);
  const redisVersion = await versionOf("redis-server");
  const benchmarkVersion = await versionOf("redis-benchmark");
  if (redisVersion === undefined || benchmarkVersion === undefined) {
    console.error("Cannot measure: redis-server or redis-benchmark is not installed");
    return 1;
  }
  const { results, settings, idle } = await measureRows(options);
  const withMemory = !options.short && "MEMORY".startsWith(options.only);
  const { rounds, secondsPerRun } = runsOf(options);
  const report: Report = {
    measuredAt: new Date().toISOString(),
    form: options.short ? "short" : "long",
    machine: await machine(),
    versions: { redis: redisVersion, client: benchmarkVersion, deno: Deno.version.deno },
    settings,
    method:
      `${rounds} runs of about ${secondsPerRun} s a row and side, in turn; ${valueBytes}-byte ` +
      `values, ${randomKeys} random keys; medians, ratio of the medians, spread of the ratios of ` +
      "each pair of runs; all processes share the cores, the client included",
    missing: await missingPeers(),
    rows: results,
    memory: withMemory ? await measureMemoryOfBoth(options) : undefined,
    idle,
  };
  const [subject, peer] = Object.keys(settings);
  console.log(describeReport(report, { subject, peer }));
  await writeFigures(options, report);
  return options.strict && missedTargets(report).length > 0 ? 3 : 0;
}

if (import.meta.main) {
  const options = readOptions(Deno.args);
  if (typeof options === "string") {
    console.error(options);
    Deno.exit(2);
  }
  try {
    Deno.exit(await run(options));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
