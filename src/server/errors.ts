/** Error replies in Redis's words, and those of a cluster that cannot answer. */

import { unreachable } from "../base/mod.ts";
import { type Request, RespError } from "../resp/mod.ts";
import type { OperationFailure } from "../node/mod.ts";

export const NO_AUTH = new RespError("NOAUTH Authentication required.");
export const SYNTAX_ERROR = new RespError("ERR syntax error");
export const NOT_AN_INTEGER = new RespError("ERR value is not an integer or out of range");

export const MAX_CLIENTS_TEXT = "-ERR max number of clients reached\r\n";

/** What a remote client reads when nothing protects the node (architecture D12). */
export const PROTECTED_MODE_TEXT =
  "-DENIED Redis is running in protected mode because protected mode is enabled and no password is " +
  "set for the default user. In this mode connections are only accepted from the loopback " +
  "interface. If you want to connect from external computers to Redis you may adopt one of the " +
  "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET " +
  "protected-mode no' from the loopback interface by connecting to Redis from the same host the " +
  "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do " +
  "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the " +
  "protected mode by editing the Redis configuration file, and setting the protected mode option " +
  "to 'no', and then restarting the server. 3) If you started the server manually just for " +
  "testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication " +
  "password for the default user. NOTE: You only need to do one of the above things in order for " +
  "the server to start accepting connections from the outside.\r\n";

/** Names and arguments in error texts are cut here. */
const SHOWN_BYTES_MAX = 128;

export function wrongArity(name: string): RespError {
  return new RespError(`ERR wrong number of arguments for '${name}' command`);
}

export function unknownCommand(request: Request): RespError {
  let shown = "";
  for (let i = 1; i < request.length && shown.length < SHOWN_BYTES_MAX; i++) {
    const room = SHOWN_BYTES_MAX - shown.length;
    shown += `'${shownText(request.text(i), room)}' `;
  }
  const name = shownText(request.text(0), SHOWN_BYTES_MAX);
  return new RespError(`ERR unknown command '${name}', with args beginning with: ${shown}`);
}

export function unknownSubcommand(container: string, request: Request): RespError {
  const name = shownText(request.text(1), SHOWN_BYTES_MAX);
  return new RespError(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`);
}

/** EXEC itself was refused, so its transaction is gone. */
export function execRefused(error: RespError): RespError {
  const why = error.text.replace(/^ERR /, "");
  return new RespError(`EXECABORT Transaction discarded because of: ${why}`);
}

/** A subcommand that exists, with arguments that it does not take. */
export function subcommandSyntax(request: Request): RespError {
  const name = shownText(request.text(1), SHOWN_BYTES_MAX);
  const container = request.text(0).toUpperCase();
  return new RespError(
    `ERR unknown subcommand or wrong number of arguments for '${name}'. Try ${container} HELP.`,
  );
}

/** Like `%.*s` of C: at most `bytesMax` bytes, and nothing behind a NUL. */
function shownText(text: string, bytesMax: number): string {
  const cut = text.slice(0, bytesMax);
  const nul = cut.indexOf("\0");
  return nul < 0 ? cut : cut.slice(0, nul);
}

/**
 * The code tells a client what it may do: cluster clients retry `CLUSTERDOWN`, which is right when
 * the command had no effect; nobody retries `UNCERTAIN` by itself (architecture P4).
 */
export function failureReply({ effect, reason }: OperationFailure): RespError {
  switch (effect) {
    case "notApplied":
      return new RespError(`CLUSTERDOWN The command was not applied: ${reason}`);
    case "maybeApplied":
      return new RespError(`UNCERTAIN The command may or may not have been applied: ${reason}`);
    case "applied":
      return new RespError(`UNCERTAIN The command was applied, its reply is lost: ${reason}`);
    default:
      return unreachable(effect);
  }
}
