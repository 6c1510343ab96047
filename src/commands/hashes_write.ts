/** Hashes: commands that write. */

import {
  addInt64,
  addLongDouble,
  HashValue,
  longDoubleText,
  parseLongDouble,
  stringInt64,
  stringText,
  stringValueOfInt64,
  stringValueOfText,
} from "../keyspace/mod.ts";
import { OK, RespError } from "../resp/mod.ts";
import { int64At, keyAt, valueAt } from "./arguments.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { arityError, NAN_OR_INFINITY, NOT_A_FLOAT, NOT_AN_INTEGER, OVERFLOW } from "./errors.ts";
import { hashAt } from "./hashes_lookup.ts";
import type { CommandContext } from "./define.ts";
import type { Request } from "../resp/mod.ts";

const KEY = { first: 1, last: 1, step: 1 };
const VALUE_NOT_AN_INTEGER = new RespError("ERR hash value is not an integer");
const VALUE_NOT_A_FLOAT = new RespError("ERR hash value is not a float");
const INCREMENT_NAN_OR_INFINITY = new RespError("ERR value is NaN or Infinity");

const hset = defineCommand({
  name: "hset",
  arity: -4,
  flags: ["write", "denyoom", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Sets fields and answers how many are new.",
  complexity: "O(N) where N is the number of fields given",
  execute: (context, request) => store(context, request, "hset"),
});

const hmset = defineCommand({
  name: "hmset",
  arity: -4,
  flags: ["write", "denyoom", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Sets fields: the old form of HSET, which answers OK.",
  complexity: "O(N) where N is the number of fields given",
  execute(context, request) {
    const added = store(context, request, "hmset");
    return added instanceof RespError ? added : OK;
  },
});

function store(context: CommandContext, request: Request, name: string): number | RespError {
  if (request.length % 2 === 1) return arityError(name);
  const key = keyAt(request, 1);
  const hash = hashAt(context, key);
  if (hash instanceof RespError) return hash;
  const target = hash ?? create(context, key);
  let added = 0;
  for (let i = 2; i < request.length; i += 2) {
    if (target.set(keyAt(request, i), valueAt(request, i + 1))) added++;
  }
  return added;
}

/** A new hash at a missing key; the caller fills it, as no empty hash may stay. */
function create(context: CommandContext, key: string): HashValue {
  const hash = new HashValue();
  context.db.set(key, hash);
  return hash;
}

const hsetnx = defineCommand({
  name: "hsetnx",
  arity: 4,
  flags: ["write", "denyoom", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Sets a field that the hash does not have.",
  complexity: "O(1)",
  execute(context, request) {
    const key = keyAt(request, 1);
    const hash = hashAt(context, key);
    if (hash instanceof RespError) return hash;
    const field = keyAt(request, 2);
    if (hash?.has(field)) return 0;
    (hash ?? create(context, key)).set(field, valueAt(request, 3));
    return 1;
  },
});

const hdel = defineCommand({
  name: "hdel",
  arity: -3,
  flags: ["write", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Removes fields, and the key with the last of them.",
  complexity: "O(N) where N is the number of fields given",
  execute(context, request) {
    const key = keyAt(request, 1);
    const hash = hashAt(context, key);
    if (hash instanceof RespError) return hash;
    if (hash === undefined) return 0;
    let removed = 0;
    for (let i = 2; i < request.length; i++) if (hash.delete(keyAt(request, i))) removed++;
    if (hash.size === 0) context.db.delete(key);
    return removed;
  },
});

const hincrby = defineCommand({
  name: "hincrby",
  arity: 4,
  flags: ["write", "denyoom", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.0.0",
  summary: "Adds an integer to the 64-bit integer in a field.",
  complexity: "O(1)",
  execute(context, request) {
    const increment = int64At(request, 3);
    if (increment === undefined) return NOT_AN_INTEGER;
    const key = keyAt(request, 1);
    const hash = hashAt(context, key);
    if (hash instanceof RespError) return hash;
    const field = keyAt(request, 2);
    const old = hash?.get(field);
    const number = old === undefined ? 0 : stringInt64(old);
    if (number === undefined) return VALUE_NOT_AN_INTEGER;
    const sum = addInt64(number, increment);
    if (sum === undefined) return OVERFLOW;
    (hash ?? create(context, key)).set(field, stringValueOfInt64(sum));
    return sum;
  },
});

const hincrbyfloat = defineCommand({
  name: "hincrbyfloat",
  arity: 4,
  flags: ["write", "denyoom", "fast"],
  keys: KEY,
  group: "hash",
  since: "2.6.0",
  summary: "Adds a number to the number in a field, in 80-bit floating point.",
  complexity: "O(1)",
  execute(context, request) {
    const increment = parseLongDouble(request.text(3));
    if (increment === undefined) return NOT_A_FLOAT;
    if (typeof increment === "string") return INCREMENT_NAN_OR_INFINITY;
    const key = keyAt(request, 1);
    const hash = hashAt(context, key);
    if (hash instanceof RespError) return hash;
    const field = keyAt(request, 2);
    const old = hash?.get(field);
    const number = parseLongDouble(old === undefined ? "0" : stringText(old));
    if (number === undefined) return VALUE_NOT_A_FLOAT;
    const sum = addLongDouble(number, increment);
    if (sum === undefined || typeof sum === "string") return NAN_OR_INFINITY;
    const text = longDoubleText(sum);
    (hash ?? create(context, key)).set(field, stringValueOfText(text));
    return text;
  },
});

export const HASH_WRITES: readonly DataCommand[] = [
  hdel,
  hincrby,
  hincrbyfloat,
  hmset,
  hset,
  hsetnx,
];
