/** Strings that are numbers. */

import {
  addInt64,
  addLongDouble,
  type Int64,
  INT64_MIN,
  isStringValue,
  longDoubleText,
  parseLongDouble,
  stringInt64,
  stringText,
  stringValueOfInt64,
  stringValueOfText,
} from "../keyspace/mod.ts";
import { type Reply, type Request, RespError } from "../resp/mod.ts";
import { int64At, keyAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { NAN_OR_INFINITY, NOT_A_FLOAT, NOT_AN_INTEGER, OVERFLOW, WRONG_TYPE } from "./errors.ts";

const DECREMENT_OVERFLOW = new RespError("ERR decrement would overflow");

function add(context: CommandContext, request: Request, increment: Int64): Reply {
  const key = keyAt(request, 1);
  const old = context.db.get(key);
  let number: Int64 | undefined = 0;
  if (old !== undefined) {
    if (!isStringValue(old)) return WRONG_TYPE;
    number = stringInt64(old);
    if (number === undefined) return NOT_AN_INTEGER;
  }
  const sum = addInt64(number, increment);
  if (sum === undefined) return OVERFLOW;
  context.db.replace(key, stringValueOfInt64(sum));
  return sum;
}

const incr = defineCommand({
  name: "incr",
  arity: 2,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Adds one to the 64-bit integer stored at a key.",
  complexity: "O(1)",
  execute: (context, request) => add(context, request, 1),
});

const decr = defineCommand({
  name: "decr",
  arity: 2,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Subtracts one from the 64-bit integer stored at a key.",
  complexity: "O(1)",
  execute: (context, request) => add(context, request, -1),
});

const incrby = defineCommand({
  name: "incrby",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Adds an integer to the 64-bit integer stored at a key.",
  complexity: "O(1)",
  execute(context, request) {
    const increment = int64At(request, 2);
    return increment === undefined ? NOT_AN_INTEGER : add(context, request, increment);
  },
});

const decrby = defineCommand({
  name: "decrby",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Subtracts an integer from the 64-bit integer stored at a key.",
  complexity: "O(1)",
  execute(context, request) {
    const decrement = int64At(request, 2);
    if (decrement === undefined) return NOT_AN_INTEGER;
    if (decrement === INT64_MIN) return DECREMENT_OVERFLOW;
    return add(context, request, -decrement);
  },
});

const incrbyfloat = defineCommand({
  name: "incrbyfloat",
  arity: 3,
  flags: ["write", "denyoom", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.6.0",
  summary: "Adds a number to the number stored at a key, in 80-bit floating point.",
  complexity: "O(1)",
  execute(context, request) {
    const key = keyAt(request, 1);
    const old = context.db.get(key);
    if (old !== undefined && !isStringValue(old)) return WRONG_TYPE;
    const number = parseLongDouble(old === undefined ? "0" : stringText(old));
    const increment = parseLongDouble(request.text(2));
    if (number === undefined || increment === undefined) return NOT_A_FLOAT;
    const sum = addLongDouble(number, increment);
    if (sum === undefined || typeof sum === "string") return NAN_OR_INFINITY;
    const text = longDoubleText(sum);
    context.db.replace(key, stringValueOfText(text));
    return text;
  },
});

export const STRING_NUMBERS: readonly DataCommand[] = [decr, decrby, incr, incrby, incrbyfloat];
