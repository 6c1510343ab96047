/** What MIGRATE is asked (redis.io/docs/latest/commands/migrate). */

import { type Request, RespError } from "../resp/mod.ts";
import { parseInteger } from "./arguments.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR } from "./errors.ts";

export interface MigrateOptions {
  readonly hostname: string;
  readonly port: number;
  /** Database of the target. */
  readonly db: number;
  /** For the connection, and for each answer. */
  readonly timeoutMs: number;
  readonly copy: boolean;
  readonly replace: boolean;
  /** What AUTH is sent with; empty without one. */
  readonly auth: readonly string[];
  readonly keys: readonly string[];
}

/** Redis's when 0 or less is given. */
const TIMEOUT_MS = 1000;
const KEY_AND_KEYS = new RespError(
  "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
);
/** How many arguments follow each option. */
const OPTION_ARGUMENTS: Readonly<Record<string, number>> = {
  copy: 0,
  replace: 0,
  auth: 1,
  auth2: 2,
};

/** Indices of the keys: the third argument, or all behind KEYS. */
export function migrateKeys(request: Request): number[] {
  if (request.byteLength(3) > 0) return [3];
  const at = keysOptionAt(request);
  return at === 0 ? [3] : Array.from({ length: request.length - at - 1 }, (_, i) => at + 1 + i);
}

/** Where KEYS is; 0 without it. */
function keysOptionAt(request: Request): number {
  for (let i = 6; i < request.length; i++) {
    const name = request.lower(i);
    if (name === "keys") return i;
    i += OPTION_ARGUMENTS[name] ?? 0;
  }
  return 0;
}

export function parseMigrate(request: Request): MigrateOptions | RespError {
  let copy = false;
  let replace = false;
  let auth: string[] = [];
  const keysAt = keysOptionAt(request);
  const end = keysAt === 0 ? request.length : keysAt;
  for (let i = 6; i < end; i++) {
    const name = request.lower(i);
    const count = OPTION_ARGUMENTS[name];
    if (count === undefined || i + count >= request.length) return SYNTAX_ERROR;
    if (name === "copy") copy = true;
    else if (name === "replace") replace = true;
    else auth = Array.from({ length: count }, (_, at) => request.text(i + 1 + at));
    i += count;
  }
  if (keysAt > 0 && request.byteLength(3) > 0) return KEY_AND_KEYS;
  const timeoutMs = parseInteger(request.text(5));
  const db = parseInteger(request.text(4));
  const port = parseInteger(request.text(2));
  if (timeoutMs === undefined || db === undefined) return NOT_AN_INTEGER;
  if (port === undefined || port < 1 || port > 65_535) {
    return new RespError("ERR Invalid port: expected 1 to 65535");
  }
  return {
    hostname: request.text(1),
    port,
    db,
    timeoutMs: timeoutMs <= 0 ? TIMEOUT_MS : timeoutMs,
    copy,
    replace,
    auth,
    keys: migrateKeys(request).map((i) => request.text(i)),
  };
}
