/** Strings: commands that write whole values or parts of them. */

import {
  appended,
  type DeadlineMs,
  isStringValue,
  patched,
  stringLength,
  stringReply,
} from "../keyspace/mod.ts";
import { OK, type Reply, type Request, RespError } from "../resp/mod.ts";
import { int64At, keyAt, STRING_BYTES_MAX, valueAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { arityError, NOT_AN_INTEGER, STRING_TOO_LONG, SYNTAX_ERROR, WRONG_TYPE } from "./errors.ts";
import { deadlineAt, type ExpiryUnit, parseStringOptions } from "./options.ts";

const OFFSET_OUT_OF_RANGE = new RespError("ERR offset is out of range");

const set = defineCommand({
  name: "set",
  arity: -3,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary:
    "Stores a string, if wanted under a condition, with a time to live or for the old value.",
  complexity: "O(1)",
  execute(context, request) {
    if (request.length > 3) return setWithOptions(context, request);
    context.db.set(keyAt(request, 1), valueAt(request, 2));
    return OK;
  },
});

function setWithOptions(context: CommandContext, request: Request): Reply {
  const options = parseStringOptions(request, 3, "set");
  if (options === undefined) return SYNTAX_ERROR;
  let deadlineMs: DeadlineMs | undefined;
  if (options.unit !== undefined) {
    const found = deadlineAt(request, options.timeAt, options.unit, context.nowMs, "set");
    if (found instanceof RespError) return found;
    deadlineMs = found;
  }
  const db = context.db;
  const key = keyAt(request, 1);
  if (deadlineMs !== undefined && options.condition === undefined && !options.get) {
    db.setUntil(key, valueAt(request, 2), deadlineMs);
    return OK;
  }
  const old = db.get(key);
  if (options.get && old !== undefined && !isStringValue(old)) return WRONG_TYPE;
  const oldReply = options.get && old !== undefined && isStringValue(old) ? stringReply(old) : null;
  if (options.condition === (old === undefined ? "xx" : "nx")) return oldReply;
  if (options.keepTtl) db.replace(key, valueAt(request, 2));
  else if (deadlineMs !== undefined) db.setUntil(key, valueAt(request, 2), deadlineMs);
  else db.set(key, valueAt(request, 2));
  return options.get ? oldReply : OK;
}

const setnx = defineCommand({
  name: "setnx",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Stores a string if the key is missing.",
  complexity: "O(1)",
  execute(context, request) {
    const key = keyAt(request, 1);
    if (context.db.has(key)) return 0;
    context.db.set(key, valueAt(request, 2));
    return 1;
  },
});

const setex = defineCommand({
  name: "setex",
  arity: 4,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.0.0",
  summary: "Stores a string with a time to live in seconds.",
  complexity: "O(1)",
  execute: (context, request) => setWithTtl(context, request, "ex", "setex"),
});

const psetex = defineCommand({
  name: "psetex",
  arity: 4,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.6.0",
  summary: "Stores a string with a time to live in milliseconds.",
  complexity: "O(1)",
  execute: (context, request) => setWithTtl(context, request, "px", "psetex"),
});

function setWithTtl(
  context: CommandContext,
  request: Request,
  unit: ExpiryUnit,
  name: string,
): Reply {
  const deadlineMs = deadlineAt(request, 2, unit, context.nowMs, name);
  if (deadlineMs instanceof RespError) return deadlineMs;
  context.db.setUntil(keyAt(request, 1), valueAt(request, 3), deadlineMs);
  return OK;
}

const getset = defineCommand({
  name: "getset",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Stores a string and answers the one that was there.",
  complexity: "O(1)",
  execute(context, request) {
    const key = keyAt(request, 1);
    const old = context.db.get(key);
    if (old !== undefined && !isStringValue(old)) return WRONG_TYPE;
    const reply = old === undefined ? null : stringReply(old);
    context.db.set(key, valueAt(request, 2));
    return reply;
  },
});

const getdel = defineCommand({
  name: "getdel",
  arity: 2,
  flags: ["write", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "6.2.0",
  summary: "Answers the string stored at a key and removes the key.",
  complexity: "O(1)",
  execute(context, request) {
    const key = keyAt(request, 1);
    const value = context.db.get(key);
    if (value === undefined) return null;
    if (!isStringValue(value)) return WRONG_TYPE;
    context.db.delete(key);
    return stringReply(value);
  },
});

const getex = defineCommand({
  name: "getex",
  arity: -2,
  flags: ["write", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "6.2.0",
  summary: "Answers the string stored at a key and sets or drops its time to live.",
  complexity: "O(1)",
  execute(context, request) {
    const options = parseStringOptions(request, 2, "getex");
    if (options === undefined) return SYNTAX_ERROR;
    const key = keyAt(request, 1);
    const value = context.db.get(key);
    if (value === undefined) return null;
    if (!isStringValue(value)) return WRONG_TYPE;
    const reply = stringReply(value);
    if (options.persist) {
      context.db.persist(key);
    } else if (options.unit !== undefined) {
      const found = deadlineAt(request, options.timeAt, options.unit, context.nowMs, "getex");
      if (found instanceof RespError) return found;
      context.db.setDeadline(key, found);
    }
    return reply;
  },
});

const append = defineCommand({
  name: "append",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.0.0",
  summary: "Appends to the string stored at a key and answers the new length.",
  complexity: "O(1) amortised",
  execute(context, request) {
    const key = keyAt(request, 1);
    const old = context.db.get(key);
    if (old === undefined) {
      const value = valueAt(request, 2);
      context.db.set(key, value);
      return stringLength(value);
    }
    if (!isStringValue(old)) return WRONG_TYPE;
    if (stringLength(old) + request.byteLength(2) > STRING_BYTES_MAX) return STRING_TOO_LONG;
    const value = appended(old, request.bytes(2));
    context.db.replace(key, value);
    return value.length;
  },
});

const setrange = defineCommand({
  name: "setrange",
  arity: 4,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.2.0",
  summary: "Overwrites a part of a string, with zero bytes up to the offset where it is shorter.",
  complexity: "O(1) in place, O(N) where the string grows",
  execute(context, request) {
    const offset = int64At(request, 2);
    if (offset === undefined) return NOT_AN_INTEGER;
    if (offset < 0) return OFFSET_OUT_OF_RANGE;
    const key = keyAt(request, 1);
    const old = context.db.get(key);
    if (old !== undefined && !isStringValue(old)) return WRONG_TYPE;
    const length = request.byteLength(3);
    if (length === 0) return old === undefined ? 0 : stringLength(old);
    if (Number(offset) + length > STRING_BYTES_MAX) return STRING_TOO_LONG;
    const value = patched(old ?? EMPTY, Number(offset), request.bytes(3));
    context.db.replace(key, value);
    return value.length;
  },
});

const EMPTY = "";

const mset = defineCommand({
  name: "mset",
  arity: -3,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: -1, step: 2 },
  group: "string",
  since: "1.0.1",
  summary: "Stores several strings.",
  complexity: "O(N) where N is the number of keys",
  execute(context, request) {
    if (request.length % 2 === 0) return arityError("mset");
    storeAll(context, request);
    return OK;
  },
});

const msetnx = defineCommand({
  name: "msetnx",
  arity: -3,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: -1, step: 2 },
  group: "string",
  since: "1.0.1",
  summary: "Stores several strings if all keys are missing, else none.",
  complexity: "O(N) where N is the number of keys",
  execute(context, request) {
    if (request.length % 2 === 0) return arityError("msetnx");
    for (let i = 1; i < request.length; i += 2) {
      if (context.db.has(keyAt(request, i))) return 0;
    }
    storeAll(context, request);
    return 1;
  },
});

function storeAll(context: CommandContext, request: Request): void {
  for (let i = 1; i < request.length; i += 2) {
    context.db.set(keyAt(request, i), valueAt(request, i + 1));
  }
}

export const STRING_WRITES: readonly DataCommand[] = [
  append,
  getdel,
  getex,
  getset,
  mset,
  msetnx,
  psetex,
  set,
  setex,
  setnx,
  setrange,
];
