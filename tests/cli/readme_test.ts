/** README.md says what the code says: tables, names and examples are compared with their sources. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { ADMIN_ROUTES } from "../../src/admin/mod.ts";
import { exitCodesTable } from "../../src/cli/exit_codes.ts";
import { SUBCOMMANDS } from "../../src/cli/cli.ts";
import { subcommandHelp } from "../../src/cli/help.ts";
import { DATA_COMMANDS } from "../../src/commands/mod.ts";
import { loadSettings, parseFlags, settingsTable } from "../../src/config/mod.ts";
import { sessionCommands } from "../../src/server/mod.ts";
import { fakeNode, listener, view } from "../admin/support.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));
const flat = flatten(readme);

/** The formatter aligns tables; only their words count here. */
function flatten(text: string): string {
  return text.replace(/ +/g, " ").replace(/-{3,}/g, "---");
}

/** The part under a heading. */
function section(heading: string): string {
  const start = readme.indexOf(`\n${heading}\n`);
  assert(start >= 0, `README.md has no "${heading}"`);
  const level = /^#+/.exec(heading)![0];
  const rest = readme.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level.length}} `, "m"));
  return end < 0 ? rest : rest.slice(0, end);
}

Deno.test("the settings are those of the schema", () => {
  for (const row of settingsTable().trim().split("\n")) assertStringIncludes(flat, flatten(row));
});

Deno.test("the exit codes are those of the program", () => {
  const rows = section("## Exit codes").split("\n").filter((line) => line.startsWith("|"));
  assertEquals(rows.map(flatten), exitCodesTable().trim().split("\n").map(flatten));
});

Deno.test("the commands are those that are declared, no more and no fewer", () => {
  const declared = new Set<string>();
  for (const { name } of [...DATA_COMMANDS.commands, ...sessionCommands.map(declarationOf)]) {
    declared.add(name.toUpperCase().replace("|", " "));
    declared.add(name.toUpperCase().split("|")[0]);
  }
  const written = new Set<string>();
  const rows = section("## Redis commands").split("\n").filter((line) =>
    /^\| [a-z]+ +\| `/.test(line)
  );
  for (const [, name, subcommands = ""] of rows.join().matchAll(/`([A-Z_-]+)`(?: \(([^)]+)\))?/g)) {
    written.add(name);
    for (const sub of subcommands.split(", ")) if (sub !== "") written.add(`${name} ${sub}`);
  }
  assertEquals([...written].sort(), [...declared].sort());
});

/** A session command wraps its declaration, or is one. */
function declarationOf(command: unknown): { readonly name: string } {
  const { declaration } = command as { declaration?: { name: string } };
  return declaration ?? command as { name: string };
}

Deno.test("the admin paths are those that are served", () => {
  const rows = [...section("## Administration").matchAll(/^\| `(GET|POST|DELETE) (\S+)`/gm)];
  const written = rows.map(([, method, path]) => ({ method, path }));
  assertEquals(written, ADMIN_ROUTES.map(({ method, path }) => ({ method: `${method}`, path })));
});

Deno.test("every metric that is named exists", async () => {
  const { metrics, processStats } = fakeNode();
  const text = await metrics.render({ view, listener, process: processStats() });
  const named = new Set(readme.match(/\blogboat_[a-z_]+\b/g));
  assert(named.size > 3);
  for (const name of named) assertStringIncludes(text, `# TYPE ${name} `);
});

Deno.test("every subcommand is explained", () => {
  for (const { name } of SUBCOMMANDS) {
    assertStringIncludes(section("## Command line"), `logboat ${name}`);
  }
});

Deno.test("every command that is shown is one, with flags that it takes", () => {
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  const lines = blocks.flatMap((text) => text.replaceAll("\\\n", " ").split("\n"));
  const shown = lines.filter((line) => /^(\.\/dist\/)?logboat /.test(line));
  assert(shown.length > 10, `only ${shown.length} commands are shown`);
  for (const line of shown) {
    const [, name, ...words] = line.split(/\s+/);
    const subcommand = SUBCOMMANDS.find((each) => each.name === name);
    assert(subcommand !== undefined, line);
    const help = subcommandHelp(subcommand);
    for (const flag of words.filter((word) => word.startsWith("--"))) {
      assertMatch(help, new RegExp(`${flag}(?![a-z-])`), line);
    }
  }
});

Deno.test("the example of three hosts loads as it is, without a warning", () => {
  const blocks = [...readme.matchAll(/^```toml\n([\s\S]*?)^```$/gm)];
  assertEquals(blocks.length, 1);
  for (const id of [1, 2, 3]) {
    const text = blocks[0][1].replace("id = 1", `id = ${id}`)
      .replaceAll(/^listen = "10\.0\.0\.1/gm, `listen = "10.0.0.${id}`);
    const flags = parseFlags([], { settings: true, own: [] });
    const result = loadSettings({ flags, env: {}, file: { name: "logboat.toml", text } });
    assert(result.kind === "loaded", JSON.stringify(result));
    assertEquals(result.warnings, []);
    assertEquals(result.settings.raft.peers.length, 3);
    assertEquals(result.settings.raft.listen.hostname, `10.0.0.${id}`);
  }
});

Deno.test("the tasks that are named exist", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const named = new Set(
    [...readme.matchAll(/deno@2\.9\.6 task ([a-z]+)/g)].map(([, task]) => task),
  );
  assert(named.has("start") && named.has("test"));
  for (const task of named) assert(task in tasks, task);
});
