/** Keys of any type: finding them. */

import { globMatches, typeOfValue } from "../keyspace/mod.ts";
import { RespError } from "../resp/mod.ts";
import { type DataCommand, defineCommand } from "./define.ts";
import { INVALID_CURSOR } from "./errors.ts";
import { cursorAt, cursorText, parseScanOptions, scanMatches } from "./scan.ts";

const keys = defineCommand({
  name: "keys",
  arity: 2,
  flags: ["readonly"],
  group: "generic",
  since: "1.0.0",
  summary: "Answers all keys whose names match a pattern. Prefer SCAN.",
  complexity: "O(N) where N is the number of keys in the database",
  execute(context, request) {
    const pattern = request.text(1);
    return context.db.keys((key) => pattern === "*" || globMatches(pattern, key));
  },
});

const scan = defineCommand({
  name: "scan",
  arity: -2,
  flags: ["readonly"],
  group: "generic",
  since: "2.8.0",
  summary: "Walks the keys of the database page by page.",
  complexity: "O(1) a page, O(N) for the whole walk",
  execute(context, request) {
    const cursor = cursorAt(request, 1);
    if (cursor === undefined) return INVALID_CURSOR;
    const options = parseScanOptions(request, 2, true);
    if (options instanceof RespError) return options;
    const page = context.db.page(cursor, options.count);
    const found = page.keys.filter((key) => {
      if (!scanMatches(options, key)) return false;
      if (options.type === undefined) return true;
      const value = context.db.get(key);
      return value !== undefined && typeOfValue(value) === options.type;
    });
    return [cursorText(page.next), found];
  },
});

const randomkey = defineCommand({
  name: "randomkey",
  arity: 1,
  flags: ["readonly"],
  group: "generic",
  since: "1.0.0",
  summary: "Answers a key, each about equally likely; null in an empty database.",
  complexity: "O(1)",
  execute: (context) => context.db.randomKey(() => context.random.unit()) ?? null,
});

export const KEYS_WALK: readonly DataCommand[] = [keys, randomkey, scan];
