/** Subcommands that need no running node, as child processes: output, messages, exit codes. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { runLogboat } from "../support/server_process.ts";
import { SETTING_KEYS } from "../../src/config/mod.ts";
import { SUBCOMMANDS } from "../../src/cli/cli.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";

async function withDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "logboat-cli-" });
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Refusals: exit code 2 and exactly these lines. */
const REFUSALS: readonly { args: readonly string[]; output: string }[] = [
  { args: ["srve"], output: "Cannot run srve: there is no such subcommand; did you mean serve?" },
  { args: ["xyzzy"], output: "Cannot run xyzzy: there is no such subcommand; see logboat help" },
  {
    args: ["help", "demmo"],
    output: "Cannot run demmo: there is no such subcommand; did you mean demo?",
  },
  { args: ["version", "now"], output: 'Cannot run version: found "now", expected nothing more' },
  { args: ["config"], output: "Cannot run config: found nothing, expected check or print" },
  { args: ["config", "chek"], output: 'Cannot run config: found "chek", expected check or print' },
  {
    args: ["log", "verify"],
    output: 'Cannot run log: found "verify", expected verify or dump and a data directory',
  },
  {
    args: ["log", "dump", "--all", "x"],
    output: "Cannot use --all: there is no such flag; see --help",
  },
  {
    args: ["demo", "--nodes", "12"],
    output: 'Cannot use --nodes: found "12", expected an integer from 1 to 9',
  },
  {
    args: ["demo", "--node", "3"],
    output: "Cannot use --node: there is no such flag; did you mean --nodes?",
  },
  {
    args: ["demo", "--port", "65000"],
    output: 'Cannot use --port: found "65000", expected an integer from 1 to 63526',
  },
  { args: ["demo", "now"], output: 'Cannot use "now": expected flags only' },
  { args: ["serve", "now"], output: 'Cannot use "now": expected flags only' },
  { args: ["health", "dead"], output: 'Cannot run health: found "dead", expected ready or live' },
  {
    args: ["health", "--admin", "localhost"],
    output: 'Cannot use --admin: found "localhost", expected http://HOST:PORT',
  },
  {
    args: ["cluster"],
    output: "Cannot run cluster: found nothing, expected status, add, remove, promote, demote, " +
      "move, transfer",
  },
  {
    args: ["cluster", "eject", "3"],
    output: 'Cannot run cluster: found "eject", expected status, add, remove, promote, demote, ' +
      "move, transfer",
  },
  { args: ["cluster", "remove"], output: "Cannot run cluster remove: found nothing, expected ID" },
  {
    args: ["cluster", "remove", "node-3"],
    output: 'Cannot remove: found "node-3", expected a member\'s id',
  },
  {
    args: ["cluster", "add", "10.0.0.4:7379"],
    output: 'Cannot run cluster add: found "10.0.0.4:7379", expected RAFT_ADDRESS and ' +
      "REDIS_ADDRESS",
  },
  {
    args: ["cluster", "add", "10.0.0.4", "10.0.0.4:6379"],
    output: 'Cannot add: found "10.0.0.4", expected HOST:PORT',
  },
  {
    args: ["cluster", "add", "a:1", "b:1", "--as", "boss"],
    output: 'Cannot use --as: found "boss", expected voter or learner',
  },
  {
    args: ["cluster", "status", "--json", "please"],
    output: 'Cannot use --json: found "please", expected nothing behind it',
  },
  { args: ["snapshot", "now"], output: 'Cannot run snapshot: found "now", expected nothing more' },
  { args: ["backup"], output: 'Cannot run backup: found "", expected one file to write' },
  { args: ["restore", "a", "b"], output: 'Cannot run restore: found "a b", expected one file' },
  {
    args: ["restore", "a", "--leave-out", "maybe"],
    output: 'Cannot use --leave-out: found "maybe", expected yes or no',
  },
  {
    args: ["serve", "--join", "10.0.0.1:7379", "--raft-join", "10.0.0.2:7379"],
    output: "Cannot use --join: found --raft-join too, expected one",
  },
  {
    args: ["serve", "--join", "10.0.0.1"],
    output: 'Cannot use --raft-join: found "10.0.0.1", expected host:port such as "10.0.0.1:7379"',
  },
  {
    args: ["serve", "--node-id", "x", "--redis-listen", "0.0.0.0:1"],
    output: 'Cannot use --node-id: found "x", expected an integer from 1 to 4294967295\n' +
      "Cannot use --redis-listen: found 0.0.0.0:1 and no password, expected a password, because " +
      "other machines can connect there: set redis.password or redis.password-file, or listen on " +
      "127.0.0.1; if the network itself is trusted, set redis.protected-mode = false",
  },
];

