/**
 * Asks a real Redis 7.0 what it says of every command that Logboat has, and writes
 * `src/server/command_metadata.json`. Run it after adding a family:
 * `deno run -A scripts/command_metadata.ts` (needs `redis-server` 7.0 on the PATH).
 * Texts for people (summaries, history) are not taken.
 */

import { DATA_COMMANDS } from "../src/commands/mod.ts";
import { sessionCommands } from "../src/server/mod.ts";
import { startRealRedis } from "../tests/support/redis_server.ts";
import { RespClient } from "../tests/support/resp_client.ts";

const TARGET = new URL("../src/server/command_metadata.json", import.meta.url);
const DROPPED_DOCS = ["summary", "since", "group", "complexity", "history", "subcommands"];

type Json = string | number | null | Json[];

/** Reads a RESP3 reply as JSON, with the kind of each aggregate in front. */
function read(text: string, at: number): { value: Json; next: number } {
  const line = text.indexOf("\r\n", at);
  const head = text.slice(at + 1, line);
  const count = Number(head);
  const next = line + 2;
  switch (text[at]) {
    case "+":
      return { value: `+${head}`, next };
    case ":":
      return { value: count, next };
    case "_":
      return { value: null, next };
    case "$": {
      const value = text.slice(next, next + count);
      if (value.startsWith("+")) throw new Error(`Cannot store ${value}: it looks like a status`);
      return { value, next: next + count + 2 };
    }
    case "*":
      return readItems(text, next, "list", count);
    case "~":
      return readItems(text, next, "set", count);
    case "%":
      return readItems(text, next, "map", 2 * count);
    default:
      throw new Error(`Cannot read reply of kind ${text[at]}`);
  }
}

function readItems(text: string, start: number, kind: string, count: number) {
  const items: Json[] = [kind];
  let at = start;
  for (let i = 0; i < count; i++) {
    const { value, next } = read(text, at);
    items.push(value);
    at = next;
  }
  return { value: items, next: at };
}

function names(list: Json): string[] {
  return (list as string[]).slice(1).map((name) => name.replace(/^\+/, ""));
}

function keptDocs(docs: Json[]): Json {
  const kept: Json[] = ["list"];
  for (let i = 1; i + 1 < docs.length; i += 2) {
    if (!DROPPED_DOCS.includes(docs[i] as string)) kept.push(docs[i], docs[i + 1]);
  }
  return kept;
}

const redis = await startRealRedis();
const client = await RespClient.connect(redis.port);
try {
  await client.call("HELLO", "3");
  const wanted = [...DATA_COMMANDS.commands, ...sessionCommands].map((command) => command.name);
  const containers = wanted.filter((name) => name.includes("|")).map((name) => name.split("|")[0]);
  const table: Record<string, Json | Record<string, Json>> = {};
  for (const name of [...new Set([...wanted, ...containers])].sort()) {
    const info = (read(await client.call("COMMAND", "INFO", name), 0).value as Json[])[1];
    if (info === null) {
      console.log(`${name}: not in Redis 7.0`);
      continue;
    }
    const docs = read(await client.call("COMMAND", "DOCS", name), 0).value as Json[];
    const [, , , flags, first, last, step, categories, tips, keySpecs] = info as Json[];
    table[name] = {
      flags: names(flags),
      keys: [first, last, step],
      categories: names(categories),
      tips: names(tips),
      keySpecs,
      docs: keptDocs(docs[2] as Json[]),
    };
  }
  const lines = Object.entries(table).map(([name, facts]) =>
    `${JSON.stringify(name)}: ${JSON.stringify(facts)}`
  );
  await Deno.writeTextFile(TARGET, `{\n${lines.join(",\n")}\n}\n`);
  await new Deno.Command("deno", { args: ["fmt", "--quiet", TARGET.pathname] }).output();
  console.log(`${lines.length} commands`);
} finally {
  client.close();
  await redis.close();
}
