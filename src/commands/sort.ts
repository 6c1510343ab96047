/**
 * SORT and SORT_RO (redis.io/docs/latest/commands/sort). They sort lists, sets and sorted sets,
 * which are no types here yet: so a key is missing, which sorts to nothing, or of the wrong type.
 * What is asked is checked as Redis does, whatever the key holds.
 */

import { type Reply, type Request, RespError } from "../resp/mod.ts";
import { int64At, keyAt, optionAt } from "./arguments.ts";
import { type CommandContext, type DataCommand, defineCommand } from "./define.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE } from "./errors.ts";

const sort = defineCommand({
  name: "sort",
  arity: -2,
  flags: ["write", "denyoom", "movablekeys"],
  keys: { first: 1, last: 1, step: 1 },
  findKeys: sortKeys,
  group: "generic",
  since: "1.0.0",
  summary: "Sorts the elements of a collection, and stores them where STORE says.",
  complexity: "O(N+M*log(M)) where N is the number of elements and M of those returned",
  execute: (context, request) => sorted(context, request, true),
});

const sortReadOnly = defineCommand({
  name: "sort_ro",
  arity: -2,
  flags: ["readonly", "movablekeys"],
  keys: { first: 1, last: 1, step: 1 },
  group: "generic",
  since: "7.0.0",
  summary: "Sorts the elements of a collection; SORT without STORE.",
  complexity: "O(N+M*log(M)) where N is the number of elements and M of those returned",
  execute: (context, request) => sorted(context, request, false),
});

function sorted(context: CommandContext, request: Request, mayStore: boolean): Reply {
  const storeAt = parseSort(request, mayStore);
  if (storeAt instanceof RespError) return storeAt;
  if (context.db.has(keyAt(request, 1))) return WRONG_TYPE;
  if (storeAt === 0) return [];
  // Looked up first: an expired key is removed as such.
  const destination = keyAt(request, storeAt);
  if (context.db.has(destination)) context.db.delete(destination);
  return 0;
}

/** Where the key of STORE is, 0 without one. The last one counts. */
function parseSort(request: Request, mayStore: boolean): number | RespError {
  let storeAt = 0;
  for (let i = 2; i < request.length; i++) {
    const name = optionAt(request, i);
    const left = request.length - i - 1;
    if (name === "asc" || name === "desc" || name === "alpha") continue;
    if (name === "limit" && left >= 2) {
      if (int64At(request, i + 1) === undefined) return NOT_AN_INTEGER;
      if (int64At(request, i + 2) === undefined) return NOT_AN_INTEGER;
      i += 2;
    } else if (name === "store" && left >= 1 && mayStore) storeAt = ++i;
    else if ((name === "by" || name === "get") && left >= 1) i++;
    else return SYNTAX_ERROR;
  }
  return storeAt;
}

/** Arguments that belong to an option, and are none themselves. */
const OPTION_ARGUMENTS: Readonly<Record<string, number>> = { limit: 2, get: 1, by: 1 };

/** The key, and the last destination (Redis `sortGetKeys`). */
function sortKeys(request: Request): number[] {
  let storeAt = 0;
  for (let i = 2; i < request.length; i++) {
    const name = optionAt(request, i);
    if (name === "store" && i + 1 < request.length) storeAt = ++i;
    else i += OPTION_ARGUMENTS[name] ?? 0;
  }
  return storeAt === 0 ? [1] : [1, storeAt];
}

export const SORT: readonly DataCommand[] = [sort, sortReadOnly];
