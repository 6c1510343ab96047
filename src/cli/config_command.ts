/** `logboat config check` and `logboat config print`. */

import { printSettings } from "../config/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { printError, printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { readSecrets, readSettings, settingsFlags } from "./settings_source.ts";
import type { Subcommand } from "./subcommand.ts";

export const configCommand: Subcommand = {
  name: "config",
  usage: "config check|print [flags]",
  summary: "Checks the settings, or prints them with the source of each.",
  details:
    "check reads flags, variables and file as serve does, secret files too, and says what\n" +
    "is wrong. print writes the effective settings as a file; secrets are shown as ***.",
  takesSettings: true,
  run: runConfig,
};

async function runConfig(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const [action, ...rest] = args;
  if (action !== "check" && action !== "print") {
    const found = action === undefined ? "nothing" : `"${action}"`;
    throw new CliFailure("usage", [`Cannot run config: found ${found}, expected check or print`]);
  }
  const loaded = await readSettings(platform, settingsFlags(rest));
  await readSecrets(platform, loaded.settings);
  for (const warning of loaded.warnings) {
    await printError(platform.process, `Warning: ${warning}`);
  }
  const { fileName } = loaded;
  await printOut(
    platform.process,
    action === "print"
      ? printSettings(loaded)
      : `The settings are fine (${fileName === undefined ? "no file" : `with ${fileName}`}).`,
  );
  return "ok";
}
