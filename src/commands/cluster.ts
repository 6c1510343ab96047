/** CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT, the two parts of CLUSTER that look at keys. */

import type { Database } from "../keyspace/mod.ts";
import { RespError } from "../resp/mod.ts";
import { int64At } from "./arguments.ts";
import { unknownSubcommand } from "./check.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { arityError, NOT_AN_INTEGER } from "./errors.ts";
import { slotOf, SLOTS } from "./slot.ts";

const INVALID_SLOT = new RespError("ERR Invalid slot");
const INVALID_SLOT_OR_NUMBER = new RespError("ERR Invalid slot or number of keys");

const cluster = defineCommand({
  name: "cluster",
  arity: -2,
  flags: [],
  group: "cluster",
  since: "3.0.0",
  summary: "The members as a Redis cluster: a container of subcommands.",
  execute: (_context, request) =>
    request.length < 2 ? arityError("cluster") : unknownSubcommand("cluster", request),
});

const countkeysinslot = defineCommand({
  name: "cluster|countkeysinslot",
  arity: 3,
  flags: ["stale"],
  group: "cluster",
  since: "3.0.0",
  summary: "The number of keys of the database in a hash slot.",
  complexity: "O(N) where N is the number of keys in the database",
  execute(context, request) {
    const slot = int64At(request, 2);
    if (slot === undefined) return NOT_AN_INTEGER;
    if (slot < 0 || slot >= SLOTS) return INVALID_SLOT;
    return keysIn(context.db, Number(slot)).length;
  },
});

const getkeysinslot = defineCommand({
  name: "cluster|getkeysinslot",
  arity: 4,
  flags: ["stale"],
  group: "cluster",
  since: "3.0.0",
  summary: "Names of keys of the database in a hash slot, as many as asked for.",
  complexity: "O(N) where N is the number of keys in the database",
  execute(context, request) {
    const slot = int64At(request, 2);
    const count = int64At(request, 3);
    if (slot === undefined || count === undefined) return NOT_AN_INTEGER;
    if (slot < 0 || slot >= SLOTS || count < 0) return INVALID_SLOT_OR_NUMBER;
    return keysIn(context.db, Number(slot)).slice(0, Number(count));
  },
});

/** There is no index by slot, so all keys are looked at. */
function keysIn(db: Database, slot: number): string[] {
  return db.keys((key) => slotOf(key) === slot);
}

export const CLUSTER: readonly DataCommand[] = [cluster, countkeysinslot, getkeysinslot];