for (const { args, output } of REFUSALS) {
  Deno.test(`logboat ${args.join(" ")}: refused with code 2`, async () => {
    const result = await runLogboat(args);
    assertEquals(result, { code: EXIT_CODES.usage.code, output });
  });
}

Deno.test("help names every subcommand and exit code; each has a page of its own", async () => {
  const { code, output } = await runLogboat(["help"]);
  assertEquals(code, 0);
  for (const { usage } of SUBCOMMANDS) assertStringIncludes(output, `  ${usage}`);
  for (const { code, meaning } of Object.values(EXIT_CODES)) {
    assertStringIncludes(output, `${code}  ${meaning}`);
  }
  assertEquals((await runLogboat(["--help"])).output, output);
  for (const { name, usage, summary, takesSettings } of SUBCOMMANDS) {
    const page = await runLogboat(name === "config" ? ["config", "check", "-h"] : [name, "--help"]);
    assertEquals(page.code, 0, name);
    assertMatch(page.output, /^Usage: logboat /);
    assertStringIncludes(page.output, usage);
    assertStringIncludes(page.output, summary);
    for (const key of SETTING_KEYS) {
      const isThere = new RegExp(`^ +--${key.flag}( |$)`, "m").test(page.output);
      assertEquals(isThere, takesSettings, `${name} --${key.flag}`);
    }
  }
});

Deno.test("version, also as a flag", async () => {
  const { code, output } = await runLogboat(["version"]);
  assertEquals(code, 0);
  assertMatch(output, /^logboat \d+\.\d+\.\d+ \(/);
  assertEquals((await runLogboat(["--version"])).output, output);
});

Deno.test("config: file by flag, by variable, missing, unreadable", async () => {
  await withDirectory(async (directory) => {
    const file = `${directory}/a.toml`;
    await Deno.writeTextFile(file, '[node]\nid = 7\n[redis]\npassword = "hunter2"\n');
    const byFlag = await runLogboat(["config", "print", "--config", file]);
    assertEquals(byFlag.code, 0);
    assertStringIncludes(byFlag.output, `id = 7 # ${file}, line 2\n`);
    assertStringIncludes(byFlag.output, 'password = "***" #');
    assert(!byFlag.output.includes("hunter2"));
    const env = { LOGBOAT_CONFIG: file, LOGBOAT_NODE_ID: "8" };
    const byVariable = await runLogboat(["config", "print"], { env });
    assertStringIncludes(byVariable.output, "id = 8 # LOGBOAT_NODE_ID\n");
    assertStringIncludes(byVariable.output, 'password = "***" #');
    const missing = await runLogboat(["config", "check", "--config", `${directory}/none.toml`]);
    assertEquals(missing.code, 2);
    assertMatch(missing.output, /^Cannot read the settings in .*none\.toml: .*ENOENT/);
    await Deno.writeFile(file, new Uint8Array([0x23, 0xff]));
    const binary = await runLogboat(["config", "check", "--config", file]);
    assertEquals(binary, {
      code: 2,
      output: `Cannot read ${file}: found bytes that are not UTF-8`,
    });
  });
});

Deno.test("config check reads the secret files and never shows what is in them", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/password`;
    const check = (...flags: string[]) => runLogboat(["config", "check", ...flags]);
    const flags = ["--redis-listen", "0.0.0.0:6379", "--redis-password-file", path];
    const missing = await check(...flags);
    assertEquals(missing.code, 2);
    assertMatch(missing.output, /^Cannot use redis\.password-file .*password: .*ENOENT/);
    await Deno.writeTextFile(path, "\nhunter2\n");
    const empty = await check(...flags);
    assertEquals(empty.code, 2);
    assertMatch(empty.output, /found an empty first line, expected the secret$/);
    await Deno.writeTextFile(path, "hunter2\nsecond line\n");
    const fine = await check(...flags);
    assertEquals(fine, { code: 0, output: "The settings are fine (no file)." });
    const print = await runLogboat(["config", "print", ...flags]);
    assert(!print.output.includes("hunter2"));
  });
});

Deno.test("log verify of what is no data directory", async () => {
  await withDirectory(async (directory) => {
    const { code, output } = await runLogboat(["log", "verify", directory]);
    assertEquals(code, EXIT_CODES.unusableData.code);
    assertStringIncludes(output, "expected a data directory of Logboat");
  });
});

Deno.test("health of a node that does not run", async () => {
  const { code, output } = await runLogboat(["health", "--admin", "http://127.0.0.1:1"]);
  assertEquals(code, EXIT_CODES.notHealthy.code);
  assertMatch(output, /^The node at http:\/\/127\.0\.0\.1:1 is not ready: it does not answer/);
});

Deno.test("no two ways to end share a code", () => {
  const codes = Object.values(EXIT_CODES).map(({ code }) => code);
  assertEquals(new Set(codes).size, codes.length);
});
