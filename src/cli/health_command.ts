/** `logboat health`: asks a running node, for health checks of containers and scripts. */

import { parseFlags } from "../config/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { AdminClient, AnswerLost } from "./admin_client.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import type { Subcommand } from "./subcommand.ts";

const SILENCE_MS_MAX = 5000;

export const healthCommand: Subcommand = {
  name: "health",
  usage: "health [ready|live] [--admin http://HOST:PORT] [flags]",
  summary: "Asks a running node whether it can serve clients (ready) or answers at all (live).",
  details: "Without --admin it asks the node of the same settings on this machine.",
  takesSettings: true,
  run: runHealth,
};

async function runHealth(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = parseFlags(args, { settings: true, own: ["admin"] });
  const [question = "ready", ...others] = flags.words;
  if (flags.problems.length === 0 && (!["ready", "live"].includes(question) || others.length > 0)) {
    throw new CliFailure("usage", [
      `Cannot run health: found "${flags.words.join(" ")}", expected ready or live`,
    ]);
  }
  const client = await AdminClient.withoutToken(platform, flags);
  const path = question === "live" ? "/healthz" : "/readyz";
  try {
    const { status, reason } = await client.ask("GET", path, { silenceMsMax: SILENCE_MS_MAX });
    if (status !== 200) throw notHealthy(client, question, reason);
  } catch (error) {
    if (!(error instanceof AnswerLost)) throw error;
    throw notHealthy(client, question, `it does not answer (${error.message})`);
  }
  await printOut(platform.process, question);
  return "ok";
}

function notHealthy({ base }: AdminClient, question: string, reason: string): CliFailure {
  return new CliFailure("notHealthy", [`The node at ${base} is not ${question}: ${reason}`]);
}
