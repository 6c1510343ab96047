/** `logboat cluster …`: looks at the members of a running cluster and changes them, one at a time. */

import { clusterSchema, type ClusterStatus } from "../admin/mod.ts";
import { parseHostPort } from "../base/mod.ts";
import type { Flags } from "../config/mod.ts";
import type { HttpRequest, Platform } from "../platform/mod.ts";
import { type AdminAnswer, AdminClient, adminFlags, AnswerLost } from "./admin_client.ts";
import { clusterTable } from "./cluster_table.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import type { Subcommand } from "./subcommand.ts";

const STATUS_SILENCE_MS_MAX = 5000;
/** More than a node waits for the cluster to finish a change. */
const CHANGE_SILENCE_MS_MAX = 60_000;

export const clusterCommand: Subcommand = {
  name: "cluster",
  usage: "cluster status|add|remove|promote|demote|move|transfer … [--admin URL] [--token TOKEN]",
  summary: "Shows the members of a running cluster and changes them.",
  details: [
    "  status [--json]                      the members, how far each is, and who leads",
    "  add RAFT_ADDRESS REDIS_ADDRESS [--as voter|learner] [--id N] [--replace N]",
    "                                       a member whose node is to come: one that joins from",
    "                                       that address takes its place. A node needs no add",
    "                                       to join: logboat serve --join RAFT_ADDRESS",
    "  remove ID                            takes a member out for ever, the leader too",
    "  promote ID, demote ID                makes a learner a voter, a voter a learner",
    "  move ID RAFT_ADDRESS REDIS_ADDRESS   tells the others where a member is now",
    "  transfer [ID]                        hands leadership to a voter, or to the best one",
    "Any node can be asked. Without --admin it is the node of the same settings on this machine.",
    "A refusal changes nothing (code 14). Code 15 says that the outcome is not known: look at",
    "the status before asking again.",
  ].join("\n"),
  takesSettings: true,
  run: runCluster,
};

type Action = (client: AdminClient, words: readonly string[], flags: Flags) => Promise<string>;

const ACTIONS: Readonly<Record<string, Action>> = {
  status,
  add,
  remove: (client, words) => change(client, "remove", { method: "DELETE", words, path: "" }),
  promote: (client, words) =>
    change(client, "promote", { method: "POST", words, path: "/promote" }),
  demote: (client, words) => change(client, "demote", { method: "POST", words, path: "/demote" }),
  move,
  transfer,
};

async function runCluster(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = adminFlags(args, ["json", "as", "id", "replace"]);
  const [name = "", ...words] = flags.words;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (flags.problems.length === 0 && action === undefined) {
    const found = name === "" ? "nothing" : `"${name}"`;
    const expected = Object.keys(ACTIONS).join(", ");
    throw new CliFailure("usage", [`Cannot run cluster: found ${found}, expected ${expected}`]);
  }
  const client = await AdminClient.of(platform, flags);
  await printOut(platform.process, await action!(client, words, flags));
  return "ok";
}

async function status(
  client: AdminClient,
  words: readonly string[],
  flags: Flags,
): Promise<string> {
  expectWords("status", words, []);
  const json = flags.own.get("json");
  if (json !== undefined && json !== "") {
    throw new CliFailure("usage", [
      `Cannot use --json: found "${json}", expected nothing behind it`,
    ]);
  }
  const cluster = await clusterStatus(client);
  return json === "" ? JSON.stringify(cluster, undefined, 2) : clusterTable(cluster);
}

/** The members as the node sees them. */
async function clusterStatus(client: AdminClient): Promise<ClusterStatus> {
  let answer: AdminAnswer;
  try {
    const silenceMsMax = STATUS_SILENCE_MS_MAX;
    answer = await client.ask("GET", "/api/v1/cluster", { silenceMsMax });
  } catch (error) {
    if (error instanceof AnswerLost) throw client.unreachable(error.message);
    throw error;
  }
  const parsed = clusterSchema.safeParse(answer.value);
  if (answer.status === 200 && parsed.success) return parsed.data;
  throw new CliFailure("notHealthy", [`The node at ${client.base} answers: ${answer.reason}`]);
}

