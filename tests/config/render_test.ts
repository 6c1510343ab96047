/** The example file, the printed settings and the README's table say what the schema says. */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import {
  exampleFile,
  printSettings,
  SETTING_KEYS,
  settingsHelp,
  settingsTable,
} from "../../src/config/mod.ts";
import { loaded } from "./support.ts";

const root = new URL("../../", import.meta.url);

Deno.test("the example file loads and is the defaults", () => {
  const example = loaded({ file: exampleFile() });
  assertEquals(example.settings, loaded({}).settings);
  assertEquals(example.warnings, []);
});

Deno.test("the example file with its commented lines in force still loads", () => {
  const text = exampleFile().replace(
    /^# ((?:\[\[raft|id = 1$|raft = "|redis = "|\S+-ms = ).*)$/gm,
    "$1",
  );
  const settings = loaded({ file: text }).settings;
  assertEquals(settings.raft.peers, [{ id: 1, raft: "10.0.0.1:7379", redis: "10.0.0.1:6379" }]);
  assertEquals(settings.raft.heartbeatMs, 500);
});

Deno.test("logboat.example.toml is what the schema gives", async () => {
  assertEquals(await Deno.readTextFile(new URL("logboat.example.toml", root)), exampleFile());
});

Deno.test("every setting is in the example, the help and the table", () => {
  for (const key of SETTING_KEYS) {
    assertStringIncludes(settingsHelp(), `--${key.flag}`);
    assertStringIncludes(settingsTable(), `\`${key.path}\``);
    assertStringIncludes(exampleFile(), key.name === "peer" ? "[[raft.peer]]" : `${key.name} = `);
  }
});

Deno.test("printed settings load to the same settings and name their sources", () => {
  const given = loaded({
    file: '[log]\nlevel = "warn"\n',
    env: { LOGBOAT_RAFT_TIMING: "lan" },
    args: ["--node-id", "2", "--raft-peer", "2=a:1,a:2", "--raft-peer", "1=b:1,b:2"],
  });
  const text = printSettings(given);
  assertEquals(loaded({ file: text }).settings, given.settings);
  assertStringIncludes(text, "id = 2 # --node-id\n");
  assertStringIncludes(text, 'level = "warn" # logboat.toml, line 2\n');
  assertStringIncludes(text, 'timing = "lan" # LOGBOAT_RAFT_TIMING\n');
  assertStringIncludes(text, 'heartbeat-ms = 50 # from raft.timing = "lan"\n');
  assertStringIncludes(text, "max-clients = 10000 # default\n");
});

Deno.test("secrets are never printed", () => {
  const secrets = SETTING_KEYS.filter((key) => key.facts.secret);
  assertEquals(secrets.map((key) => key.path), ["redis.password", "raft.secret", "admin.token"]);
  const text = printSettings(
    loaded({ args: secrets.flatMap((key) => [`--${key.flag}`, "hunter2"]) }),
  );
  assert(!text.includes("hunter2"));
  assertEquals(text.match(/= "\*\*\*" #/g)?.length, 3);
});
