/** Whole databases: size, emptying, exchange, digest. */

import { OK, type Reply, type Request, RespError, SimpleString } from "../resp/mod.ts";
import { int64At, optionAt } from "./arguments.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { unknownSubcommand } from "./check.ts";
import { arityError, DB_OUT_OF_RANGE, SYNTAX_ERROR } from "./errors.ts";

const dbsize = defineCommand({
  name: "dbsize",
  arity: 1,
  flags: ["readonly", "fast"],
  group: "server",
  since: "1.0.0",
  summary: "Counts the keys of the database, those expired but not yet removed included.",
  complexity: "O(1)",
  execute: (context) => context.db.size,
});

const flushdb = defineCommand({
  name: "flushdb",
  arity: -1,
  flags: ["write"],
  group: "server",
  since: "1.0.0",
  summary: "Removes all keys of the database. ASYNC and SYNC do the same.",
  complexity: "O(1); memory is reclaimed later",
  execute(context, request) {
    if (!flushOptionFits(request)) return SYNTAX_ERROR;
    context.db.clear();
    return OK;
  },
});

const flushall = defineCommand({
  name: "flushall",
  arity: -1,
  flags: ["write"],
  group: "server",
  since: "1.0.0",
  summary: "Removes all keys of all databases. ASYNC and SYNC do the same.",
  complexity: "O(1); memory is reclaimed later",
  execute(context, request) {
    if (!flushOptionFits(request)) return SYNTAX_ERROR;
    context.keyspace.clear();
    return OK;
  },
});

function flushOptionFits(request: Request): boolean {
  if (request.length === 1) return true;
  const option = optionAt(request, 1);
  return request.length === 2 && (option === "async" || option === "sync");
}

const swapdb = defineCommand({
  name: "swapdb",
  arity: 3,
  flags: ["write", "fast"],
  group: "server",
  since: "4.0.0",
  summary: "Exchanges the contents of two databases.",
  complexity: "O(1)",
  execute(context, request): Reply {
    const first = indexAt(request, 1);
    if (first === undefined) return new RespError("ERR invalid first DB index");
    const second = indexAt(request, 2);
    if (second === undefined) return new RespError("ERR invalid second DB index");
    const databases = context.keyspace.databases;
    if (first < 0 || first >= databases || second < 0 || second >= databases) {
      return DB_OUT_OF_RANGE;
    }
    context.keyspace.swap(first, second);
    return OK;
  },
});

/** A 32-bit integer, or undefined. */
function indexAt(request: Request, i: number): number | undefined {
  const index = int64At(request, i);
  if (index === undefined || index > 0x7fff_ffff || index < -0x8000_0000) return undefined;
  return Number(index);
}

const debug = defineCommand({
  name: "debug",
  arity: -2,
  flags: ["admin", "noscript", "loading", "stale"],
  group: "server",
  since: "1.0.0",
  summary: "Looking inside the server: a container of subcommands.",
  execute: (_context, request) =>
    request.length < 2 ? arityError("debug") : unknownSubcommand("debug", request),
});

/** Logboat's own form: Redis answers 40 digits of another digest, and only when told to allow it. */
const debugDigest = defineCommand({
  name: "debug|digest",
  arity: 2,
  flags: ["readonly", "admin", "noscript"],
  group: "server",
  since: "1.0.0",
  summary: "Answers a digest of all databases, equal for equal contents, whatever their history.",
  complexity: "O(N) where N is the number of elements of all keys",
  execute: (context) => new SimpleString(context.keyspace.digest()),
});

export const DATABASES: readonly DataCommand[] = [
  dbsize,
  debug,
  debugDigest,
  flushall,
  flushdb,
  swapdb,
];
