/** `logboat help` and `--help`, from the table of subcommands and the schema of the settings. */

import { settingsHelp } from "../config/mod.ts";
import { exitCodesHelp } from "./exit_codes.ts";
import type { Subcommand } from "./subcommand.ts";
import { VERSION } from "./version.ts";

/** The page of the whole program. */
export function generalHelp(subcommands: readonly Subcommand[]): string {
  const width = Math.max(...subcommands.map(({ usage }) => usage.length));
  const lines = subcommands.map(({ usage, summary }) => `  ${usage.padEnd(width)}  ${summary}`);
  return [
    `Logboat ${VERSION}: a strongly consistent, Redis-compatible store.`,
    "",
    "Usage: logboat [subcommand] [flags]    (serve when none is named)",
    "",
    ...lines,
    "",
    "Settings come from flags, then LOGBOAT_… variables, then the file named by --config or",
    "LOGBOAT_CONFIG, else logboat.toml in this directory. `logboat serve --help` lists them all.",
    "",
    "Exit codes:",
    exitCodesHelp(),
  ].join("\n");
}

/** The page of one subcommand. */
export function subcommandHelp({ usage, summary, details, takesSettings }: Subcommand): string {
  const parts = [`Usage: logboat ${usage}`, "", summary];
  if (details !== undefined) parts.push("", details);
  if (takesSettings) {
    parts.push(
      "",
      "Settings, each also a variable (--node-id is LOGBOAT_NODE_ID) and a key of the file:",
      "    --config (logboat.toml, when it is there)",
      "        The file of settings; also LOGBOAT_CONFIG.",
      settingsHelp(),
    );
  }
  return parts.join("\n").trimEnd() + "\n";
}
