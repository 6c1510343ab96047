/** Connections as text (`CLIENT LIST`), and which of them `CLIENT KILL` means. */

import { type Request, RespError } from "../resp/mod.ts";
import { parseInteger } from "./arguments.ts";
import { typeError } from "./client_commands.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import type { Session } from "./session.ts";

/** The only user there is. */
const DEFAULT_USER = "default";

/** One line, ended by LF. Memory is what this process knows of it: buffers, not objects. */
export function describeClient(session: Session): string {
  const { server, connection } = session;
  const nowMs = server.clock.nowMs();
  const outputBytes = connection.pendingBytes;
  const queueBytes = session.transaction?.bytes ?? 0;
  const held = session.queryBufferBytes;
  const fields: [string, string | number][] = [
    ["id", session.id],
    ["addr", session.remoteAddress],
    ["laddr", session.localAddress],
    ["fd", -1],
    ["name", session.name],
    ["age", Math.floor((nowMs - session.connectedMs) / 1000)],
    ["idle", Math.floor((nowMs - session.lastInputMs) / 1000)],
    ["flags", clientFlags(session)],
    ["db", session.db],
    ["sub", 0],
    ["psub", 0],
    ["ssub", 0],
    ["multi", session.transaction?.length ?? -1],
    ["qbuf", session.queryBytes],
    ["qbuf-free", Math.max(0, held - session.queryBytes)],
    ["multi-mem", queueBytes],
    ["obl", 0],
    ["oll", session.replies.length],
    ["omem", outputBytes],
    ["tot-mem", outputBytes + queueBytes + held],
    ["events", outputBytes > 0 ? "rw" : "r"],
    ["cmd", session.lastCommand?.name ?? "NULL"],
    ["user", DEFAULT_USER],
    ["redir", -1],
    ["resp", session.replies.version],
    ["lib-name", session.libraryName],
    ["lib-ver", session.libraryVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(" ") + "\n";
}

function clientFlags(session: Session): string {
  let flags = "";
  if (session.blocked) flags += "b";
  if (session.transaction !== undefined) flags += "x";
  if (session.lane.readsLocally) flags += "r";
  if (session.noEvict) flags += "e";
  return flags === "" ? "N" : flags;
}

type Filter = (session: Session) => boolean;

/** `CLIENT KILL address`: the asking client is not spared. */
export function oldKillFilter(request: Request): Filter {
  const address = request.text(2);
  return (other) => other.remoteAddress === address;
}

/** `CLIENT KILL option value …`: every option must hold. */
export function killFilter(session: Session, request: Request): Filter | RespError {
  const tests: Filter[] = [];
  let skipMe = true;
  for (let i = 2; i < request.length; i += 2) {
    if (i + 1 >= request.length) return SYNTAX_ERROR;
    const value = request.text(i + 1);
    const option = request.lower(i);
    if (option === "skipme") {
      const answer = request.lower(i + 1);
      if (answer !== "yes" && answer !== "no") return SYNTAX_ERROR;
      skipMe = answer === "yes";
      continue;
    }
    const test = killTest(option, value);
    if (test instanceof RespError) return test;
    tests.push(test);
  }
  return (other) => !(skipMe && other === session) && tests.every((test) => test(other));
}

function killTest(option: string, value: string): Filter | RespError {
  switch (option) {
    case "id": {
      const id = parseInteger(value);
      if (id === undefined || id < 1) {
        return new RespError("ERR client-id should be greater than 0");
      }
      return (other) => other.id === id;
    }
    case "type":
      return typeError(value) ?? (() => value.toLowerCase() === "normal");
    case "addr":
      return (other) => other.remoteAddress === value;
    case "laddr":
      return (other) => other.localAddress === value;
    case "user":
      if (value !== DEFAULT_USER) return new RespError(`ERR No such user '${value}'`);
      return () => true;
    default:
      return SYNTAX_ERROR;
  }
}
