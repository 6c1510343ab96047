/**
 * Finding a command by the bytes of its name, in any case, without making a string: this runs for
 * every command on every member. A small open-addressing table over the declared names.
 */

import { assert } from "../base/mod.ts";
import type { Request } from "../resp/mod.ts";
import type { CommandDeclaration } from "./define.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Commands by name; `T` is what a table's owner declares. Read-only once made. */
export class CommandTable<T extends CommandDeclaration> {
  readonly commands: readonly T[];
  readonly #slots: (T | undefined)[];
  readonly #mask: number;
  /** Containers with subcommands: `object` → `encoding` → declaration. */
  readonly #subcommands = new Map<string, Map<string, T>>();

  constructor(commands: readonly T[]) {
    this.commands = commands;
    let size = 64;
    while (size < commands.length * 4) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Array(size).fill(undefined);
    for (const command of commands) this.#insert(command);
    for (const container of this.#subcommands.keys()) {
      assert(
        this.byName(container) !== undefined,
        `Cannot declare subcommands of ${container}: the container itself is not declared`,
      );
    }
  }

  /**
   * The command of a request. A container with a known subcommand gives the subcommand; with an
   * unknown one, or none, the container, whose execution answers the error.
   */
  lookup(request: Request): T | undefined {
    if (request.length === 0) return undefined;
    const command = this.#find(request.buffer, request.ranges[0], request.ranges[1]);
    if (command === undefined || request.length === 1 || this.#subcommands.size === 0) {
      return command;
    }
    const subcommands = this.#subcommands.get(command.name);
    if (subcommands === undefined || request.byteLength(1) > 64) return command;
    return subcommands.get(request.lower(1)) ?? command;
  }

  /** A command by its declared name, `object|encoding` included. */
  byName(name: string): T | undefined {
    const bar = name.indexOf("|");
    if (bar >= 0) return this.#subcommands.get(name.slice(0, bar))?.get(name.slice(bar + 1));
    for (let slot = hashOfText(name) & this.#mask;; slot = (slot + 1) & this.#mask) {
      const command = this.#slots[slot];
      if (command === undefined || command.name === name) return command;
    }
  }

  /** The subcommands of a container; empty for any other command. */
  subcommandsOf(name: string): readonly T[] {
    return [...this.#subcommands.get(name)?.values() ?? []];
  }

  #insert(command: T): void {
    assert(
      this.byName(command.name) === undefined,
      `Cannot declare ${command.name} twice`,
    );
    const bar = command.name.indexOf("|");
    if (bar >= 0) {
      const container = command.name.slice(0, bar);
      const subcommands = this.#subcommands.get(container) ?? new Map<string, T>();
      subcommands.set(command.name.slice(bar + 1), command);
      this.#subcommands.set(container, subcommands);
      return;
    }
    let slot = hashOfText(command.name) & this.#mask;
    while (this.#slots[slot] !== undefined) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = command;
  }

  #find(bytes: Uint8Array, start: number, end: number): T | undefined {
    let hash = FNV_OFFSET;
    for (let at = start; at < end; at++) {
      const byte = bytes[at];
      hash = Math.imul(hash ^ (byte >= 65 && byte <= 90 ? byte + 32 : byte), FNV_PRIME);
    }
    for (let slot = mixed(hash) & this.#mask;; slot = (slot + 1) & this.#mask) {
      const command = this.#slots[slot];
      if (command === undefined || sameName(command.name, bytes, start, end)) return command;
    }
  }
}

function hashOfText(name: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FNV_PRIME);
  return mixed(hash);
}

function mixed(hash: number): number {
  return hash ^ (hash >>> 15);
}

function sameName(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i];
    if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== name.charCodeAt(i)) return false;
  }
  return true;
}
