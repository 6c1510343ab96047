/** The printed table of the operations: what was measured, and the aim beside it. */

import {
  joinWritesPerSecond,
  longPauseMs,
  moderateLoad,
  operationKeys,
  type OperationsResult,
  type RestartRound,
  type SnapshotRound,
  type Window,
} from "./operations.ts";
import { table } from "./report.ts";
import { median, spread } from "./statistics.ts";

export const addedPauseMaxMs = longPauseMs;
export const restartMaxMs = 5000;
/** Of the wanted rate: less is another load than the aim speaks of. */
const rateShareMin = 0.98;

const PACE = "  the machine's pace: CPU time of a fixed piece of work, before each round";

interface Line {
  readonly name: string;
  readonly measured: string;
  readonly aim?: string;
  readonly reached?: boolean;
}

/** The greatest delay of the leader's loop with a snapshot, less that without one, by round. */
export function addedPausesMs(rounds: readonly SnapshotRound[]): number[] {
  return rounds.map(({ quiet, snapshot }) => snapshot.loopMaxMs - quiet.loopMaxMs);
}

/** Names of the aims that were missed. */
export function missedAims(result: OperationsResult): string[] {
  return linesOf(result).filter((line) => line.reached === false).map((line) => line.name);
}

export function describeOperations(result: OperationsResult): string {
  return table([
    ["operation", "measured", "aim", ""],
    ...linesOf(result).map(({ name, measured, aim = "–", reached }) => [
      name,
      measured,
      aim,
      reached === undefined ? "" : reached ? "reached" : "MISSED",
    ]),
  ]).join("\n");
}

function linesOf({ snapshots, restarts, join }: OperationsResult): Line[] {
  return [...snapshotLines(snapshots), ...restartLines(restarts), ...joinLines(join)];
}

function snapshotLines(rounds: readonly SnapshotRound[]): Line[] {
  const added = addedPausesMs(rounds);
  const pair = (of: (window: Window) => number) =>
    `${rangeMs(rounds.map((round) => of(round.quiet)))} → ` +
    rangeMs(rounds.map((round) => of(round.snapshot)));
  return [
    {
      name: "snapshot: pause added to the leader's loop, greatest of a round",
      measured: rangeMs(added),
      aim: `at most ${addedPauseMaxMs} ms`,
      reached: median(added) <= addedPauseMaxMs,
    },
    { name: "  leader's loop, greatest, without → with", measured: pair((each) => each.loopMaxMs) },
    {
      name: `  pauses of more than ${longPauseMs} ms a minute, without → with`,
      measured: `${longPausesAMinute(rounds.map((round) => round.quiet))} → ` +
        longPausesAMinute(rounds.map((round) => round.snapshot)),
    },
    { name: "  leader's loop, p99", measured: pair((each) => each.loopP99Ms) },
    { name: "  clients, p50", measured: pair((each) => each.p50Ms) },
    { name: "  clients, p99", measured: pair((each) => each.p99Ms) },
    { name: "  clients, greatest", measured: pair((each) => each.maxMs) },
    {
      name: "  time of a snapshot",
      measured: rangeMs(rounds.map((round) => round.snapshot.seconds * 1000)),
    },
    { name: PACE, measured: rangeMs(rounds.map((round) => round.paceMs)) },
  ];
}

function restartLines(rounds: readonly RestartRound[]): Line[] {
  const readyMs = rounds.map((round) => round.readyMs);
  const readMs = rounds.map((round) => round.firstReadMs);
  const aim = `at most ${restartMaxMs / 1000} s`;
  return [
    {
      name: "restart after SIGKILL: until ready",
      measured: rangeMs(readyMs),
      aim,
      reached: Math.max(...readyMs) <= restartMaxMs,
    },
    {
      name: "restart after SIGKILL: until the first read",
      measured: rangeMs(readMs),
      aim,
      reached: Math.max(...readMs) <= restartMaxMs,
    },
    {
      name: "  entries of log behind the snapshot",
      measured: rounds.map((round) => round.logEntries.toLocaleString("en")).join(", "),
    },
    { name: PACE, measured: rangeMs(rounds.map((round) => round.paceMs)) },
  ];
}

function joinLines(join: OperationsResult["join"]): Line[] {
  const rate = joinWritesPerSecond.toLocaleString("en");
  const { before, during, after } = join;
  const windows = [before, during, after];
  const three = (of: (window: Window) => number) =>
    windows.map((window) => of(window).toFixed(1)).join(" → ") + " ms";
  const reached = windows.map((window) => Math.round(window.commandsPerSecond));
  // What never happened, and what was lost, has ended the measurement before.
  return [
    {
      name: "wiped node: until it votes",
      measured: `${(join.voterMs / 1000).toFixed(1)} s`,
      aim: "it does",
      reached: true,
    },
    {
      name: "wiped node: until it has applied all that is committed",
      measured: `${(join.caughtUpMs / 1000).toFixed(1)} s`,
      aim: "it does",
      reached: true,
    },
    {
      name: "  writes a second: before → during → after",
      measured: reached.map((each) => each.toLocaleString("en")).join(" → "),
      aim: rate,
      reached: Math.min(...reached) >= joinWritesPerSecond * rateShareMin,
    },
    { name: "  writers, p50", measured: three((each) => each.p50Ms) },
    { name: "  writers, p99", measured: three((each) => each.p99Ms) },
    { name: "  writers, greatest", measured: three((each) => each.maxMs) },
    {
      name: "  greatest lag afterwards, entries",
      measured: join.lagEntriesMax.toLocaleString("en"),
    },
    {
      name: "  acknowledged writes found on it, states of all nodes equal",
      measured: join.keysChecked.toLocaleString("en") + " keys",
      aim: "all",
      reached: true,
    },
  ];
}

/** Of all windows together: whole collections are rare, and meet any of them. */
function longPausesAMinute(windows: readonly Window[]): string {
  const pauses = windows.reduce((sum, window) => sum + window.longPauses, 0);
  const seconds = windows.reduce((sum, window) => sum + window.seconds, 0);
  return `${(pauses / seconds * 60).toFixed(0)} (${pauses})`;
}

/** The median, and the range when there is one. */
function rangeMs(values: readonly number[]): string {
  const { low, high } = spread(values);
  const text = (value: number) => value.toFixed(Math.abs(value) < 100 ? 1 : 0);
  return `${text(median(values))} ms (${text(low)}–${text(high)})`;
}

export function describeMethod(): string {
  const { commandsPerSecond, readShare } = moderateLoad;
  return `${operationKeys.toLocaleString("en")} keys; snapshots under ${commandsPerSecond} ` +
    `commands a second (${readShare * 100} % GET), each beside as long a time without one; ` +
    "medians and ranges of the rounds; all processes share the cores, the clients included";
}
