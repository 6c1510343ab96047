/**
 * What a command is: a declaration that the server routes by, the machine executes, `COMMAND`
 * prints and the tests generate arguments from (redis.io/docs/latest/commands/command).
 */

import type { Prng } from "../base/mod.ts";
import type { Database, Keyspace } from "../keyspace/mod.ts";
import type { Reply, Request } from "../resp/mod.ts";

/** Flags as `COMMAND INFO` prints them. `write` and `readonly` decide the way through the node. */
export type CommandFlag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "pubsub"
  | "noscript"
  | "blocking"
  | "loading"
  | "stale"
  | "skip_monitor"
  | "skip_slowlog"
  | "asking"
  | "fast"
  | "no_auth"
  | "no_mandatory_keys"
  | "no_async_loading"
  | "no_multi"
  | "allow_busy"
  | "movablekeys";

/** Where the keys are: arguments first, first + step, … last; a negative last counts from the end. */
export interface KeyPositions {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

export type CommandGroup =
  | "string"
  | "generic"
  | "hash"
  | "transactions"
  | "connection"
  | "server"
  | "cluster";

/** What is true of every command, wherever it runs. */
export interface CommandDeclaration {
  /** Lower case; a subcommand is `config|get`. */
  readonly name: string;
  /** Number of arguments, the name included; negative for "at least". */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys?: KeyPositions;
  /** For keys whose place depends on the arguments; indices into the request. */
  readonly findKeys?: (request: Request) => number[];
  readonly group: CommandGroup;
  readonly since: string;
  /** One sentence, ours. */
  readonly summary: string;
  readonly complexity?: string;
}

/** A command that the replicated machine executes; deterministic, synchronous, no I/O. */
export interface DataCommand extends CommandDeclaration {
  readonly execute: (context: CommandContext, request: Request) => Reply;
}

/** What a data command may use. */
export interface CommandContext {
  readonly keyspace: Keyspace;
  /** The selected database. */
  readonly db: Database;
  /** ms since 1970: the entry's stamp for a write, the leader's clock for a read. */
  readonly nowMs: number;
  /** Seeded from the entry's position (writes), so that every member draws the same numbers. */
  readonly random: Prng;
}

/** Declares a data command; checks the declaration where it stands. */
export function defineCommand(command: DataCommand): DataCommand {
  return command;
}
