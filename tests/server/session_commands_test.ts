/** Session commands, reply by reply the same as those of a real Redis. */

import { needs } from "../support/peers.ts";
import { DATA_COMMANDS } from "../../src/commands/mod.ts";
import { sessionCommands } from "../../src/server/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { member } from "../support/fake_gateway.ts";
import { type RealRedis, startRealRedis } from "../support/redis_server.ts";
import { command, type ParsedReply, parseReply, RespClient } from "../support/resp_client.ts";
import { withServer } from "./support.ts";

async function answers(port: number, script: readonly string[][]): Promise<string[]> {
  const client = await RespClient.connect(port);
  try {
    await client.send(script.map((parts) => command(...parts)).join(""));
    await client.send(command("ECHO", "the end"));
    const whole = await client.until("$7\r\nthe end\r\n");
    // HELLO tells the connection's number.
    const text = whole.replace(/(?<=\$2\r\nid\r\n):\d+/g, ":1");
    return text.split(/(?<=\r\n)(?=[-+:$*_%~,#=>(])/);
  } finally {
    client.close();
  }
}

/** Each list is run on its own connection. */
const SCRIPTS: readonly string[][][] = [
  [["MULTI"], ["MULTI"], ["PING"], ["EXEC"]],
  [["EXEC"], ["DISCARD"], ["MULTI"], ["DISCARD"], ["EXEC"]],
  [["MULTI"], ["EXEC"]],
  [["MULTI"], ["SET", "k"], ["SET", "k", "v"], ["EXEC"], ["GET", "k"]],
  [["MULTI"], ["SET", "k", "v"], ["NOSUCH"], ["EXEC"], ["GET", "k"]],
  [["MULTI"], ["EXEC", "x"], ["EXEC"]],
  [["MULTI"], ["SET", "k", "a"], ["INCR", "k"], ["GET", "k"], ["EXEC"], ["DEL", "k"]],
  [
    ["MULTI"],
    ["SET", "k", "0"],
    ["SELECT", "3"],
    ["SET", "k", "3"],
    ["PING", "x"],
    ["EXEC"],
    [
      "GET",
      "k",
    ],
    ["SELECT", "0"],
    ["GET", "k"],
    ["DEL", "k"],
    ["SELECT", "3"],
    ["DEL", "k"],
  ],
  [["MULTI"], ["ECHO", "a"], ["CLIENT", "SETNAME", "me"], ["CLIENT", "GETNAME"], ["EXEC"]],
  [["MULTI"], ["HELLO", "9"], ["AUTH", "x"], ["EXEC"]],
  [["MULTI"], ["RESET"], ["EXEC"]],
  // Each answer in the protocol of its place, the one from the node as well as those from here.
  [
    ["MULTI"],
    ["GET", "none"],
    ["CONFIG", "GET", "save"],
    ["HELLO", "3"],
    ["GET", "none"],
    [
      "CONFIG",
      "GET",
      "save",
    ],
    ["EXEC"],
    ["GET", "none"],
  ],
  [["HELLO", "3"], ["MULTI"], ["GET", "none"], ["HELLO", "2"], ["GET", "none"], ["EXEC"], [
    "GET",
    "none",
  ]],
  [["HELLO", "3"], ["MULTI"], ["HELLO", "2"], ["HELLO", "9"], ["HELLO", "3"], ["EXEC"]],
  [["MULTI"], ["CONFIG", "GET", "save"], ["HELLO", "3"], ["CONFIG", "GET", "save"], ["EXEC"]],
  [["MULTI"], ["SELECT", "99"], ["PING", "a", "b"], ["EXEC"]],
  [["HELLO", "2", "SETNAME", "x y"], ["CLIENT", "SETNAME", "a\nb"], ["CLIENT", "GETNAME"]],
  [["CLIENT", "SETNAME", "me"], ["CLIENT", "GETNAME"], ["RESET"], ["CLIENT", "GETNAME"]],
  [["CLIENT", "SETNAME", "me"], ["CLIENT", "SETNAME", ""], ["CLIENT", "GETNAME"]],
  [["CLIENT", "REPLY", "OFF"], ["PING"], ["CLIENT", "REPLY", "SKIP"], ["PING"], [
    "CLIENT",
    "REPLY",
    "ON",
  ], ["PING"]],
  [["CLIENT", "REPLY", "SKIP"], ["PING", "gone"], ["PING", "here"]],
  [["CLIENT", "REPLY", "SKIP"], ["SET", "k", "v"], ["GET", "k"], ["DEL", "k"]],
  [["CLIENT", "REPLY", "OFF"], ["SET", "k", "v"], ["NOSUCH"], ["CLIENT", "REPLY", "ON"], [
    "DEL",
    "k",
  ]],
  [["CLIENT", "REPLY", "MAYBE"], ["CLIENT", "REPLY"]],
  [["CLIENT", "KILL", "1.1.1.1:1"], ["CLIENT", "KILL", "ID", "abc"], ["CLIENT", "KILL", "ID", "0"]],
  [["CLIENT", "KILL", "TYPE", "foo"], ["CLIENT", "KILL", "USER", "nobody"]],
  [["CLIENT", "KILL", "SKIPME", "x"], ["CLIENT", "KILL", "ID", "99999"]],
  [["CLIENT", "KILL", "FOO", "bar"], ["CLIENT", "KILL", "ID", "99999", "FOO"]],
  [["CLIENT", "KILL", "ADDR", "1.1.1.1:1", "TYPE", "normal"], ["CLIENT", "KILL", "ID"]],
  [["CLIENT", "LIST", "TYPE", "foo"], ["CLIENT", "LIST", "TYPE", "pubsub"]],
  [["CLIENT", "LIST", "TYPE", "replica"], ["CLIENT", "LIST", "ID", "x"]],
  [["CLIENT", "LIST", "ID", "99999"], ["CLIENT", "LIST", "FOO"], ["CLIENT", "LIST", "TYPE"]],
  [["CLIENT", "LIST", "ID"], ["CLIENT", "LIST", "TYPE", "normal", "x"]],
  [["CLIENT", "NO-EVICT", "on"], ["CLIENT", "NO-EVICT", "off"], ["CLIENT", "NO-EVICT", "x"]],
  [["CLIENT", "UNBLOCK", "x"], ["CLIENT", "UNBLOCK", "99999"]],
  [["CLIENT", "UNBLOCK", "99999", "FOO"], ["CLIENT", "UNBLOCK", "1", "ERROR", "x"]],
  [["CLIENT", "PAUSE", "x"], ["CLIENT", "PAUSE", "-1"], ["CLIENT", "PAUSE", "1", "FOO"]],
  [["CLIENT", "PAUSE", "1", "ALL", "x"], ["CLIENT", "PAUSE"], ["CLIENT", "UNPAUSE"]],
  [["CLIENT", "PAUSE", "20"], ["PING"], ["CLIENT", "PAUSE", "20", "WRITE"], ["PING"], ["GET", "x"]],
  [["CLIENT", "ID", "x"], ["CLIENT", "INFO", "x"], ["CLIENT", "GETNAME", "x"]],
  [["CONFIG", "GET"], ["CONFIG", "NOSUCH"], ["CONFIG", "GET", "nosuch*"]],
  [["CONFIG", "GET", "maxclients"], ["CONFIG", "GET", "MAXCLI*"], ["CONFIG", "GET", "databases"]],
  [["CONFIG", "GET", "max[a-c]lients"], ["CONFIG", "GET", "save", "sav*"]],
  [["CONFIG", "SET", "maxclients", "x"], ["CONFIG", "SET", "maxclients", "0"]],
  [["CONFIG", "SET", "nosuch", "1"], ["CONFIG", "SET", "maxclients"]],
  [["CONFIG", "SET", "maxclients", "100", "maxclients", "200"], [
    "CONFIG",
    "SET",
    "databases",
    "3",
  ]],
  [["CONFIG", "SET", "timeout", "-1"], ["CONFIG", "SET", "maxclients", "1", "x"]],
  [["CONFIG", "SET", "timeout", "100", "nosuch", "1"], ["CONFIG", "GET", "timeout"]],
  [["CONFIG", "SET", "timeout", "100"], ["CONFIG", "GET", "timeout"], [
    "CONFIG",
    "SET",
    "timeout",
    "0",
  ]],
  [["CONFIG", "SET", "protected-mode", "maybe"], ["CONFIG", "SET", "proto-max-bulk-len", "x"]],
  [["CONFIG", "SET", "proto-max-bulk-len", "2mb"], ["CONFIG", "GET", "proto-max-bulk-len"]],
  [["CONFIG", "RESETSTAT", "x"], ["CONFIG", "RESETSTAT"]],
  [["WAIT", "0", "0"], ["WAIT", "x", "0"], ["WAIT", "0", "-1"], ["WAIT", "0", "x"]],
  [["TIME", "x"], ["ROLE", "x"], ["READONLY", "x"], ["INFO", "nosuch"]],
  [["COMMAND", "INFO", "nosuch"], ["COMMAND", "NOSUCH"], ["COMMAND", "COUNT", "x"]],
  [["COMMAND", "LIST", "FOO"], ["COMMAND", "LIST", "FILTERBY"]],
  [["COMMAND", "LIST", "FILTERBY", "FOO", "x"], ["COMMAND", "LIST", "FILTERBY", "MODULE", "x"]],
  [["COMMAND", "LIST", "FILTERBY", "ACLCAT", "x"], [
    "COMMAND",
    "LIST",
    "FILTERBY",
    "PATTERN",
    "mult*",
  ]],
  [["COMMAND", "GETKEYS"], ["COMMAND", "GETKEYS", "nosuch"], ["COMMAND", "GETKEYS", "PING"]],
  [["COMMAND", "GETKEYS", "GET"], ["COMMAND", "GETKEYS", "set", "a", "b"]],
  [["COMMAND", "GETKEYSANDFLAGS", "set", "a", "b"], ["COMMAND", "GETKEYSANDFLAGS", "get", "a"]],
  [["COMMAND", "GETKEYSANDFLAGS", "PING"], ["COMMAND", "GETKEYS", "client", "id"]],
  [["COMMAND", "DOCS", "nosuch"], ["COMMAND", "INFO"].slice(0, 1).concat("GETKEYS")],
];

Deno.test("session commands answer as those of Redis", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  try {
    await withServer(async ({ port, gateway }) => {
      gateway.viewChanges = { members: [member(1)] };
      for (const script of SCRIPTS) {
        assertEquals(
          await answers(port, script),
          await answers(redis.port, script),
          JSON.stringify(script),
        );
      }
    });
  } finally {
    await redis.close();
  }
});

Deno.test("COMMAND LIST names subcommands, as Redis does", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  const client = await RespClient.connect(redis.port);
  try {
    await withServer(
      async ({ connect }) => {
        const theirs = new Set(parseReply(await client.call("COMMAND", "LIST")) as string[]);
        const ours = parseReply(await (await connect()).call("COMMAND", "LIST")) as string[];
        assert(ours.includes("client|list") && ours.includes("client") && ours.includes("get"));
        assertEquals(ours.filter((name) => !theirs.has(name) && !NEWER.includes(name)), []);
        assertEquals(new Set(ours).size, ours.length);
      },
      {},
      DATA_COMMANDS.commands,
    );
  } finally {
    client.close();
    await redis.close();
  }
});

/** Sets have no order: sort them, and the subcommands, before comparing. */
function sortedFacts(reply: ParsedReply): ParsedReply {
  if (!Array.isArray(reply)) return reply;
  const facts = [...reply];
  for (const i of [2, 6, 7]) facts[i] = [...facts[i] as ParsedReply[]].sort();
  facts[9] = (facts[9] as ParsedReply[]).map(sortedFacts).sort((a, b) =>
    String((a as ParsedReply[])[0]) < String((b as ParsedReply[])[0]) ? -1 : 1
  );
  return facts;
}

async function infoOf(port: number, name: string): Promise<ParsedReply> {
  const client = await RespClient.connect(port);
  try {
    await client.call("HELLO", "3");
    const reply = parseReply(await client.call("COMMAND", "INFO", name)) as ParsedReply[];
    return sortedFacts(reply[0]);
  } finally {
    client.close();
  }
}

/** Newer than Redis 7.0, or a subcommand here that Redis does not list as one. */
const NEWER = ["client|setinfo", "client|no-touch", "debug|digest"];

async function compareInfo(redis: RealRedis, port: number, name: string): Promise<void> {
  const wanted = await infoOf(redis.port, name);
  if (NEWER.includes(name)) return assertEquals(wanted, null);
  const found = await infoOf(port, name);
  assert(wanted !== null, `${name} is not a command of Redis 7.0`);
  const [wantedFacts, foundFacts] = [[...wanted as ParsedReply[]], [...found as ParsedReply[]]];
  const present = new Set((foundFacts[9] as ParsedReply[][]).map(([sub]) => sub));
  wantedFacts[9] = (wantedFacts[9] as ParsedReply[][]).filter(([sub]) => present.has(sub));
  foundFacts[9] = (foundFacts[9] as ParsedReply[][]).filter(([sub]) =>
    !NEWER.includes(sub as string)
  );
  assertEquals(foundFacts, wantedFacts, name);
}

Deno.test("COMMAND INFO says of every command what Redis says", needs("redis-server"), async () => {
  const redis = await startRealRedis();
  try {
    await withServer(
      async ({ port }) => {
        const names = [...sessionCommands, ...DATA_COMMANDS.commands].map((it) => it.name);
        const containers = names.filter((it) => it.includes("|")).map((it) => it.split("|")[0]);
        for (const name of new Set([...names, ...containers])) await compareInfo(redis, port, name);
      },
      {},
      DATA_COMMANDS.commands,
    );
  } finally {
    await redis.close();
  }
});

Deno.test(
  "every declaration agrees with COMMAND INFO on flags",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis();
    try {
      for (const declaration of sessionCommands.filter((it) => !NEWER.includes(it.name))) {
        const facts = await infoOf(redis.port, declaration.name) as ParsedReply[];
        assertEquals(declaration.arity, facts[1], declaration.name);
        const flags = declaration.flags.map((flag) => `+${flag}`).sort();
        assertEquals(flags, facts[2] as string[], declaration.name);
      }
    } finally {
      await redis.close();
    }
  },
);
