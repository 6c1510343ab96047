/** CLIENT and its subcommands. */

import {
  OK,
  type Reply,
  type Request,
  RespError,
  RespVerbatim,
  SimpleString,
} from "../resp/mod.ts";
import { parseInteger } from "./arguments.ts";
import { describeClient, killFilter, oldKillFilter } from "./client_list.ts";
import { NOT_AN_INTEGER, subcommandSyntax, SYNTAX_ERROR } from "./errors.ts";
import type { Session } from "./session.ts";
import {
  defineSessionCommand,
  NO_REPLY,
  type SessionCommand,
  type SessionReply,
} from "./session_command.ts";

const USER_FLAGS = ["noscript", "loading", "stale"] as const;
const ADMIN_FLAGS = ["admin", "noscript", "loading", "stale"] as const;

function clientCommand(
  name: string,
  part: Pick<SessionCommand, "arity" | "flags" | "since" | "summary" | "execute">,
): SessionCommand {
  return defineSessionCommand({
    name: `client|${name}`,
    group: "connection",
    complexity: "O(1)",
    ...part,
  });
}

export const clientCommands: readonly SessionCommand[] = [
  clientCommand("id", {
    arity: 2,
    flags: USER_FLAGS,
    since: "5.0.0",
    summary: "The number of this connection.",
    execute: (session) => session.id,
  }),
  clientCommand("info", {
    arity: 2,
    flags: USER_FLAGS,
    since: "6.2.0",
    summary: "What the server knows of this connection.",
    execute: (session) => new RespVerbatim(describeClient(session)),
  }),
  clientCommand("list", {
    arity: -2,
    flags: ADMIN_FLAGS,
    since: "2.4.0",
    summary: "What the server knows of its connections.",
    execute: list,
  }),
  clientCommand("setname", {
    arity: 3,
    flags: USER_FLAGS,
    since: "2.6.9",
    summary: "Gives this connection a name.",
    execute: (session, request) => {
      const name = request.text(2);
      const error = nameError("Client names", name);
      if (error !== undefined) return error;
      session.name = name;
      return OK;
    },
  }),
  clientCommand("getname", {
    arity: 2,
    flags: USER_FLAGS,
    since: "2.6.9",
    summary: "The name of this connection.",
    execute: (session) => session.name === "" ? null : session.name,
  }),
  clientCommand("setinfo", {
    arity: 4,
    flags: USER_FLAGS,
    since: "7.2.0",
    summary: "Notes the name or version of the client's library.",
    execute: setInfo,
  }),
  clientCommand("kill", {
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "2.4.0",
    summary: "Closes connections.",
    execute: kill,
  }),
  clientCommand("pause", {
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "3.0.0",
    summary: "Makes all commands, or writes, of this node's clients wait.",
    execute: pause,
  }),
  clientCommand("unpause", {
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "6.2.0",
    summary: "Ends CLIENT PAUSE.",
    execute: (session) => {
      session.server.unpause();
      return OK;
    },
  }),
  clientCommand("reply", {
    arity: 3,
    flags: USER_FLAGS,
    since: "3.2.0",
    summary: "Turns replies off and on.",
    execute: reply,
  }),
  clientCommand("unblock", {
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "5.0.0",
    summary: "Ends the wait of another connection's blocking command.",
    execute: unblock,
  }),
  clientCommand("no-evict", {
    arity: 3,
    flags: ADMIN_FLAGS,
    since: "7.0.0",
    summary: "Marks this connection as one that memory pressure must not close.",
    execute: (session, request) => {
      const on = onOrOff(request, 2);
      if (on === undefined) return SYNTAX_ERROR;
      session.noEvict = on;
      return OK;
    },
  }),
  clientCommand("no-touch", {
    arity: 3,
    flags: USER_FLAGS,
    since: "7.2.0",
    summary: "Marks this connection as one whose reads do not count as use of a key.",
    execute: (session, request) => {
      const on = onOrOff(request, 2);
      if (on === undefined) return SYNTAX_ERROR;
      session.noTouch = on;
      return OK;
    },
  }),
  clientCommand("help", {
    arity: 2,
    flags: ["loading", "stale"],
    since: "5.0.0",
    summary: "Lists the subcommands.",
    execute: () => HELP,
  }),
];

/** The error for a name with blanks or control characters in it. */
export function nameError(what: string, name: string): RespError | undefined {
  if (/^[!-~]*$/.test(name)) return undefined;
  return new RespError(`ERR ${what} cannot contain spaces, newlines or special characters.`);
}

function onOrOff(request: Request, i: number): boolean | undefined {
  const text = request.lower(i);
  return text === "on" ? true : text === "off" ? false : undefined;
}

const CLIENT_TYPES = ["normal", "master", "replica", "slave", "pubsub"];

