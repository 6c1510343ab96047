/** `logboat health`: asks a running node, for health checks of containers and scripts. */

import { formatHostPort, isWildcard, type Settings } from "../config/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { readSettings } from "./settings_source.ts";
import { parseFlags } from "../config/mod.ts";
import type { Subcommand } from "./subcommand.ts";

const TIMEOUT_MS = 5000;
/** A reason longer than this did not come from a node. */
const ANSWER_CHARACTERS_MAX = 1000;

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
  const { settings } = await readSettings(platform, flags);
  const base = flags.own.get("admin") ?? localAdmin(settings);
  const url = `${checkedBase(base)}/${question === "live" ? "healthz" : "readyz"}`;
  const { ok, text } = await ask(url);
  if (!ok) throw new CliFailure("notHealthy", [`The node at ${base} is not ${question}: ${text}`]);
  await printOut(platform.process, question);
  return "ok";
}

function checkedBase(base: string): string {
  if (/^https?:\/\/[^/\s]+\/?$/.test(base)) return base.replace(/\/$/, "");
  throw new CliFailure("usage", [
    `Cannot use --admin: found "${base}", expected http://HOST:PORT`,
  ]);
}

/** Where this machine reaches the listener of these settings. */
function localAdmin({ admin }: Settings): string {
  const { hostname, port } = admin.listen;
  const reachable = isWildcard(hostname) ? (hostname === "::" ? "::1" : "127.0.0.1") : hostname;
  return `http://${formatHostPort({ hostname: reachable, port })}`;
}

async function ask(url: string): Promise<{ ok: boolean; text: string }> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { connection: "close" },
    });
    const text = (await response.text()).slice(0, ANSWER_CHARACTERS_MAX);
    return { ok: response.ok, text: reasonIn(text) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, text: `it does not answer (${reason})` };
  }
}

/** The reason in a JSON answer, or the answer itself. */
function reasonIn(text: string): string {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === "object" && answer !== null && "reason" in answer) {
      return String(answer.reason);
    }
  } catch {
    // It is no JSON: shown as it came.
  }
  return text.trim();
}
