/** Keys of any type: times to live. */

import { type DeadlineMs, int64, INT64_MAX, INT64_MIN } from "../keyspace/mod.ts";
import { type Reply, type Request, RespError } from "../resp/mod.ts";
import { cStringAt, int64At, keyAt, lowerCase } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { invalidExpireTime, NOT_AN_INTEGER, oneLine } from "./errors.ts";

const NX_NOT_ALONE = new RespError(
  "ERR NX and XX, GT or LT options at the same time are not compatible",
);
const GT_AND_LT = new RespError("ERR GT and LT options at the same time are not compatible");

type Condition = "nx" | "xx" | "gt" | "lt";

/** How an EXPIRE command gives its time. */
interface TimeForm {
  readonly name: string;
  readonly inSeconds: boolean;
  readonly relative: boolean;
}

const FORMS: readonly (TimeForm & { readonly since: string; readonly summary: string })[] = [
  {
    name: "expire",
    inSeconds: true,
    relative: true,
    since: "1.0.0",
    summary: "Sets a key's time to live in seconds.",
  },
  {
    name: "expireat",
    inSeconds: true,
    relative: false,
    since: "1.2.0",
    summary: "Sets when a key ends, in seconds since 1970.",
  },
  {
    name: "pexpire",
    inSeconds: false,
    relative: true,
    since: "2.6.0",
    summary: "Sets a key's time to live in milliseconds.",
  },
  {
    name: "pexpireat",
    inSeconds: false,
    relative: false,
    since: "2.6.0",
    summary: "Sets when a key ends, in milliseconds since 1970.",
  },
];

const EXPIRES = FORMS.map((form) =>
  defineCommand({
    name: form.name,
    arity: -3,
    flags: ["write", "fast"],
    keys: { first: 1, last: 1, step: 1 },
    group: "generic",
    since: form.since,
    summary: form.summary,
    complexity: "O(log N) where N is the number of keys with a time to live",
    execute: (context, request) => expire(context, request, form),
  })
);

function expire(context: CommandContext, request: Request, form: TimeForm): Reply {
  const conditions = parseConditions(request);
  if (conditions instanceof RespError) return conditions;
  const deadlineMs = deadline(request, form, context.nowMs);
  if (deadlineMs instanceof RespError) return deadlineMs;
  const key = keyAt(request, 1);
  if (!context.db.has(key)) return 0;
  const current = context.db.deadlineMs(key);
  if (!conditions.every((condition) => holds(condition, current, deadlineMs))) return 0;
  context.db.setDeadline(key, deadlineMs);
  return 1;
}

/** A key without a deadline lives for ever: GT never holds, LT always. */
function holds(
  condition: Condition,
  current: DeadlineMs | undefined,
  wanted: DeadlineMs,
): boolean {
  switch (condition) {
    case "nx":
      return current === undefined;
    case "xx":
      return current !== undefined;
    case "gt":
      return current !== undefined && wanted > current;
    case "lt":
      return current === undefined || wanted < current;
  }
}

function parseConditions(request: Request): Condition[] | RespError {
  const found: Condition[] = [];
  for (let i = 3; i < request.length; i++) {
    const given = cStringAt(request, i);
    const name = lowerCase(given);
    if (name !== "nx" && name !== "xx" && name !== "gt" && name !== "lt") {
      return new RespError(oneLine(`ERR Unsupported option ${given}`));
    }
    found.push(name);
  }
  if (found.includes("nx") && found.some((name) => name !== "nx")) return NX_NOT_ALONE;
  if (found.includes("gt") && found.includes("lt")) return GT_AND_LT;
  return found;
}

/** Negative times are allowed and mean "now"; what leaves 64 bits is an error. */
function deadline(request: Request, form: TimeForm, nowMs: number): DeadlineMs | RespError {
  const time = int64At(request, 2);
  if (time === undefined) return NOT_AN_INTEGER;
  const fast = Number(time) * (form.inSeconds ? 1000 : 1) + (form.relative ? nowMs : 0);
  if (typeof time === "number" && Number.isSafeInteger(fast)) return fast;
  const exactMs = BigInt(time) * (form.inSeconds ? 1000n : 1n);
  if (exactMs > INT64_MAX || exactMs < INT64_MIN) return invalidExpireTime(form.name);
  const absoluteMs = exactMs + (form.relative ? BigInt(nowMs) : 0n);
  return absoluteMs > INT64_MAX ? invalidExpireTime(form.name) : int64(absoluteMs);
}

const ttl = defineCommand({
  name: "ttl",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "1.0.0",
  summary: "Answers a key's time to live in seconds; -1 without one, -2 for a missing key.",
  complexity: "O(1)",
  execute: (context, request) => inSeconds(remaining(context, request)),
});

const pttl = defineCommand({
  name: "pttl",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "2.6.0",
  summary: "Answers a key's time to live in milliseconds; -1 without one, -2 for a missing key.",
  complexity: "O(1)",
  execute: (context, request) => remaining(context, request),
});

const expiretime = defineCommand({
  name: "expiretime",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "7.0.0",
  summary: "Answers when a key ends, in seconds since 1970.",
  complexity: "O(1)",
  execute: (context, request) => inSeconds(absolute(context, request)),
});

const pexpiretime = defineCommand({
  name: "pexpiretime",
  arity: 2,
  flags: ["readonly", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "7.0.0",
  summary: "Answers when a key ends, in milliseconds since 1970.",
  complexity: "O(1)",
  execute: (context, request) => absolute(context, request),
});

/** The deadline, -1 without one, -2 without the key. */
function absolute(context: CommandContext, request: Request): number | bigint {
  const key = keyAt(request, 1);
  if (!context.db.has(key)) return -2;
  return context.db.deadlineMs(key) ?? -1;
}

function remaining(context: CommandContext, request: Request): number | bigint {
  const deadlineMs = absolute(context, request);
  if (deadlineMs === -1 || deadlineMs === -2) return deadlineMs;
  if (typeof deadlineMs === "bigint") return int64(deadlineMs - BigInt(context.nowMs));
  return Math.max(0, deadlineMs - context.nowMs);
}

/** Rounded to the nearest second, up at the half. */
function inSeconds(ms: number | bigint): number | bigint {
  if (typeof ms === "bigint") return int64((ms + 500n) / 1000n);
  return ms < 0 ? ms : Math.floor((ms + 500) / 1000);
}

const persist = defineCommand({
  name: "persist",
  arity: 2,
  flags: ["write", "fast"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "2.2.0",
  summary: "Drops a key's time to live.",
  complexity: "O(log N) where N is the number of keys with a time to live",
  execute(context, request) {
    const key = keyAt(request, 1);
    return context.db.has(key) && context.db.persist(key) ? 1 : 0;
  },
});

export const KEYS_EXPIRY: readonly DataCommand[] = [
  ...EXPIRES,
  expiretime,
  persist,
  pexpiretime,
  pttl,
  ttl,
];