async function add(client: AdminClient, words: readonly string[], flags: Flags): Promise<string> {
  expectWords("add", words, ["RAFT_ADDRESS", "REDIS_ADDRESS"]);
  const as = flags.own.get("as") ?? "voter";
  if (as !== "voter" && as !== "learner") {
    throw new CliFailure("usage", [`Cannot use --as: found "${as}", expected voter or learner`]);
  }
  const body = {
    ...placeOf("add", words),
    as,
    id: idFlag(flags, "id"),
    replaces: idFlag(flags, "replace"),
  };
  return await ask(client, "add a member", "POST", "/api/v1/members", body);
}

async function move(client: AdminClient, words: readonly string[]): Promise<string> {
  expectWords("move", words, ["ID", "RAFT_ADDRESS", "REDIS_ADDRESS"]);
  const id = idOf("move", words[0]);
  const place = placeOf("move", words.slice(1));
  return await ask(client, `move node ${id}`, "POST", `/api/v1/members/${id}/move`, place);
}

function placeOf(
  name: string,
  [raftAddress, redisAddress]: readonly string[],
): { readonly raftAddress: string; readonly redisAddress: string } {
  for (const address of [raftAddress, redisAddress]) {
    if (parseHostPort(address) !== undefined) continue;
    throw new CliFailure("usage", [`Cannot ${name}: found "${address}", expected HOST:PORT`]);
  }
  return { raftAddress, redisAddress };
}

async function change(
  client: AdminClient,
  name: string,
  { method, words, path }: {
    readonly method: HttpRequest["method"];
    readonly words: readonly string[];
    readonly path: string;
  },
): Promise<string> {
  expectWords(name, words, ["ID"]);
  const id = idOf(name, words[0]);
  return await ask(client, `${name} node ${id}`, method, `/api/v1/members/${id}${path}`);
}

async function transfer(client: AdminClient, words: readonly string[]): Promise<string> {
  expectWords("transfer", words.slice(1), []);
  const to = words.length === 0 ? undefined : idOf("transfer", words[0]);
  return await ask(client, "transfer leadership", "POST", "/api/v1/transfer", { to });
}

/** Asks for a change; says what became of it or fails with it. */
async function ask(
  client: AdminClient,
  what: string,
  method: HttpRequest["method"],
  path: string,
  body?: unknown,
): Promise<string> {
  let answer: AdminAnswer;
  try {
    answer = await client.ask(method, path, { body, silenceMsMax: CHANGE_SILENCE_MS_MAX });
  } catch (error) {
    if (!(error instanceof AnswerLost)) throw error;
    if (!error.sent) throw client.unreachable(error.message);
    throw unknownOutcome(`Cannot tell what became of the request to ${what}: ${error.message}`);
  }
  const { status, reason, value } = answer;
  if (status === 200) return doneText(reason, value);
  if (status === 409) throw new CliFailure("refused", [reason]);
  throw unknownOutcome(reason);
}

function unknownOutcome(reason: string): CliFailure {
  return new CliFailure("unknownOutcome", [
    reason,
    "It may still happen: look at logboat cluster status before asking again",
  ]);
}

function doneText(reason: string, value: unknown): string {
  const { leaderId } = value as { leaderId?: unknown };
  return leaderId === undefined ? reason : `node ${leaderId} leads`;
}

function idFlag(flags: Flags, name: string): number | undefined {
  const text = flags.own.get(name);
  return text === undefined ? undefined : idOf(`use --${name}`, text);
}

function idOf(what: string, text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new CliFailure("usage", [`Cannot ${what}: found "${text}", expected a member's id`]);
}

function expectWords(name: string, words: readonly string[], wanted: readonly string[]): void {
  if (words.length === wanted.length) return;
  const found = words.length === 0 ? "nothing" : `"${words.join(" ")}"`;
  const expected = wanted.length === 0 ? "nothing more" : wanted.join(" and ");
  throw new CliFailure("usage", [
    `Cannot run cluster ${name}: found ${found}, expected ${expected}`,
  ]);
}
