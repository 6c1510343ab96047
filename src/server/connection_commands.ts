/** HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET. */

import {
  OK,
  PONG,
  type Reply,
  type Request,
  RespError,
  RespMap,
  SimpleString,
} from "../resp/mod.ts";
import { parseInteger } from "./arguments.ts";
import { nameError } from "./client_commands.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR, wrongArity } from "./errors.ts";
import type { Session } from "./session.ts";
import { BLOCKED, defineSessionCommand, type SessionReply } from "./session_command.ts";
import { DATABASES, REDIS_VERSION } from "./settings.ts";

const NO_PASSWORD_SET = new RespError(
  "ERR AUTH <password> called without any password configured for the default user. Are you sure " +
    "your configuration is correct?",
);
const WRONG_PASSWORD = new RespError(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const HELLO_NEEDS_AUTH = new RespError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO " +
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol " +
    "version at the same time",
);
const I32_MAX = 2_147_483_647;
const NOT_AN_I32 = new RespError(
  `ERR value is out of range, value must between ${-I32_MAX - 1} and ${I32_MAX}`,
);
const RESET_DONE = new SimpleString("RESET");

/** The only user there is. */
export const DEFAULT_USER = "default";

export const connectionCommands = [
  defineSessionCommand({
    name: "hello",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "6.0.0",
    summary: "Chooses RESP2 or RESP3 and says what this server is; may log in and set a name.",
    complexity: "O(1)",
    execute: hello,
  }),
  defineSessionCommand({
    name: "auth",
    arity: -2,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "1.0.0",
    summary: "Logs in with the server's password.",
    complexity: "O(1)",
    execute: auth,
  }),
  defineSessionCommand({
    name: "ping",
    arity: -1,
    flags: ["fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Answers PONG, or the given message.",
    complexity: "O(1)",
    execute: (_session, request) => {
      if (request.length > 2) return wrongArity("ping");
      return request.length === 1 ? PONG : request.text(1);
    },
  }),
  defineSessionCommand({
    name: "echo",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Answers the given message.",
    complexity: "O(1)",
    execute: (_session, request) => request.text(1),
  }),
  defineSessionCommand({
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Chooses the database of this connection.",
    complexity: "O(1)",
    execute: select,
  }),
  defineSessionCommand({
    name: "quit",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "1.0.0",
    summary: "Answers OK and closes the connection; nothing sent after it runs.",
    complexity: "O(1)",
    notQueued: true,
    execute: (session) => {
      session.closeAfterReplies();
      return OK;
    },
  }),
  defineSessionCommand({
    name: "reset",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    group: "connection",
    since: "6.2.0",
    summary: "Puts the connection back into its first state, logged out included.",
    complexity: "O(1)",
    notQueued: true,
    execute: (session) => {
      session.reset();
      return RESET_DONE;
    },
  }),
];

function select(session: Session, request: Request): Reply {
  const index = parseInteger(request.text(1));
  if (index === undefined) return NOT_AN_INTEGER;
  if (index > I32_MAX || index < -I32_MAX - 1) return NOT_AN_I32;
  if (index < 0 || index >= DATABASES) return new RespError("ERR DB index is out of range");
  session.db = index;
  return OK;
}

function auth(session: Session, request: Request): SessionReply {
  if (request.length > 3) return SYNTAX_ERROR;
  const { authentication } = session.server;
  if (request.length === 2 && !authentication.required) return NO_PASSWORD_SET;
  const user = request.length === 3 ? request.text(1) : DEFAULT_USER;
  if (logIn(session, user, request.text(request.length - 1))) return OK;
  return refuseLogIn(session);
}

/** Whether user and password are right; then the session is logged in. */
function logIn(session: Session, user: string, password: string): boolean {
  const { authentication } = session.server;
  // Both sides are evaluated, so that the time does not tell a known user from an unknown one.
  const matches = authentication.matches(password) || !authentication.required;
  if (user !== DEFAULT_USER || !matches) return false;
  authentication.noteSuccess(session.connection.remoteHostname);
  session.admit();
  return true;
}

/** Counts the failure; the more there were from this host, the later the answer. */
function refuseLogIn(session: Session): SessionReply {
  const { authentication, clock, stats, logger } = session.server;
  stats.authFailures++;
  const hostname = session.connection.remoteHostname;
  const delayMs = authentication.noteFailure(hostname, clock.nowMs());
  logger.warn("A client failed to log in", { client: session.remoteAddress });
  if (delayMs === 0 || session.insideExec) return WRONG_PASSWORD;
  const timer = clock.setTimer(delayMs, () => session.unblock(WRONG_PASSWORD));
  session.onUnblocked = () => timer.cancel();
  return BLOCKED;
}

function hello(session: Session, request: Request): SessionReply {
  let version = session.replies.version;
  if (request.length > 1) {
    const wanted = parseInteger(request.text(1));
    if (wanted === undefined) {
      return new RespError("ERR Protocol version is not an integer or out of range");
    }
    if (wanted !== 2 && wanted !== 3) {
      return new RespError("NOPROTO unsupported protocol version");
    }
    version = wanted;
  }
  for (let i = 2; i < request.length; i++) {
    const option = request.lower(i);
    const left = request.length - 1 - i;
    if (option === "auth" && left >= 2) {
      if (!logIn(session, request.text(i + 1), request.text(i + 2))) return refuseLogIn(session);
      i += 2;
    } else if (option === "setname" && left >= 1) {
      const name = request.text(++i);
      const error = nameError("Client names", name);
      if (error !== undefined) return error;
      session.name = name;
    } else {
      return new RespError(`ERR Syntax error in HELLO option '${request.text(i)}'`);
    }
  }
  if (!session.authenticated) return HELLO_NEEDS_AUTH;
  session.replies.version = version;
  return serverGreeting(session);
}

function serverGreeting(session: Session): Reply {
  const { server } = session;
  return new RespMap([
    "server",
    "redis",
    "version",
    REDIS_VERSION,
    "proto",
    session.replies.version,
    "id",
    session.id,
    "mode",
    server.redirects ? "cluster" : "standalone",
    "role",
    server.recentView().role === "leader" ? "master" : "replica",
    "modules",
    [],
  ]);
}