/** The error for a type that is none. Every connection here is of type `normal`. */
export function typeError(type: string): RespError | undefined {
  if (CLIENT_TYPES.includes(type.toLowerCase())) return undefined;
  return new RespError(`ERR Unknown client type '${type}'`);
}

function list(session: Session, request: Request): Reply {
  const sessions = session.server.sessions;
  let chosen = [...sessions.values()];
  if (request.length === 4 && request.lower(2) === "type") {
    const error = typeError(request.text(3));
    if (error !== undefined) return error;
    if (request.lower(3) !== "normal") chosen = [];
  } else if (request.length > 3 && request.lower(2) === "id") {
    chosen = [];
    for (let i = 3; i < request.length; i++) {
      const id = parseInteger(request.text(i));
      if (id === undefined) return new RespError("ERR Invalid client ID");
      const found = sessions.get(id);
      if (found !== undefined) chosen.push(found);
    }
  } else if (request.length !== 2) return SYNTAX_ERROR;
  return new RespVerbatim(chosen.map(describeClient).join(""));
}

function setInfo(session: Session, request: Request): Reply {
  const attribute = request.lower(2);
  const value = request.text(3);
  if (attribute !== "lib-name" && attribute !== "lib-ver") {
    return new RespError(`ERR Unrecognized option '${request.text(2)}'`);
  }
  const error = nameError(attribute, value);
  if (error !== undefined) return error;
  if (attribute === "lib-name") session.libraryName = value;
  else session.libraryVersion = value;
  return OK;
}

function kill(session: Session, request: Request): Reply {
  const old = request.length === 3;
  const filter = old ? oldKillFilter(request) : killFilter(session, request);
  if (filter instanceof RespError) return filter;
  let killed = 0;
  for (const other of [...session.server.sessions.values()]) {
    if (!filter(other)) continue;
    killed++;
    // The client that asks reads its reply first.
    if (other === session) session.closeAfterReplies();
    else other.destroy();
  }
  if (!old) return killed;
  return killed === 0 ? new RespError("ERR No such client") : OK;
}

function pause(session: Session, request: Request): Reply {
  if (request.length > 4) return subcommandSyntax(request);
  const mode = request.length === 4 ? request.lower(3) : "all";
  if (mode !== "all" && mode !== "write") {
    return new RespError("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  const forMs = parseInteger(request.text(2));
  if (forMs === undefined) return new RespError("ERR timeout is not an integer or out of range");
  if (forMs < 0) return new RespError("ERR timeout is negative");
  session.server.pause(mode, session.server.clock.nowMs() + forMs);
  return OK;
}

function reply(session: Session, request: Request): SessionReply {
  const mode = request.lower(2);
  if (mode === "on") {
    session.replies.turnOn();
    return OK;
  }
  if (mode === "off") session.replies.off = true;
  else if (mode === "skip") session.replies.skipNext();
  else return SYNTAX_ERROR;
  return NO_REPLY;
}

function unblock(session: Session, request: Request): Reply {
  if (request.length > 4) return subcommandSyntax(request);
  const reason = request.length === 4 ? request.lower(3) : "timeout";
  if (reason !== "timeout" && reason !== "error") {
    return new RespError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  const id = parseInteger(request.text(2));
  if (id === undefined) return NOT_AN_INTEGER;
  const target = session.server.sessions.get(id);
  if (target?.interrupt === undefined) return 0;
  target.interrupt(reason);
  return 1;
}

const HELP: Reply = [
  "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "GETNAME",
  "    The name of the current connection.",
  "ID",
  "    The number of the current connection.",
  "INFO",
  "    What the server knows of the current connection.",
  "KILL <ip:port>",
  "    Close the connection made from <ip:port>.",
  "KILL <option> <value> [<option> <value> [...]]",
  "    Close connections. Options are:",
  "    * ADDR <ip:port>, LADDR <ip:port>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB),",
  "      USER <username>, ID <client-id>, SKIPME (YES|NO)",
  "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> [...]]]",
  "    What the server knows of its connections.",
  "NO-EVICT (ON|OFF), NO-TOUCH (ON|OFF)",
  "    Marks of the current connection.",
  "PAUSE <timeout> [WRITE|ALL]",
  "    Make all, or just write, commands of this node's clients wait for <timeout> milliseconds.",
  "REPLY (ON|OFF|SKIP)",
  "    Control the replies sent to the current connection.",
  "SETINFO (LIB-NAME|LIB-VER) <value>",
  "    Note the client's library.",
  "SETNAME <name>",
  "    Name the current connection.",
  "UNBLOCK <clientid> [TIMEOUT|ERROR]",
  "    End the wait of a blocked connection.",
  "UNPAUSE",
  "    End CLIENT PAUSE.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));
