/** The flags of `serve`: those of all settings, and short ones for joining. */

import type { Flags } from "../config/mod.ts";
import { CliFailure } from "./failure.ts";
import { settingsFlags } from "./settings_source.ts";

const SHORT_FLAGS: Readonly<Record<string, string>> = {
  "join": "raft-join",
  "join-as": "raft-join-as",
  "replace": "raft-join-replaces",
};

/** For `--help`. */
export const SERVE_DETAILS =
  "With --join, the Raft address of any member of a running cluster, the first start makes this\n" +
  "node a member of it; --replace names the voter whose place it takes. Later starts do not need\n" +
  "them. They are short for --raft-join, --raft-join-as and --raft-join-replaces.";

/** Throws a `CliFailure` "usage". */
export function serveFlags(args: readonly string[]): Flags {
  const flags = settingsFlags(args, Object.keys(SHORT_FLAGS));
  const settings = new Map(flags.settings);
  for (const [short, value] of flags.own) {
    const long = SHORT_FLAGS[short];
    if (settings.has(long)) {
      throw new CliFailure("usage", [`Cannot use --${short}: found --${long} too, expected one`]);
    }
    settings.set(long, [value]);
  }
  return { ...flags, settings };
}
