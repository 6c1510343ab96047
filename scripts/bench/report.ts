/** The printed table and the JSON file. */

import type { IdleResult, MemoryResult } from "./memory.ts";
import type { RowResult } from "./rows.ts";

export interface Report {
  readonly measuredAt: string;
  readonly form: "short" | "long";
  readonly machine: Record<string, string | number>;
  readonly versions: Record<string, string>;
  readonly settings: Record<string, string>;
  readonly method: string;
  /** Peers of the design that were not measured, and why. */
  readonly missing: readonly string[];
  readonly rows: readonly RowResult[];
  readonly memory: { readonly subject: MemoryResult; readonly peer: MemoryResult } | undefined;
  readonly idle: IdleResult | undefined;
}

/** The bound of `subject / peer` in bytes a key for the first release. */
export const memoryRatioMax = 2.0;

export function memoryRatio(report: Report): number | undefined {
  return report.memory && report.memory.subject.bytesPerKey / report.memory.peer.bytesPerKey;
}

/** Names of the rows whose target was missed. */
export function missedTargets(report: Report): string[] {
  const missed = report.rows.filter((row) => row.reached === false).map((row) => row.name);
  const ratio = memoryRatio(report);
  if (ratio !== undefined && ratio > memoryRatioMax) missed.push("resident memory a key");
  return missed;
}

export function describeReport(report: Report, names: { subject: string; peer: string }): string {
  const lines = [
    `Benchmark of ${names.subject} against ${names.peer}, ${report.form} form, ${report.measuredAt}`,
    "",
    ...Object.entries(report.machine).map(([key, value]) => `  ${key}: ${value}`),
    ...Object.entries(report.versions).map(([key, value]) => `  ${key}: ${value}`),
    ...Object.entries(report.settings).map(([key, value]) => `  ${key}: ${value}`),
    `  method: ${report.method}`,
    ...report.missing.map((peer) => `  not measured: ${peer}`),
  ];
  if (report.rows.length > 0) {
    lines.push(
      "",
      ...table([
        [
          "work",
          `${names.subject}/s`,
          `${names.peer}/s`,
          "ratio",
          "spread",
          "p50 ms",
          "target",
          "",
        ],
        ...report.rows.map(describeRow),
      ]),
    );
  }
  if (report.memory !== undefined) lines.push("", ...describeMemory(report, names));
  if (report.idle !== undefined) {
    lines.push(
      `idle: ${(report.idle.coreShare * 100).toFixed(1)} % of a core, ` +
        `${megabytes(report.idle.residentBytes)} resident (aim: under 1 %, under 120 MB)`,
    );
  }
  return lines.join("\n");
}

function describeRow(row: RowResult): string[] {
  const { low, high } = row.ratioSpread;
  const unit = row.ratioOf === "p50" ? " p50" : "";
  const sign = row.target?.of === "p50" ? "at most" : "at least";
  return [
    row.name,
    Math.round(row.subject.requestsPerSecond).toLocaleString("en"),
    Math.round(row.peer.requestsPerSecond).toLocaleString("en"),
    row.ratio.toFixed(2) + unit,
    `${low.toFixed(2)}–${high.toFixed(2)}`,
    `${row.subject.p50Ms.toFixed(2)} / ${row.peer.p50Ms.toFixed(2)}`,
    row.target === undefined ? "–" : `${sign} ${row.target.bound.toFixed(1)}`,
    row.reached === undefined ? "" : row.reached ? "reached" : "MISSED",
  ];
}

function describeMemory(report: Report, names: { subject: string; peer: string }): string[] {
  const { subject, peer } = report.memory!;
  const ratio = memoryRatio(report)!;
  return [
    `resident memory a key (${subject.keys.toLocaleString("en")} keys): ` +
    `${names.subject} ${subject.bytesPerKey.toFixed(0)} B ` +
    `(${megabytes(subject.bytesBefore)} → ${megabytes(subject.bytesAfter)}), ` +
    `${names.peer} ${peer.bytesPerKey.toFixed(0)} B, ratio ${ratio.toFixed(2)}, ` +
    `target at most ${memoryRatioMax.toFixed(1)}: ` +
    (ratio <= memoryRatioMax ? "reached" : "MISSED"),
    `stop and start with these keys: ${names.subject} ${subject.restartMs.toFixed(0)} ms, ` +
    `${names.peer} ${peer.restartMs.toFixed(0)} ms (aim: 5 s)`,
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/** Columns as wide as their widest cell; the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
}
