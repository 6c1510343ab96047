/** Strings: commands that read. */

import {
  isStringValue,
  stringLength,
  stringReply,
  stringSlice,
  type StringValue,
} from "../keyspace/mod.ts";
import type { Reply, Request } from "../resp/mod.ts";
import { int64At, keyAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { NOT_AN_INTEGER, WRONG_TYPE } from "./errors.ts";

const get = defineCommand({
  name: "get",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Answers the string stored at a key, or null.",
  complexity: "O(1)",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 1));
    if (value === undefined) return null;
    return isStringValue(value) ? stringReply(value) : WRONG_TYPE;
  },
});

const mget = defineCommand({
  name: "mget",
  arity: -2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: -1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "Answers the strings stored at several keys; null for a missing key or another type.",
  complexity: "O(N) where N is the number of keys",
  execute(context, request) {
    const replies: Reply[] = [];
    for (let i = 1; i < request.length; i++) {
      const value = context.db.get(keyAt(request, i));
      replies.push(value === undefined || !isStringValue(value) ? null : stringReply(value));
    }
    return replies;
  },
});

const strlen = defineCommand({
  name: "strlen",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.2.0",
  summary: "Answers the length in bytes of the string stored at a key; 0 for a missing key.",
  complexity: "O(1)",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 1));
    if (value === undefined) return 0;
    return isStringValue(value) ? stringLength(value) : WRONG_TYPE;
  },
});

const getrange = defineCommand({
  name: "getrange",
  arity: 4,
  flags: ["readonly"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "2.4.0",
  summary: "Answers a part of the string stored at a key; negative offsets count from the end.",
  complexity: "O(N) where N is the length of the answer",
  execute: range,
});

const substr = defineCommand({
  name: "substr",
  arity: 4,
  flags: ["readonly"],
  keys: { first: 1, last: 1, step: 1 },
  group: "string",
  since: "1.0.0",
  summary: "The old name of GETRANGE.",
  complexity: "O(N) where N is the length of the answer",
  execute: range,
});

function range(context: CommandContext, request: Request): Reply {
  const start = int64At(request, 2);
  const end = int64At(request, 3);
  if (start === undefined || end === undefined) return NOT_AN_INTEGER;
  const value = context.db.get(keyAt(request, 1));
  if (value === undefined) return "";
  if (!isStringValue(value)) return WRONG_TYPE;
  if (start < 0 && end < 0 && start > end) return "";
  return part(value, Number(start), Number(end));
}

/** Offsets beyond 2^53 lie outside every string, so that their rounding does not matter. */
function part(value: StringValue, start: number, end: number): Reply {
  const length = stringLength(value);
  const from = Math.max(0, start < 0 ? length + start : start);
  const to = Math.min(length - 1, Math.max(0, end < 0 ? length + end : end));
  return from > to || length === 0 ? "" : stringSlice(value, from, to + 1);
}

export const STRING_READS: readonly DataCommand[] = [get, getrange, mget, strlen, substr];
