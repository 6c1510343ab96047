/** A subcommand is data and one function; help, suggestions and dispatch read the same table. */

import type { Platform } from "../platform/mod.ts";
import type { ExitName } from "./exit_codes.ts";

export interface Subcommand {
  readonly name: string;
  /** Behind `logboat`. */
  readonly usage: string;
  /** One sentence. */
  readonly summary: string;
  /** Whole lines, shown by `--help` behind the summary. */
  readonly details?: string;
  /** Whether the flags of all settings belong to it, for help. */
  readonly takesSettings: boolean;
  /** Runs to its end; throws a `CliFailure` when it cannot. `args` is what follows the name. */
  readonly run: (platform: Platform, args: readonly string[]) => Promise<ExitName>;
}
