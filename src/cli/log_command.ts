/** `logboat log verify DIR` and `logboat log dump DIR`: a stopped node's log, read and not touched. */

import { parseFlags } from "../config/mod.ts";
import { readBatchHeader } from "../machine/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { RECORD_HEADER_BYTES } from "../raft/mod.ts";
import {
  type DumpedEntry,
  dumpLog,
  type LogFinding,
  type LogSummary,
  verifyLog,
} from "../storage/mod.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { escapeControls } from "./log_line.ts";
import type { Subcommand } from "./subcommand.ts";

export const logCommand: Subcommand = {
  name: "log",
  usage: "log verify|dump DIR",
  summary: "Checks every byte of a stopped node's data directory, or lists its log.",
  details: "Nothing is changed. Exit code 0: the node would start; 6: damage, with file and byte.",
  takesSettings: false,
  run: runLog,
};

/** Output handed over at a time: a log of gigabytes must not become one string. */
const PRINT_CHARACTERS = 64 * 1024;

async function runLog(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const { words, problems } = parseFlags(args, { settings: false, own: [] });
  if (problems.length > 0) throw new CliFailure("usage", problems.map(({ message }) => message));
  const [action, path, ...others] = words;
  if ((action !== "verify" && action !== "dump") || path === undefined || others.length > 0) {
    throw new CliFailure("usage", [
      `Cannot run log: found "${words.join(" ")}", expected verify or dump and a data directory`,
    ]);
  }
  const lines = new LineSink(platform);
  const report = (finding: LogFinding) => lines.add(describeFinding(finding));
  const summary = action === "verify"
    ? await verifyLog(platform.disk, path, report)
    : await dumpLog(platform.disk, path, (entry) => lines.add(describeEntry(entry)), report);
  lines.add(describeSummary(summary));
  await lines.end();
  return summary.ok ? "ok" : "damagedData";
}

/** Lines on their way out, a chunk at a time. */
class LineSink {
  readonly #platform: Platform;
  #text = "";
  #written: Promise<void> = Promise.resolve();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  add(line: string): void {
    this.#text += `${escapeControls(line)}\n`;
    if (this.#text.length >= PRINT_CHARACTERS) this.#print();
  }

  async end(): Promise<void> {
    if (this.#text !== "") this.#print();
    await this.#written;
  }

  #print(): void {
    this.#written = printOut(this.#platform.process, this.#text);
    this.#text = "";
  }
}

function describeFinding(finding: LogFinding): string {
  switch (finding.kind) {
    case "identity": {
      const { clusterId, nodeId, incarnation } = finding.identity;
      return `identity: node ${nodeId}, cluster ${clusterId}, started ${incarnation} times`;
    }
    case "state": {
      const { term, votedFor } = finding.state.hardState;
      const vote = votedFor === undefined ? "nobody" : `node ${votedFor}`;
      return `state: term ${term}, voted for ${vote}`;
    }
    case "segment": {
      const range = finding.first === undefined || finding.last === undefined
        ? "no entries"
        : `entries ${finding.first.index} to ${finding.last.index}`;
      return `segment ${finding.file}: ${range}, ${finding.records} records, ` +
        `${finding.bytes} bytes, ${finding.freeBytes} of them free`;
    }
    case "tornTail":
      return `unfinished write in ${finding.file} at byte ${finding.offset}: ${finding.bytes} ` +
        `bytes that the next start cuts off (${finding.reason})`;
    case "corruption":
      return `DAMAGE in ${finding.file} at byte ${finding.offset}: ${finding.reason}`;
    case "badCopy":
      return `bad copy ${finding.file}: ${finding.reason}; the next start writes it again`;
  }
}

function describeEntry(entry: DumpedEntry): string {
  const { index, term, kind, offset, record } = entry;
  const place = `${index} term ${term} ${kind}, ${record.length} bytes at ${offset}`;
  if (kind !== "command") return place;
  const batch = readBatchHeader(record, RECORD_HEADER_BYTES);
  const stamp = new Date(batch.stampMs).toISOString();
  return `${place}: ${batch.operations} operations of node ${batch.origin}, start ` +
    `${batch.incarnation}, batch ${batch.sequence}, at ${stamp}`;
}

function describeSummary({ segments, first, last, terms, corruptions, ok }: LogSummary): string {
  const range = first === undefined || last === undefined
    ? "no entries"
    : `entries ${first.index} to ${last.index} in ${terms.length} terms`;
  const verdict = ok ? "no damage" : `DAMAGED in ${corruptions} places`;
  return `${verdict}: ${range}, ${segments} segments`;
}
