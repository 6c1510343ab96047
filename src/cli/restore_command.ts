/**
 * `logboat restore FILE`: a new data directory whose next start is a cluster of one with the keys of a
 * backup, or of an RDB file of Redis. Nothing is written before all of the file has been read and its
 * checksum is right.
 */

import { LogIndex, NodeId, silentLogger, Term } from "../base/mod.ts";
import { parseFlags, type Settings } from "../config/mod.ts";
import { RdbFileReader } from "../keyspace/mod.ts";
import { RdbImport } from "../machine/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { encodeConfiguration, firstConfiguration } from "../raft/mod.ts";
import { checkNoDirectory, makeRestoredDirectory } from "../storage/mod.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { readFailure, readRdbFile } from "./rdb_source.ts";
import { readSettings } from "./settings_source.ts";
import type { Subcommand } from "./subcommand.ts";
import { addressesOf, randomClusterId } from "./wiring.ts";

/** The entry that the new cluster's log begins behind. */
const LAST = { term: Term(1), index: LogIndex(1) };

export const restoreCommand: Subcommand = {
  name: "restore",
  usage: "restore FILE [--leave-out yes|no] [flags]",
  summary: "Makes a new cluster of one from a backup, or from an RDB file of Redis.",
  details:
    "It is made in node.data-dir, which must not hold anything yet, and begins to run with the\n" +
    "next logboat serve; other nodes then join it. The old cluster must not run on: the new one\n" +
    "knows nothing of it. Keys of types that Logboat does not have are refused, or left out with\n" +
    "--leave-out yes.",
  takesSettings: true,
  run: runRestore,
};

async function runRestore(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = parseFlags(args, { settings: true, own: ["leave-out"] });
  const [path, ...others] = flags.words;
  if (flags.problems.length === 0 && (path === undefined || others.length > 0)) {
    throw new CliFailure("usage", [
      `Cannot run restore: found "${flags.words.join(" ")}", expected one file`,
    ]);
  }
  const leaveOut = flags.own.get("leave-out") ?? "no";
  if (leaveOut !== "yes" && leaveOut !== "no") {
    throw new CliFailure("usage", [
      `Cannot use --leave-out: found "${leaveOut}", expected yes or no`,
    ]);
  }
  const { settings } = await readSettings(platform, flags);
  await checkNoDirectory(platform.disk, settings.node.dataDir);
  const keys = await readKeys(platform, path);
  if (keys.skipped.size > 0 && leaveOut === "no") {
    const found = [...keys.skipped].map(([what, count]) => `${count} ${what}`).join(", ");
    throw new CliFailure("importIncomplete", [
      `Cannot restore all of ${path}: it has ${found}, and Logboat has no such types. Nothing was ` +
      "written; --leave-out yes restores the rest",
    ]);
  }
  await makeNode(platform, settings, keys);
  await report(platform, settings, keys);
  return "ok";
}

async function readKeys(platform: Platform, path: string): Promise<RdbImport> {
  const keys = new RdbImport();
  try {
    await readRdbFile(platform, path, new RdbFileReader(keys));
  } catch (error) {
    throw readFailure(`restore ${path}`, error);
  }
  return keys;
}

async function makeNode(platform: Platform, settings: Settings, keys: RdbImport): Promise<void> {
  const id = NodeId(settings.node.id ?? 1);
  const members = firstConfiguration([{ id, ...addressesOf(settings, id) }]);
  const configuration = encodeConfiguration(members);
  const walk = keys.beginSnapshot({ last: LAST, configuration });
  await makeRestoredDirectory({
    disk: platform.disk,
    clock: platform.clock,
    logger: silentLogger,
    path: settings.node.dataDir,
    nodeId: id,
    clusterId: randomClusterId(platform.process),
    last: LAST,
    configuration,
    next: (bytesMax) => walk.next(bytesMax),
  });
}

async function report(platform: Platform, settings: Settings, keys: RdbImport): Promise<void> {
  const { dataDir, id = 1 } = settings.node;
  const lines = [`restored ${keys.keys} keys to ${dataDir}, as node ${id} of a new cluster of one`];
  for (const [what, count] of keys.skipped) lines.push(`${count} ${what} were left out`);
  lines.push(`start it with logboat serve and these settings; others join it with --join`);
  await printOut(platform.process, lines.join("\n"));
}
