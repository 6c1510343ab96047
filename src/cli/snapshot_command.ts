/** `logboat snapshot`: a running node takes a snapshot now, so that the log behind it may go. */

import type { Platform } from "../platform/mod.ts";
import { type AdminAnswer, AdminClient, adminFlags, AnswerLost } from "./admin_client.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import type { Subcommand } from "./subcommand.ts";

/** A node with much to write says nothing until it has finished. */
const SILENCE_MS_MAX = 600_000;

export const snapshotCommand: Subcommand = {
  name: "snapshot",
  usage: "snapshot [--admin URL] [--token TOKEN] [flags]",
  summary: "Lets a running node take a snapshot now, so that the log behind it may go.",
  details: "Nodes do so by themselves as their log grows: see storage.snapshot-log-bytes.",
  takesSettings: true,
  run: runSnapshot,
};

async function runSnapshot(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = adminFlags(args);
  if (flags.problems.length === 0 && flags.words.length > 0) {
    throw new CliFailure("usage", [
      `Cannot run snapshot: found "${flags.words.join(" ")}", expected nothing more`,
    ]);
  }
  const client = await AdminClient.of(platform, flags);
  let answer: AdminAnswer;
  try {
    answer = await client.ask("POST", "/api/v1/snapshot", { silenceMsMax: SILENCE_MS_MAX });
  } catch (error) {
    if (error instanceof AnswerLost) throw client.unreachable(error.message);
    throw error;
  }
  if (answer.status === 409) throw new CliFailure("refused", [answer.reason]);
  const { index, bytes } = answer.value as { index?: unknown; bytes?: unknown };
  if (answer.status !== 200 || typeof index !== "number") {
    throw new CliFailure("notHealthy", [`The node at ${client.base} answers: ${answer.reason}`]);
  }
  await printOut(platform.process, `snapshot up to entry ${index}, ${bytes} bytes`);
  return "ok";
}
