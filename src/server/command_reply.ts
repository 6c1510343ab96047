/**
 * What COMMAND INFO and COMMAND DOCS answer. Flags, categories, tips, key specifications and argument
 * syntax come from `command_metadata.json`, which scripts/command_metadata.ts takes from a real
 * Redis 7.0; summaries are our own.
 */

import { type Reply, type Request, RespMap, RespSet, SimpleString } from "../resp/mod.ts";
import type { Command } from "./command_set.ts";
import table from "./command_metadata.json" with { type: "json" };

/** A reply as JSON: `["map", …]` and `["set", …]` mark their kind, `["list", …]` is an array. */
type StoredReply = string | number | null | readonly StoredReply[];

interface StoredCommand {
  readonly flags: readonly string[];
  readonly keys: readonly [first: number, last: number, step: number];
  readonly categories: readonly string[];
  readonly tips: readonly string[];
  readonly keySpecs: StoredReply;
  /** What follows `group` and `complexity` in COMMAND DOCS. */
  readonly docs: StoredReply;
}

/** Facts of a command; those Redis 7.0 does not have are described from their declaration. */
export interface CommandMetadata {
  readonly flags: readonly string[];
  readonly keys: readonly [first: number, last: number, step: number];
  readonly categories: readonly string[];
  readonly tips: readonly string[];
  readonly keySpecs: Reply;
  readonly docs: readonly Reply[];
}

const stored = new Map(Object.entries(table as unknown as Record<string, StoredCommand>));
const revived = new Map<string, CommandMetadata>();

export function metadataOf(command: Command): CommandMetadata {
  let metadata = revived.get(command.name);
  if (metadata === undefined) {
    const known = stored.get(command.name);
    metadata = known === undefined ? fromDeclaration(command) : revive(known);
    revived.set(command.name, metadata);
  }
  return metadata;
}

function revive(known: StoredCommand): CommandMetadata {
  const docs = replyOf(known.docs);
  return {
    ...known,
    keySpecs: replyOf(known.keySpecs),
    docs: docs as readonly Reply[],
  };
}

function fromDeclaration({ declaration }: Command): CommandMetadata {
  const { flags, keys, group } = declaration;
  const categories: string[] = [];
  if (flags.includes("admin")) categories.push("@admin", "@dangerous");
  if (flags.includes("readonly")) categories.push("@read");
  if (flags.includes("write")) categories.push("@write");
  if (group === "connection") categories.push("@connection");
  categories.push(flags.includes("fast") ? "@fast" : "@slow");
  return {
    flags,
    keys: [keys?.first ?? 0, keys?.last ?? 0, keys?.step ?? 0],
    categories,
    tips: [],
    keySpecs: [],
    docs: [],
  };
}

function replyOf(value: StoredReply): Reply {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "string") {
    return value.startsWith("+") ? new SimpleString(value.slice(1)) : value;
  }
  const [kind, ...items] = value;
  const replies = items.map(replyOf);
  return kind === "map" ? new RespMap(replies) : kind === "set" ? new RespSet(replies) : replies;
}

function statuses(names: readonly string[]): RespSet {
  return new RespSet(names.map((name) => new SimpleString(name)));
}

/** The ten elements of COMMAND INFO. */
export function commandInfo(command: Command): Reply {
  const metadata = metadataOf(command);
  return [
    command.name,
    command.arity,
    statuses(metadata.flags),
    ...metadata.keys,
    statuses(metadata.categories),
    metadata.tips,
    metadata.keySpecs,
    command.subcommands.map(commandInfo),
  ];
}

export function commandDocs(command: Command): Reply {
  const { declaration } = command;
  const flat: Reply[] = [
    "summary",
    declaration.summary,
    "since",
    declaration.since,
    "group",
    declaration.group,
  ];
  if (declaration.complexity !== undefined) flat.push("complexity", declaration.complexity);
  flat.push(...metadataOf(command).docs);
  if (command.subcommands.length > 0) {
    const subcommands: Reply[] = [];
    for (const sub of command.subcommands) subcommands.push(sub.name, commandDocs(sub));
    flat.push("subcommands", new RespMap(subcommands));
  }
  return new RespMap(flat);
}

/** What a command does with each of its keys, as sets of flags (`RO`, `access`, …). */
export function keyAccess(
  command: Command,
  request: Request,
  indices: readonly number[],
): Reply[] {
  const { keySpecs } = metadataOf(command);
  const specs = (keySpecs instanceof RespSet ? keySpecs.members : []) as readonly RespMap[];
  if (command.name === "set") return [setAccess(request)];
  const fallback = new RespSet([]);
  return indices.map((index) => {
    const spec = specs.find((candidate) => covers(candidate, index, request.length)) ?? specs[0];
    return spec === undefined ? fallback : field(spec, "flags") ?? fallback;
  });
}

/** The one command whose access depends on its options. */
function setAccess(request: Request): RespSet {
  for (let i = 3; i < request.length; i++) {
    if (request.lower(i) === "get") return statuses(["RW", "access", "update"]);
  }
  return statuses(["OW", "update"]);
}

function field(map: RespMap, name: string): Reply | undefined {
  const at = map.flat.indexOf(name);
  return at < 0 ? undefined : map.flat[at + 1];
}

function inner(map: RespMap, name: string): RespMap | undefined {
  const found = field(map, name);
  return found instanceof RespMap ? found : undefined;
}

/** Whether a key specification of the kind "index and range" covers an argument. */
function covers(spec: RespMap, index: number, length: number): boolean {
  const begin = inner(inner(spec, "begin_search") ?? spec, "spec");
  const range = inner(inner(spec, "find_keys") ?? spec, "spec");
  if (begin === undefined || range === undefined) return false;
  const first = field(begin, "index");
  const lastKey = field(range, "lastkey");
  if (typeof first !== "number" || typeof lastKey !== "number") return false;
  const last = lastKey < 0 ? length + lastKey : first + lastKey;
  return index >= first && index <= last;
}
