/** Keys of any type: presence, names, copies. */

import { copyOfValue, typeOfValue } from "../keyspace/mod.ts";
import { OK, type Reply, type Request, RespError, SimpleString } from "../resp/mod.ts";
import { int32At, keyAt, optionAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { DB_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, SYNTAX_ERROR } from "./errors.ts";

const NO_TYPE = new SimpleString("none");

const del = defineCommand({
  name: "del",
  arity: -2,
  flags: ["write"],
  keys: { first: 1, last: -1, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Removes keys and answers how many were there.",
  complexity: "O(N) where N is the number of keys",
  execute: remove,
});

const unlink = defineCommand({
  name: "unlink",
  arity: -2,
  flags: ["write", "fast"],
  keys: { first: 1, last: -1, step: 1 },
  group: "generic",
  since: "4.0.0",
  summary: "Removes keys; memory is freed later in any case, so it is DEL by another name.",
  complexity: "O(N) where N is the number of keys",
  execute: remove,
});

function remove(context: CommandContext, request: Request): Reply {
  let removed = 0;
  for (let i = 1; i < request.length; i++) {
    const key = keyAt(request, i);
    // An expired key must not count, so it is looked up first.
    if (context.db.has(key) && context.db.delete(key)) removed++;
  }
  return removed;
}

const exists = defineCommand({
  name: "exists",
  arity: -2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: -1, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Counts the arguments that are existing keys.",
  complexity: "O(N) where N is the number of keys",
  execute: count,
});

const touch = defineCommand({
  name: "touch",
  arity: -2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: -1, step: 1 },
  group: "generic",
  since: "3.2.1",
  summary: "Counts the arguments that are existing keys; access times are not kept.",
  complexity: "O(N) where N is the number of keys",
  execute: count,
});

function count(context: CommandContext, request: Request): Reply {
  let found = 0;
  for (let i = 1; i < request.length; i++) if (context.db.has(keyAt(request, i))) found++;
  return found;
}

const type = defineCommand({
  name: "type",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Answers the type of the value at a key.",
  complexity: "O(1)",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 1));
    return value === undefined ? NO_TYPE : new SimpleString(typeOfValue(value));
  },
});

const renameCommand = defineCommand({
  name: "rename",
  arity: 3,
  flags: ["write"],
  keys: { first: 1, last: 2, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Renames a key, over whatever has the new name.",
  complexity: "O(1)",
  execute: (context, request) => rename(context, request, false),
});

const renamenx = defineCommand({
  name: "renamenx",
  arity: 3,
  flags: ["write", "fast"],
  keys: { first: 1, last: 2, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Renames a key if the new name is free.",
  complexity: "O(1)",
  execute: (context, request) => rename(context, request, true),
});

function rename(context: CommandContext, request: Request, onlyIfFree: boolean): Reply {
  const db = context.db;
  const from = keyAt(request, 1);
  const to = keyAt(request, 2);
  const value = db.get(from);
  if (value === undefined) return NO_SUCH_KEY;
  if (from === to) return onlyIfFree ? 0 : OK;
  if (onlyIfFree && db.has(to)) return 0;
  const deadlineMs = db.deadlineMs(from);
  db.delete(from);
  db.set(to, value);
  if (deadlineMs !== undefined) db.setDeadline(to, deadlineMs);
  return onlyIfFree ? 1 : OK;
}

const move = defineCommand({
  name: "move",
  arity: 3,
  flags: ["write", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Moves a key to another database if its name is free there.",
  complexity: "O(1)",
  execute(context, request) {
    const index = int32At(request, 2);
    if (index instanceof RespError) return index;
    if (index < 0 || index >= context.keyspace.databases) return DB_OUT_OF_RANGE;
    const target = context.keyspace.db(index);
    if (target === context.db) return SAME_OBJECT;
    const key = keyAt(request, 1);
    const value = context.db.get(key);
    if (value === undefined || target.has(key)) return 0;
    const deadlineMs = context.db.deadlineMs(key);
    context.db.delete(key);
    target.set(key, value);
    if (deadlineMs !== undefined) target.setDeadline(key, deadlineMs);
    return 1;
  },
});

const copy = defineCommand({
  name: "copy",
  arity: -3,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 2, step: 1 },
  group: "generic",
  since: "6.2.0",
  summary: "Copies a value and its time to live to another key, or another database.",
  complexity: "O(N) where N is the number of elements",
  execute(context, request) {
    const options = parseCopyOptions(context, request);
    if (options instanceof RespError) return options;
    const from = keyAt(request, 1);
    const to = keyAt(request, 2);
    const target = context.keyspace.db(options.index);
    if (target === context.db && from === to) return SAME_OBJECT;
    const value = context.db.get(from);
    if (value === undefined) return 0;
    if (target.has(to) && !options.replace) return 0;
    target.set(to, copyOfValue(value));
    const deadlineMs = context.db.deadlineMs(from);
    if (deadlineMs !== undefined) target.setDeadline(to, deadlineMs);
    return 1;
  },
});

function parseCopyOptions(
  context: CommandContext,
  request: Request,
): { index: number; replace: boolean } | RespError {
  let index = context.db.index;
  let replace = false;
  for (let i = 3; i < request.length; i++) {
    const name = optionAt(request, i);
    if (name === "replace") {
      replace = true;
    } else if (name === "db" && i + 1 < request.length) {
      const given = int32At(request, ++i);
      if (given instanceof RespError) return given;
      if (given < 0 || given >= context.keyspace.databases) return DB_OUT_OF_RANGE;
      index = given;
    } else {
      return SYNTAX_ERROR;
    }
  }
  return { index, replace };
}

export const KEYS: readonly DataCommand[] = [
  copy,
  del,
  exists,
  move,
  renameCommand,
  renamenx,
  touch,
  type,
  unlink,
];
