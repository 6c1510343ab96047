/** COMMAND: the table of commands as data, for clients and tools. */

import { type Reply, Request, RespError, RespMap, SimpleString } from "../resp/mod.ts";
import { matchesGlob } from "./arguments.ts";
import { commandDocs, commandInfo, keyAccess, metadataOf } from "./command_reply.ts";
import type { Command } from "./command_set.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { keyIndices } from "./keys.ts";
import type { Session } from "./session.ts";
import { defineSessionCommand, type SessionCommand } from "./session_command.ts";

const FLAGS = ["loading", "stale"] as const;

function commandCommand(
  name: string,
  part: Pick<SessionCommand, "arity" | "since" | "summary" | "execute">,
): SessionCommand {
  return defineSessionCommand({
    name: `command|${name}`,
    group: "server",
    flags: FLAGS,
    complexity: "O(N) with N the number of commands",
    ...part,
  });
}

export const commandCommands: readonly SessionCommand[] = [
  defineSessionCommand({
    name: "command",
    arity: -1,
    flags: FLAGS,
    group: "server",
    since: "2.8.13",
    summary: "Facts about every command.",
    complexity: "O(N) with N the number of commands",
    execute: (session) => session.server.commands.topLevel().map(commandInfo),
  }),
  commandCommand("count", {
    arity: 2,
    since: "2.8.13",
    summary: "The number of commands.",
    execute: (session) => session.server.commands.size,
  }),
  commandCommand("info", {
    arity: -2,
    since: "2.8.13",
    summary: "Facts about the named commands, or about all.",
    execute: info,
  }),
  commandCommand("docs", {
    arity: -2,
    since: "7.0.0",
    summary: "Documentation of the named commands, or of all.",
    execute: docs,
  }),
  commandCommand("list", {
    arity: -2,
    since: "7.0.0",
    summary: "Names of commands.",
    execute: list,
  }),
  commandCommand("getkeys", {
    arity: -4,
    since: "2.8.13",
    summary: "The keys of a full command.",
    execute: (session, request) => keysOf(session, request, false),
  }),
  commandCommand("getkeysandflags", {
    arity: -4,
    since: "7.0.0",
    summary: "The keys of a full command, and what happens to each.",
    execute: (session, request) => keysOf(session, request, true),
  }),
  commandCommand("help", {
    arity: 2,
    since: "5.0.0",
    summary: "Lists the subcommands.",
    execute: () => HELP,
  }),
];

function named(session: Session, request: Request): (Command | undefined)[] {
  const found: (Command | undefined)[] = [];
  for (let i = 2; i < request.length; i++) {
    found.push(session.server.commands.byName(request.lower(i)));
  }
  return found;
}

function info(session: Session, request: Request): Reply {
  const { commands } = session.server;
  const chosen = request.length === 2 ? commands.topLevel() : named(session, request);
  return chosen.map((command) => command === undefined ? null : commandInfo(command));
}

function docs(session: Session, request: Request): Reply {
  const { commands } = session.server;
  const chosen = request.length === 2 ? commands.topLevel() : named(session, request);
  const flat: Reply[] = [];
  for (const command of chosen) {
    if (command !== undefined) flat.push(command.name, commandDocs(command));
  }
  return new RespMap(flat);
}

function list(session: Session, request: Request): Reply {
  const all = [...session.server.commands.all()];
  if (request.length === 2) return all.map(nameOf);
  if (request.length !== 5 || request.lower(2) !== "filterby") return SYNTAX_ERROR;
  const value = request.text(4);
  switch (request.lower(3)) {
    case "module":
      return [];
    case "aclcat": {
      const category = `@${value.toLowerCase()}`;
      return all.filter((it) => metadataOf(it).categories.includes(category)).map(nameOf);
    }
    case "pattern":
      return all.filter((it) => matchesGlob(value.toLowerCase(), it.name)).map(nameOf);
    default:
      return SYNTAX_ERROR;
  }
}

function nameOf(command: Command): string {
  return command.name;
}

function keysOf(session: Session, request: Request, withFlags: boolean): Reply {
  const inner = innerRequest(request);
  const command = session.server.commands.lookup(inner);
  const unknownPart = command !== undefined && command.subcommands.length > 0 && inner.length > 1;
  if (command === undefined || unknownPart) return new RespError("ERR Invalid command specified");
  if (!command.takesKeys) return new RespError("ERR The command has no key arguments");
  if (!command.accepts(inner.length)) {
    return new RespError("ERR Invalid number of arguments specified for command");
  }
  const indices = keyIndices(command.declaration, inner);
  if (indices.length === 0) return new RespError("ERR Invalid arguments specified for command");
  if (!withFlags) return indices.map((index) => inner.text(index));
  const access = keyAccess(command, inner, indices);
  return indices.map((index, i): Reply => [inner.text(index), access[i]]);
}

/** The command behind `COMMAND GETKEYS`. */
function innerRequest(request: Request): Request {
  const parts: Uint8Array[] = [];
  for (let i = 2; i < request.length; i++) parts.push(request.bytes(i));
  return Request.of(...parts);
}

const HELP: Reply = [
  "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "(no subcommand)",
  "    Facts about every command.",
  "COUNT",
  "    The number of commands.",
  "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
  "    Names of commands.",
  "INFO [<command-name> ...]",
  "    Facts about the named commands, or about all.",
  "DOCS [<command-name> ...]",
  "    Documentation of the named commands, or of all.",
  "GETKEYS <full-command>",
  "    The keys of a full command.",
  "GETKEYSANDFLAGS <full-command>",
  "    The keys of a full command, and what happens to each.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));
