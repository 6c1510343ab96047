/** Finding commands, and the errors for those that are not there, against a real Redis. */

import { needs } from "../support/peers.ts";
import {
  arityError,
  arityFits,
  CommandTable,
  DATA_COMMANDS,
  keysOf,
  lookupCommand,
  unknownCommand,
} from "../../src/commands/mod.ts";
import { Request, RespError } from "../../src/resp/mod.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { startRealRedis } from "../support/redis_server.ts";
import { RespClient } from "../support/resp_client.ts";
import { Draw, GENERATORS } from "./generator.ts";
import { encoded, LocalServer } from "./twin.ts";

Deno.test("every command is found by its name in any case, and by nothing near it", () => {
  const draw = new Draw(3);
  for (const command of DATA_COMMANDS.commands) {
    const [name, ...sub] = command.name.split("|");
    const rest = sub.length > 0 ? [draw.cased(sub[0]), "key"] : ["key"];
    for (const cased of [name, name.toUpperCase(), draw.cased(name)]) {
      assertEquals(lookupCommand(Request.of(cased, ...rest))?.name, command.name);
    }
    for (const near of [name.slice(1), `${name}s`, ` ${name}`, name + "\0"]) {
      const found = lookupCommand(Request.of(near, ...rest));
      assert(found === undefined || found.name === near, `${JSON.stringify(near)} found`);
    }
    assertEquals(DATA_COMMANDS.byName(command.name), command);
  }
  assertEquals(lookupCommand(Request.of("{et", "k")), undefined);
  assertEquals(lookupCommand(Request.of("")), undefined);
  assertEquals(lookupCommand(Request.of("OBJECT"))?.name, "object");
  assertEquals(lookupCommand(Request.of("OBJECT", "nope"))?.name, "object");
  assertEquals(DATA_COMMANDS.subcommandsOf("object").length, 5);
});

Deno.test("declaring a name twice, or subcommands without their container, is a bug", () => {
  const get = DATA_COMMANDS.byName("get");
  const encoding = DATA_COMMANDS.byName("object|encoding");
  assert(get !== undefined && encoding !== undefined);
  assertThrows(() => new CommandTable([get, get]), Error, "get twice");
  assertThrows(() => new CommandTable([encoding]), Error, "container itself");
});

Deno.test(
  "unknown commands, subcommands and wrong arity answer as Redis",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis();
    const client = await RespClient.connect(redis.port);
    try {
      const long = "x".repeat(300);
      const cases = [
        ["nosuch"],
        ["NoSuch", "a", "b"],
        ["nosuch", ...Array.from({ length: 50 }, (_, i) => `argument${i}`)],
        [long, long],
        ["no\r\nsuch", "a\r\nb"],
        ["no\0such", "a\0b"],
        ["", ""],
        ["nosuch", "x".repeat(127), "y"],
        ["nosuch", "x".repeat(120), "yyyyyyyyyyyyyy"],
        ["get"],
        ["GET", "a", "b"],
        ["OBJECT"],
        ["OBJECT", "nope"],
        ["OBJECT", "no\r\npe", "a"],
        ["OBJECT", long],
        ["OBJECT", "ENCODING"],
        ["object", "HELP", "x"],
      ];
      const local = new LocalServer(1);
      for (const parts of cases) {
        assertEquals(
          encoded(local.execute(parts, 1), 2),
          await client.call(...parts),
          JSON.stringify(parts),
        );
      }
      assertEquals(arityError("get").text, "ERR wrong number of arguments for 'get' command");
      assert(unknownCommand(Request.of("x")) instanceof RespError);
    } finally {
      client.close();
      await redis.close();
    }
  },
);

Deno.test(
  "the keys of generated commands are those of COMMAND GETKEYS",
  needs("redis-server"),
  async () => {
    const redis = await startRealRedis();
    const client = await RespClient.connect(redis.port);
    try {
      const draw = new Draw(17);
      for (const name of Object.keys(GENERATORS)) {
        // A container alone is no command to Redis's GETKEYS, and DEBUG DIGEST is ours.
        if (name === "object" || name === "cluster" || name.startsWith("debug")) continue;
        const command = DATA_COMMANDS.byName(name);
        assert(command !== undefined);
        for (let i = 0; i < 10; i++) {
          const parts = [...name.split("|"), ...GENERATORS[name](draw)];
          const request = Request.of(...parts);
          if (!arityFits(command, request)) continue;
          const ours = keysOf(command, request).map((at) => request.text(at));
          // GETKEYS itself wants an argument behind the name; no command without one has keys.
          if (parts.length === 1) {
            assertEquals(ours, [], name);
            continue;
          }
          const theirs = await client.value("COMMAND", "GETKEYS", ...parts);
          const none = theirs === "-ERR The command has no key arguments";
          assertEquals(ours, none ? [] : theirs as string[], parts.join(" "));
        }
      }
    } finally {
      client.close();
      await redis.close();
    }
  },
);
