/** The command line: finds the subcommand, runs it, turns its end into an exit code. */

import { nearest } from "../config/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { backupCommand } from "./backup_command.ts";
import { clusterCommand } from "./cluster_command.ts";
import { configCommand } from "./config_command.ts";
import { printError, printOut } from "./console.ts";
import { demoCommand } from "./demo.ts";
import { EXIT_CODES, type ExitName } from "./exit_codes.ts";
import { CliFailure, failureOf } from "./failure.ts";
import { healthCommand } from "./health_command.ts";
import { generalHelp, subcommandHelp } from "./help.ts";
import { importCommand } from "./import_command.ts";
import { logCommand } from "./log_command.ts";
import { restoreCommand } from "./restore_command.ts";
import { serveCommand } from "./serve.ts";
import { snapshotCommand } from "./snapshot_command.ts";
import type { Subcommand } from "./subcommand.ts";
import { VERSION } from "./version.ts";

const versionCommand: Subcommand = {
  name: "version",
  usage: "version",
  summary: "Prints the version and the runtime.",
  takesSettings: false,
  async run({ process }, args) {
    refuseWords("version", args);
    const { runtime, v8, os } = process.versions;
    await printOut(process, `logboat ${VERSION} (${runtime}, v8 ${v8}, ${os})`);
    return "ok";
  },
};

const helpCommand: Subcommand = {
  name: "help",
  usage: "help [subcommand]",
  summary: "Explains the program or a subcommand.",
  takesSettings: false,
  async run({ process }, args) {
    const [name, ...others] = args;
    refuseWords("help", others);
    const text = name === undefined ? generalHelp(SUBCOMMANDS) : subcommandHelp(find(name));
    await printOut(process, text);
    return "ok";
  },
};

/** Every subcommand, in the order of the help. */
export const SUBCOMMANDS: readonly Subcommand[] = [
  serveCommand,
  demoCommand,
  configCommand,
  logCommand,
  healthCommand,
  clusterCommand,
  snapshotCommand,
  backupCommand,
  restoreCommand,
  importCommand,
  versionCommand,
  helpCommand,
];

/** Runs the program to its end and exits. */
export async function runCli(platform: Platform): Promise<void> {
  const { process } = platform;
  process.onUncaught((error) => void endWithBug(platform, error));
  let exit: ExitName;
  try {
    exit = await dispatch(platform, process.args);
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) return await endWithBug(platform, error);
    await printError(process, failure.lines.join("\n"));
    exit = failure.exit;
  }
  process.exit(EXIT_CODES[exit].code);
}

async function dispatch(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h") return await helpCommand.run(platform, []);
  if (first === "--version") return await versionCommand.run(platform, []);
  if (first === undefined || first.startsWith("-")) return await run(platform, serveCommand, args);
  return await run(platform, find(first), rest);
}

async function run(
  platform: Platform,
  subcommand: Subcommand,
  args: readonly string[],
): Promise<ExitName> {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  if (flags.includes("--help") || flags.includes("-h")) {
    await printOut(platform.process, subcommandHelp(subcommand));
    return "ok";
  }
  return await subcommand.run(platform, args);
}

function find(name: string): Subcommand {
  const found = SUBCOMMANDS.find((each) => each.name === name);
  if (found !== undefined) return found;
  const near = nearest(name, SUBCOMMANDS.map((each) => each.name));
  const advice = near === undefined ? "see logboat help" : `did you mean ${near}?`;
  throw new CliFailure("usage", [
    `Cannot run ${name.slice(0, 100)}: there is no such subcommand; ${advice}`,
  ]);
}

function refuseWords(name: string, words: readonly string[]): void {
  if (words.length === 0) return;
  throw new CliFailure("usage", [`Cannot run ${name}: found "${words[0]}", expected nothing more`]);
}

/** How long the last words of a program with a bug may take. */
const LAST_WORDS_MS = 500;

/**
 * A bug ends the process before it can answer wrongly (architecture D9). The exit does not wait for
 * a reader of the output that does not read.
 */
async function endWithBug({ process, clock }: Platform, error: unknown): Promise<void> {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  clock.setTimer(LAST_WORDS_MS, () => process.exit(EXIT_CODES.bug.code));
  await printError(process, `Cannot go on: this is a bug in Logboat, please report it.\n${text}`);
  process.exit(EXIT_CODES.bug.code);
}
