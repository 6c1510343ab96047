/**
 * All commands that the server knows, looked up by the bytes a client sent. Data commands go to the
 * node; session commands run here. Subcommands hang under their container (`client|list`).
 */

import { assert, bytesFromLatin1 } from "../base/mod.ts";
import type { CommandDeclaration } from "../commands/mod.ts";
import type { Request } from "../resp/mod.ts";
import type { SessionCommand } from "./session_command.ts";

/** How a command is served; a container only holds subcommands. */
export type Route = "write" | "read" | "session" | "container";

/** One command or subcommand with what this server counted of it. */
export class Command {
  readonly declaration: CommandDeclaration;
  /** As in error texts and statistics: `get`, `client|list`. */
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly route: Route;
  readonly session: SessionCommand | undefined;
  readonly arity: number;
  readonly noAuth: boolean;
  readonly takesKeys: boolean;
  readonly subcommands = new Map<string, Command>();
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
    this.nameBytes = bytesFromLatin1(declaration.name);
    this.session = session;
    this.route = route;
    this.arity = declaration.arity;
    this.noAuth = declaration.flags.includes("no_auth");
    this.takesKeys = declaration.keys !== undefined || declaration.findKeys !== undefined;
  }

  /** Whether a request of `length` arguments, the name included, has the right number. */
  accepts(length: number): boolean {
    return this.arity >= 0 ? length === this.arity : length >= -this.arity;
  }
}

export class CommandSet {
  readonly #slots: (Command | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #topLevel = new Map<string, Command>();

  constructor(data: Iterable<CommandDeclaration>, session: Iterable<SessionCommand>) {
    const declared: [CommandDeclaration, SessionCommand | undefined][] = [];
    for (const declaration of data) declared.push([declaration, undefined]);
    for (const command of session) declared.push([command, command]);
    // Containers first, so that a declared one is not taken for missing.
    declared.sort((a, b) => Number(a[0].name.includes("|")) - Number(b[0].name.includes("|")));
    for (const [declaration, command] of declared) this.#add(declaration, command);
    assert(this.#topLevel.size < SLOTS / 2, "Cannot hold so many commands: enlarge the table");
  }

  /** The command that argument 0 names, in any case; no subcommand is looked at. */
  lookup(request: Request): Command | undefined {
    const { buffer, ranges } = request;
    const start = ranges[0];
    const length = ranges[1] - start;
    let hash = length;
    for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + lowered(buffer[start + i])) | 0;
    for (let slot = hash & (SLOTS - 1);; slot = (slot + 1) & (SLOTS - 1)) {
      const command = this.#slots[slot];
      if (command === undefined) return undefined;
      if (sameName(command.nameBytes, buffer, start, length)) return command;
    }
  }

  /** By name in lower case, `client|list` for a subcommand. */
  byName(name: string): Command | undefined {
    const bar = name.indexOf("|");
    if (bar < 0) return this.#topLevel.get(name);
    return this.#topLevel.get(name.slice(0, bar))?.subcommands.get(name.slice(bar + 1));
  }

  /** Top-level commands. */
  get size(): number {
    return this.#topLevel.size;
  }

  topLevel(): Iterable<Command> {
    return this.#topLevel.values();
  }

  /** Commands and subcommands. */
  *all(): Generator<Command> {
    for (const command of this.#topLevel.values()) {
      yield command;
      yield* command.subcommands.values();
    }
  }

  #add(declaration: CommandDeclaration, session: SessionCommand | undefined): void {
    const bar = declaration.name.indexOf("|");
    const command = new Command(declaration, session, routeOf(declaration, session));
    if (bar < 0) return this.#addTopLevel(command);
    const containerName = declaration.name.slice(0, bar);
    let container = this.#topLevel.get(containerName);
    if (container === undefined) {
      container = new Command(
        { ...declaration, name: containerName, arity: -2, flags: [], keys: undefined },
        undefined,
        "container",
      );
      this.#addTopLevel(container);
    }
    const subName = declaration.name.slice(bar + 1);
    assert(!container.subcommands.has(subName), `Cannot add ${declaration.name} twice`);
    container.subcommands.set(subName, command);
  }

  #addTopLevel(command: Command): void {
    assert(!this.#topLevel.has(command.name), `Cannot add command ${command.name} twice`);
    this.#topLevel.set(command.name, command);
    let hash = command.nameBytes.length;
    for (const byte of command.nameBytes) hash = (Math.imul(hash, 31) + byte) | 0;
    let slot = hash & (SLOTS - 1);
    while (this.#slots[slot] !== undefined) slot = (slot + 1) & (SLOTS - 1);
    this.#slots[slot] = command;
  }
}

/** A power of two, more than twice the number of commands that Redis has. */
const SLOTS = 2048;

function routeOf(declaration: CommandDeclaration, session: SessionCommand | undefined): Route {
  if (session !== undefined) return "session";
  if (declaration.flags.includes("write")) return "write";
  if (declaration.flags.includes("readonly")) return "read";
  // A container, or a subcommand such as OBJECT HELP: the machine answers it like a read.
  return declaration.name.includes("|") ? "read" : "container";
}

function lowered(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte;
}

function sameName(name: Uint8Array, buffer: Uint8Array, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (lowered(buffer[start + i]) !== name[i]) return false;
  return true;
}
