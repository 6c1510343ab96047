/** CONFIG: the parameters of Redis that mean something here, and nothing else. */

import { OK, type Reply, type Request, RespError, RespMap, SimpleString } from "../resp/mod.ts";
import { matchesGlob } from "./arguments.ts";
import { PARAMETERS } from "./config_parameters.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import type { Session } from "./session.ts";
import { defineSessionCommand, type SessionCommand } from "./session_command.ts";

const ADMIN_FLAGS = ["admin", "noscript", "loading", "stale"] as const;

function configCommand(
  name: string,
  part: Pick<SessionCommand, "arity" | "flags" | "since" | "summary" | "execute">,
): SessionCommand {
  return defineSessionCommand({
    name: `config|${name}`,
    group: "server",
    complexity: "O(N) with N the number of parameters",
    ...part,
  });
}

export const configCommands: readonly SessionCommand[] = [
  configCommand("get", {
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    summary: "Parameters whose names match the patterns, and their values.",
    execute: configGet,
  }),
  configCommand("set", {
    arity: -4,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    summary: "Changes parameters of this node until it stops: all of them or none.",
    execute: configSet,
  }),
  configCommand("resetstat", {
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    summary: "Sets the counters of INFO to zero.",
    execute: (session) => {
      session.server.stats.reset();
      for (const command of session.server.commands.all()) {
        command.calls =
          command.elapsedMs =
          command.rejected =
          command.failed =
            0;
      }
      return OK;
    },
  }),
  configCommand("rewrite", {
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "2.8.0",
    summary: "Not possible: settings are in logboat.toml, which only the operator writes.",
    execute: () =>
      new RespError(
        "ERR Cannot rewrite the settings: change logboat.toml by hand and restart the node",
      ),
  }),
  configCommand("help", {
    arity: 2,
    flags: ["loading", "stale"],
    since: "5.0.0",
    summary: "Lists the subcommands.",
    execute: () => HELP,
  }),
];

function configGet(session: Session, request: Request): Reply {
  const patterns: string[] = [];
  for (let i = 2; i < request.length; i++) patterns.push(request.lower(i));
  const flat: Reply[] = [];
  for (const parameter of PARAMETERS) {
    if (!patterns.some((pattern) => matchesGlob(pattern, parameter.name))) continue;
    flat.push(parameter.name, parameter.get(session.server));
  }
  return new RespMap(flat);
}

function configSet(session: Session, request: Request): Reply {
  if (request.length % 2 !== 0) return SYNTAX_ERROR;
  const changes: (() => void)[] = [];
  const seen = new Set<string>();
  for (let i = 2; i < request.length; i += 2) {
    const name = request.lower(i);
    const parameter = PARAMETERS.find((known) => known.name === name);
    if (parameter === undefined) {
      return new RespError(
        `ERR Unknown option or number of arguments for CONFIG SET - '${request.text(i)}'`,
      );
    }
    if (parameter.parse === undefined) return failed(name, "can't set immutable config");
    if (seen.has(name)) return failed(name, "duplicate parameter");
    seen.add(name);
    const change = parameter.parse(request.text(i + 1), session.server);
    if (typeof change === "string") return failed(name, change);
    changes.push(change);
  }
  for (const change of changes) change();
  return OK;
}

function failed(name: string, why: string): RespError {
  return new RespError(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);
}

const HELP: Reply = [
  "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "GET <pattern> [<pattern> [...]]",
  "    Parameters whose names match, and their values.",
  "SET <parameter> <value> [<parameter> <value> [...]]",
  "    Change parameters of this node until it stops.",
  "RESETSTAT",
  "    Set the counters of INFO to zero.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));
