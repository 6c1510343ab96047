/** The rows of the table: their loads, their targets, and how both sides of one are measured. */

import type { Peer } from "./peers.ts";
import { type Load, requestsFor, runLoad, type RunResult } from "./redis_benchmark.ts";
import { median, type Spread, spread } from "./statistics.ts";

/** A bound on a ratio to the peer: of requests a second at least, of the p50 at most. */
export interface Target {
  readonly of: "throughput" | "p50";
  readonly bound: number;
}

export interface Row {
  readonly name: string;
  readonly load: Load;
  /** Undefined: measured for information. */
  readonly target: Target | undefined;
  readonly through: "leader" | "follower";
}

const set = (clients: number, pipeline: number): Load => ({ command: "SET", clients, pipeline });
const get = (clients: number, pipeline: number): Load => ({ command: "GET", clients, pipeline });
const least = (bound: number): Target => ({ of: "throughput", bound });

/** Targets are those of the first release. Writes come first: they fill the keys that reads read. */
export const rows: readonly Row[] = [
  { name: "SET, 50 clients", load: set(50, 1), target: least(0.6), through: "leader" },
  {
    name: "SET, 50 clients, pipeline 16",
    load: set(50, 16),
    target: least(0.5),
    through: "leader",
  },
  {
    name: "SET, 50 clients, pipeline 64",
    load: set(50, 64),
    target: least(0.5),
    through: "leader",
  },
  { name: "SET, 1 client", load: set(1, 1), target: { of: "p50", bound: 2.0 }, through: "leader" },
  { name: "SET, 500 clients", load: set(500, 1), target: undefined, through: "leader" },
  { name: "GET, 50 clients", load: get(50, 1), target: least(0.8), through: "leader" },
  {
    name: "GET, 50 clients, pipeline 16",
    load: get(50, 16),
    target: least(0.5),
    through: "leader",
  },
  { name: "GET, 1 client", load: get(1, 1), target: undefined, through: "leader" },
];

/** Only of interest for a cluster; part of the long form. */
export const followerRows: readonly Row[] = [
  {
    name: "SET, 50 clients, on a follower",
    load: set(50, 1),
    target: undefined,
    through: "follower",
  },
  {
    name: "GET, 50 clients, on a follower",
    load: get(50, 1),
    target: undefined,
    through: "follower",
  },
];

export interface Side {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly runs: readonly RunResult[];
}

export interface RowResult {
  readonly name: string;
  readonly load: Load;
  readonly subject: Side;
  readonly peer: Side;
  /** Of the medians: requests a second, or p50 when the target is one of p50. */
  readonly ratio: number;
  readonly ratioOf: "throughput" | "p50";
  /** Of the ratios of each pair of runs. */
  readonly ratioSpread: Spread;
  readonly target: Target | undefined;
  readonly reached: boolean | undefined;
}

/** Measures subject and peer in turn, `rounds` times. */
export async function measureRow(
  row: Row,
  subject: Peer,
  peer: Peer,
  options: { readonly rounds: number; readonly secondsPerRun: number },
): Promise<RowResult> {
  const subjectPort = row.through === "follower" ? subject.followerPort : subject.port;
  if (subjectPort === undefined) throw new Error(`Cannot measure ${row.name}: no follower`);
  const subjectRequests = await requestsFor(subjectPort, row.load, options.secondsPerRun);
  const peerRequests = await requestsFor(peer.port, row.load, options.secondsPerRun);
  const subjectRuns: RunResult[] = [];
  const peerRuns: RunResult[] = [];
  for (let round = 0; round < options.rounds; round++) {
    subjectRuns.push(await runLoad(subjectPort, row.load, subjectRequests));
    peerRuns.push(await runLoad(peer.port, row.load, peerRequests));
  }
  return rowResult(row, subjectRuns, peerRuns);
}

/** Medians, ratio and verdict of a row from its runs, which are pairs by position. */
export function rowResult(
  row: Row,
  subjectRuns: readonly RunResult[],
  peerRuns: readonly RunResult[],
): RowResult {
  const ratioOf = row.target?.of ?? "throughput";
  const value = (run: { requestsPerSecond: number; p50Ms: number }) =>
    ratioOf === "p50" ? run.p50Ms : run.requestsPerSecond;
  const subject = sideOf(subjectRuns);
  const peer = sideOf(peerRuns);
  const ratio = value(subject) / value(peer);
  return {
    name: row.name,
    load: row.load,
    subject,
    peer,
    ratio,
    ratioOf,
    ratioSpread: spread(subjectRuns.map((run, i) => value(run) / value(peerRuns[i]))),
    target: row.target,
    reached: row.target && reaches(ratio, row.target),
  };
}

function reaches(ratio: number, target: Target): boolean {
  return target.of === "throughput" ? ratio >= target.bound : ratio <= target.bound;
}

function sideOf(runs: readonly RunResult[]): Side {
  return {
    requestsPerSecond: median(runs.map((run) => run.requestsPerSecond)),
    p50Ms: median(runs.map((run) => run.p50Ms)),
    runs,
  };
}
