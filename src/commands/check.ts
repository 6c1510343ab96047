/** What is checked of a request before its command runs, from the declaration alone. */

import { type Request, RespError } from "../resp/mod.ts";
import type { CommandDeclaration } from "./define.ts";

/** Whether the number of arguments is one the command takes. */
export function arityFits(command: CommandDeclaration, request: Request): boolean {
  return command.arity >= 0 ? request.length === command.arity : request.length >= -command.arity;
}

/** Indices of the arguments that are keys. The number of arguments must fit. */
export function keysOf(command: CommandDeclaration, request: Request): number[] {
  if (command.findKeys !== undefined) return command.findKeys(request);
  const positions = command.keys;
  if (positions === undefined) return [];
  const last = positions.last < 0 ? request.length + positions.last : positions.last;
  const keys: number[] = [];
  for (let i = positions.first; i <= last; i += positions.step) keys.push(i);
  return keys;
}

/** Whether a command writes, and so goes through the log. */
export function isWrite(command: CommandDeclaration): boolean {
  return command.flags.includes("write");
}

/** The error for a name that no table knows (Redis `rejectCommand`, 128 bytes of each part). */
export function unknownCommand(request: Request): RespError {
  const name = cut(request.text(0), UNKNOWN_TEXT_MAX);
  let shown = "";
  for (let i = 1; i < request.length && shown.length < UNKNOWN_TEXT_MAX; i++) {
    shown += `'${cut(request.text(i), UNKNOWN_TEXT_MAX - shown.length)}' `;
  }
  return new RespError(
    spaced(`ERR unknown command '${name}', with args beginning with: ${shown}`),
  );
}

/** The error for a container's subcommand that is not declared; `HELP` is suggested. */
export function unknownSubcommand(container: string, request: Request): RespError {
  const name = cut(request.text(1), UNKNOWN_TEXT_MAX);
  return new RespError(
    spaced(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`),
  );
}

/** As C's `%.*s`: at most `bytesMax` bytes, and none from the first NUL on. */
function cut(text: string, bytesMax: number): string {
  const nul = text.indexOf("\0");
  return text.slice(0, nul < 0 ? bytesMax : Math.min(nul, bytesMax));
}

/** Line ends of the client's would split the reply. */
function spaced(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}

const UNKNOWN_TEXT_MAX = 128;
