/** Keys of any type: a value as portable bytes, and back (redis.io/docs/latest/commands/dump). */

import { type DeadlineMs, dumpValue, int64, restoreValue } from "../keyspace/mod.ts";
import { OK, type Request, RespError } from "../resp/mod.ts";
import { int64At, keyAt, optionAt } from "./arguments.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR } from "./errors.ts";

const BUSY_KEY = new RespError("BUSYKEY Target key name already exists.");
const BAD_TTL = new RespError("ERR Invalid TTL value, must be >= 0");
const BAD_IDLE_TIME = new RespError("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY = new RespError("ERR Invalid FREQ value, must be >= 0 and <= 255");
const UNTRUSTED = new RespError("ERR DUMP payload version or checksum are wrong");
const MALFORMED = new RespError("ERR Bad data format");

/** A type, the version and the checksum: nothing shorter is one. */
const PAYLOAD_BYTES_MIN = 11;

const dump = defineCommand({
  name: "dump",
  arity: 2,
  flags: ["readonly"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "2.6.0",
  summary: "Answers the value at a key as bytes that RESTORE takes, with version and checksum.",
  complexity: "O(N) where N is the size of the value",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 1));
    return value === undefined ? null : dumpValue(value);
  },
});

/** Access times and frequencies are not kept: IDLETIME and FREQ are checked and have no effect. */
const restore = defineCommand({
  name: "restore",
  arity: -4,
  flags: ["write", "denyoom"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "2.6.0",
  summary: "Makes a key of the bytes that DUMP gave, with a time to live unless it is 0.",
  complexity: "O(N) where N is the size of the value",
  execute(context, request) {
    const options = parseRestoreOptions(request);
    if (options instanceof RespError) return options;
    const { db } = context;
    const key = keyAt(request, 1);
    if (!options.replace && db.has(key)) return BUSY_KEY;
    const deadlineMs = restoreDeadline(request, options.absolute, context.nowMs);
    if (deadlineMs instanceof RespError) return deadlineMs;
    if (request.byteLength(3) < PAYLOAD_BYTES_MIN) return UNTRUSTED;
    const restored = restoreValue(request.bytes(3));
    if (restored.kind === "badChecksum" || restored.kind === "newerVersion") return UNTRUSTED;
    if (restored.kind !== "value") return MALFORMED;
    if (deadlineMs === undefined) db.set(key, restored.value);
    else db.setUntil(key, restored.value, deadlineMs);
    return OK;
  },
});

function parseRestoreOptions(
  request: Request,
): { replace: boolean; absolute: boolean } | RespError {
  let replace = false;
  let absolute = false;
  let frequency = false;
  let idleTime = false;
  for (let i = 4; i < request.length; i++) {
    const name = optionAt(request, i);
    const more = i + 1 < request.length;
    if (name === "replace") replace = true;
    else if (name === "absttl") absolute = true;
    else if (name === "idletime" && more && !frequency) {
      const refusal = checkNumber(request, ++i, Infinity, BAD_IDLE_TIME);
      if (refusal !== undefined) return refusal;
      idleTime = true;
    } else if (name === "freq" && more && !idleTime) {
      const refusal = checkNumber(request, ++i, 255, BAD_FREQUENCY);
      if (refusal !== undefined) return refusal;
      frequency = true;
    } else return SYNTAX_ERROR;
  }
  return { replace, absolute };
}

function checkNumber(
  request: Request,
  i: number,
  most: number,
  refusal: RespError,
): RespError | undefined {
  const value = int64At(request, i);
  if (value === undefined) return NOT_AN_INTEGER;
  return value < 0 || value > most ? refusal : undefined;
}

/** Undefined for no time to live. What leaves 64 bits wraps around and is over, as in Redis. */
function restoreDeadline(
  request: Request,
  absolute: boolean,
  nowMs: number,
): DeadlineMs | RespError | undefined {
  const time = int64At(request, 2);
  if (time === undefined) return NOT_AN_INTEGER;
  if (time < 0) return BAD_TTL;
  if (time === 0) return undefined;
  if (absolute) return time;
  return int64(BigInt.asIntN(64, BigInt(time) + BigInt(nowMs)));
}

export const KEYS_DUMP: readonly DataCommand[] = [dump, restore];
