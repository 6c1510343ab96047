/** Finding the hash at a key. */

import { HashValue } from "../keyspace/mod.ts";
import type { RespError } from "../resp/mod.ts";
import type { CommandContext } from "./define.ts";
import { WRONG_TYPE } from "./errors.ts";

/** The hash, undefined when the key is missing, or an error when it holds something else. */
export function hashAt(context: CommandContext, key: string): HashValue | undefined | RespError {
  const value = context.db.get(key);
  if (value === undefined || value instanceof HashValue) return value;
  return WRONG_TYPE;
}
