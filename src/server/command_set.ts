/**
 * All commands that the server knows: data commands go to the node, session commands run here. Each
 * carries its statistics. Subcommands hang under their container (`client|list`).
 */

import { assert } from "../base/mod.ts";
import {
  type CommandDeclaration,
  type CommandFlag,
  type CommandGroup,
  CommandTable,
} from "../commands/mod.ts";
import type { Request } from "../resp/mod.ts";
import type { SessionCommand } from "./session_command.ts";

/** How a command is served; a container only holds subcommands. */
export type Route = "write" | "read" | "session" | "container";

/** One command or subcommand with what this server counted of it. */
export class Command implements CommandDeclaration {
  readonly declaration: CommandDeclaration;
  /** As in error texts and statistics: `get`, `client|list`. */
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly group: CommandGroup;
  readonly since: string;
  readonly summary: string;
  readonly route: Route;
  readonly session: SessionCommand | undefined;
  readonly noAuth: boolean;
  readonly takesKeys: boolean;
  readonly subcommands: Command[] = [];
  calls = 0;
  /** Total time from arrival to reply, in ms. */
  elapsedMs = 0;
  /** Refused before it ran: arity, authentication, a transaction's rules. */
  rejected = 0;
  /** Answered with an error. */
  failed = 0;

  constructor(declaration: CommandDeclaration, session: SessionCommand | undefined, route: Route) {
    this.declaration = declaration;
    this.name = declaration.name;
    this.arity = declaration.arity;
    this.flags = declaration.flags;
    this.group = declaration.group;
    this.since = declaration.since;
    this.summary = declaration.summary;
    this.session = session;
    this.route = route;
    this.noAuth = declaration.flags.includes("no_auth");
    this.takesKeys = declaration.keys !== undefined || declaration.findKeys !== undefined;
  }

  /** Whether a request of `length` arguments, the name included, has the right number. */
  accepts(length: number): boolean {
    return this.arity >= 0 ? length === this.arity : length >= -this.arity;
  }
}

export class CommandSet {
  readonly #table: CommandTable<Command>;
  readonly #topLevel: readonly Command[];

  constructor(data: Iterable<CommandDeclaration>, session: Iterable<SessionCommand>) {
    const commands: Command[] = [];
    for (const it of data) commands.push(new Command(it, undefined, routeOf(it)));
    for (const it of session) commands.push(new Command(it, it, "session"));
    const topLevel = new Map<string, Command>();
    for (const command of commands) {
      if (!command.name.includes("|")) topLevel.set(command.name, command);
    }
    for (const command of commands) {
      const bar = command.name.indexOf("|");
      if (bar < 0) continue;
      const name = command.name.slice(0, bar);
      let container = topLevel.get(name);
      if (container === undefined) {
        container = containerOf(name, command);
        topLevel.set(name, container);
      }
      container.subcommands.push(command);
    }
    this.#topLevel = [...topLevel.values()];
    this.#table = new CommandTable([...this.all()]);
  }

  /**
   * The command, in any case, of a request: the subcommand where the container has it. A container
   * that comes back with more arguments has no such subcommand.
   */
  lookup(request: Request): Command | undefined {
    return this.#table.lookup(request);
  }

  /** By name in lower case, `client|list` for a subcommand. */
  byName(name: string): Command | undefined {
    return this.#table.byName(name);
  }

  /** Top-level commands. */
  get size(): number {
    return this.#topLevel.length;
  }

  topLevel(): readonly Command[] {
    return this.#topLevel;
  }

  /** Commands and subcommands. */
  *all(): Generator<Command> {
    for (const command of this.#topLevel) {
      yield command;
      yield* command.subcommands;
    }
  }
}

function routeOf(declaration: CommandDeclaration): Route {
  if (declaration.flags.includes("write")) return "write";
  if (declaration.flags.includes("readonly")) return "read";
  // A container, or a subcommand such as OBJECT HELP: the machine answers it like a read.
  return declaration.name.includes("|") ? "read" : "container";
}

/** `client` for `client|list`, when nobody declares it. */
function containerOf(name: string, subcommand: Command): Command {
  const { group, since } = subcommand;
  assert(name !== "", `Cannot add ${subcommand.name}: its container has no name`);
  const summary = `Commands about the ${name}.`;
  return new Command(
    { name, arity: -2, flags: [], group, since, summary },
    undefined,
    "container",
  );
}
