/** Hashes: commands that read. */

import { HASH_SPACE, stringLength, stringReply } from "../keyspace/mod.ts";
import { type Reply, type Request, RespError, RespMap } from "../resp/mod.ts";
import { keyAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { INVALID_CURSOR } from "./errors.ts";
import { hashAt } from "./hashes_lookup.ts";
import { cursorAt, cursorText, parseScanOptions, scanMatches } from "./scan.ts";

const KEY = { first: 1, last: 1, step: 1 };

const hget = defineCommand({
  name: "hget",
  arity: 3,
  flags: ["readonly", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers the value of a field, or null.",
  complexity: "O(1)",
  execute(context, request) {
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    const value = hash?.get(keyAt(request, 2));
    return value === undefined ? null : stringReply(value);
  },
});

const hmget = defineCommand({
  name: "hmget",
  arity: -3,
  flags: ["readonly", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers the values of several fields; null for a missing one.",
  complexity: "O(N) where N is the number of fields asked for",
  execute(context, request) {
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    const replies: Reply[] = [];
    for (let i = 2; i < request.length; i++) {
      const value = hash?.get(keyAt(request, i));
      replies.push(value === undefined ? null : stringReply(value));
    }
    return replies;
  },
});

const hexists = defineCommand({
  name: "hexists",
  arity: 3,
  flags: ["readonly", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers 1 if the hash has the field.",
  complexity: "O(1)",
  execute(context, request) {
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    return hash?.has(keyAt(request, 2)) ? 1 : 0;
  },
});

const hlen = defineCommand({
  name: "hlen",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Counts the fields.",
  complexity: "O(1)",
  execute(context, request) {
    const hash = hashAt(context, keyAt(request, 1));
    return hash instanceof RespError ? hash : hash?.size ?? 0;
  },
});

const hstrlen = defineCommand({
  name: "hstrlen",
  arity: 3,
  flags: ["readonly", "fast"],
  keys: KEY,
  group: "hash",
  since: "3.2.0",
  summary: "Answers the length in bytes of a field's value; 0 for a missing one.",
  complexity: "O(1)",
  execute(context, request) {
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    const value = hash?.get(keyAt(request, 2));
    return value === undefined ? 0 : stringLength(value);
  },
});

const hgetall = defineCommand({
  name: "hgetall",
  arity: 2,
  flags: ["readonly"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers all fields and values.",
  complexity: "O(N) where N is the number of fields",
  execute(context, request) {
    const flat = elements(context, request, true, true);
    return flat instanceof RespError ? flat : new RespMap(flat);
  },
});

const hkeys = defineCommand({
  name: "hkeys",
  arity: 2,
  flags: ["readonly"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers all fields.",
  complexity: "O(N) where N is the number of fields",
  execute: (context, request) => elements(context, request, true, false),
});

const hvals = defineCommand({
  name: "hvals",
  arity: 2,
  flags: ["readonly"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Answers all values.",
  complexity: "O(N) where N is the number of fields",
  execute: (context, request) => elements(context, request, false, true),
});

function elements(
  context: CommandContext,
  request: Request,
  fields: boolean,
  values: boolean,
): Reply[] | RespError {
  const hash = hashAt(context, keyAt(request, 1));
  if (hash instanceof RespError) return hash;
  const flat: Reply[] = [];
  hash?.forEach((value, field) => {
    if (fields) flat.push(field);
    if (values) flat.push(stringReply(value));
  });
  return flat;
}

const hscan = defineCommand({
  name: "hscan",
  arity: -3,
  flags: ["readonly"],
  keys: KEY,
  group: "hash",
  since: "2.8.0",
  summary: "Walks the fields and values page by page; a small hash comes whole.",
  complexity: "O(1) a page, O(N) for the whole walk",
  execute(context, request) {
    const cursor = cursorAt(request, 2);
    if (cursor === undefined) return INVALID_CURSOR;
    const hash = hashAt(context, keyAt(request, 1));
    if (hash instanceof RespError) return hash;
    if (hash === undefined) return [cursorText(HASH_SPACE), []];
    const options = parseScanOptions(request, 3, false);
    if (options instanceof RespError) return options;
    const page = hash.page(cursor, options.count);
    const flat: Reply[] = [];
    for (const [field, value] of page.entries) {
      if (scanMatches(options, field)) flat.push(field, stringReply(value));
    }
    return [cursorText(page.next), flat];
  },
});

export const HASH_READS: readonly DataCommand[] = [
  hexists,
  hget,
  hgetall,
  hkeys,
  hlen,
  hmget,
  hscan,
  hstrlen,
  hvals,
];
