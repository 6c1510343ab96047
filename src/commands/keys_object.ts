/** OBJECT: how a value is held. */

import { encodingOfValue } from "../keyspace/mod.ts";
import { RespError, SimpleString } from "../resp/mod.ts";
import { keyAt } from "./arguments.ts";
import { unknownSubcommand } from "./check.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { arityError } from "./errors.ts";

const NO_LFU = new RespError(
  "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that " +
    "when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

/** Redis keeps one object for each of these integers and reports this count for it. */
const SHARED_INTEGERS = 10_000;
const SHARED_REFCOUNT = 2147483647;

const KEY = { first: 2, last: 2, step: 1 };

const object = defineCommand({
  name: "object",
  arity: -2,
  flags: [],
  group: "generic",
  since: "2.2.3",
  summary: "How the value at a key is held: a container of subcommands.",
  execute: (_context, request) =>
    request.length < 2 ? arityError("object") : unknownSubcommand("object", request),
});

const encoding = defineCommand({
  name: "object|encoding",
  arity: 3,
  flags: ["readonly"],
  keys: KEY,
  group: "generic",
  since: "2.2.3",
  summary: "Answers the name of the form that Redis would hold the value in.",
  complexity: "O(1)",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 2));
    return value === undefined ? null : encodingOfValue(value);
  },
});

const refcount = defineCommand({
  name: "object|refcount",
  arity: 3,
  flags: ["readonly"],
  keys: KEY,
  group: "generic",
  since: "2.2.3",
  summary: "Answers 1, or 2147483647 for small integers, which Redis shares.",
  complexity: "O(1)",
  execute(context, request) {
    const value = context.db.get(keyAt(request, 2));
    if (value === undefined) return null;
    const shared = typeof value === "number" && value >= 0 && value < SHARED_INTEGERS;
    return shared ? SHARED_REFCOUNT : 1;
  },
});

const idletime = defineCommand({
  name: "object|idletime",
  arity: 3,
  flags: ["readonly"],
  keys: KEY,
  group: "generic",
  since: "2.2.3",
  summary: "Answers 0: a read changes nothing, so access times are not kept.",
  complexity: "O(1)",
  execute: (context, request) => context.db.has(keyAt(request, 2)) ? 0 : null,
});

const freq = defineCommand({
  name: "object|freq",
  arity: 3,
  flags: ["readonly"],
  keys: KEY,
  group: "generic",
  since: "4.0.0",
  summary: "Refused, as in a Redis without an LFU policy.",
  complexity: "O(1)",
  execute: (context, request) => context.db.has(keyAt(request, 2)) ? NO_LFU : null,
});

const HELP = [
  "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "ENCODING <key>",
  "    Return the kind of internal representation used in order to store the value",
  "    associated with a <key>.",
  "FREQ <key>",
  "    Return the access frequency index of the <key>. The returned integer is",
  "    proportional to the logarithm of the recent access frequency of the key.",
  "IDLETIME <key>",
  "    Return the idle time of the <key>, that is the approximated number of",
  "    seconds elapsed since the last access to the key.",
  "REFCOUNT <key>",
  "    Return the number of references of the value associated with the specified",
  "    <key>.",
  "HELP",
  "    Prints this help.",
].map((line) => new SimpleString(line));

const help = defineCommand({
  name: "object|help",
  arity: 2,
  flags: ["loading", "stale"],
  group: "generic",
  since: "6.2.0",
  summary: "Describes the subcommands.",
  complexity: "O(1)",
  execute: () => HELP,
});

export const KEYS_OBJECT: readonly DataCommand[] = [
  object,
  encoding,
  freq,
  help,
  idletime,
  refcount,
];
