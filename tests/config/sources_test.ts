/** Every setting from every source, and which source wins. */

import { assert, assertEquals } from "../support/assert.ts";
import { SETTING_KEYS, type SettingKey, type Settings } from "../../src/config/mod.ts";
import { loaded, sampleOf } from "./support.ts";

/** The value in the settings that belongs to a key. */
function valueOf(settings: Settings, key: SettingKey): unknown {
  const section = settings[key.section as keyof Settings] as Record<string, unknown>;
  const name = key.name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return section[name === "peer" ? "peers" : name];
}

const defaults = loaded({}).settings;

for (const key of SETTING_KEYS) {
  const { word, toml } = sampleOf(key);
  const file = `[${key.section}]\n${key.name} = ${toml}\n`;

  Deno.test(`${key.path} can be set by file, variable and flag alike`, () => {
    const byFile = loaded({ file });
    const byVariable = loaded({ env: { [key.variable]: word } });
    const byFlag = loaded({ args: [`--${key.flag}`, word] });
    const value = valueOf(byFile.settings, key);
    assert(value !== undefined, "the setting has no value");
    assertEquals(valueOf(byVariable.settings, key), value);
    assertEquals(valueOf(byFlag.settings, key), value);
    assert(
      JSON.stringify(value) !== JSON.stringify(valueOf(defaults, key)),
      "the sample is the default, so this test shows nothing",
    );
    assertEquals(byFile.given.get(key.path)?.origin, {
      kind: "file",
      name: "logboat.toml, line 2",
    });
    assertEquals(byVariable.given.get(key.path)?.origin, { kind: "variable", name: key.variable });
    assertEquals(byFlag.given.get(key.path)?.origin, { kind: "flag", name: `--${key.flag}` });
    assertEquals(byFlag.given.size, 1);
  });

  Deno.test(`${key.path} takes nothing else with it`, () => {
    const one = loaded({ file }).settings;
    for (const other of SETTING_KEYS) {
      if (other.path === key.path || key.path === "raft.timing") continue;
      assertEquals(valueOf(one, other), valueOf(defaults, other), other.path);
    }
  });
}

Deno.test("a flag goes before a variable, a variable before the file, the file before the default", () => {
  const file = "[node]\nid = 2\n";
  const env = { LOGBOAT_NODE_ID: "3" };
  const args = ["--node-id=4"];
  assertEquals(loaded({}).settings.node.id, undefined);
  assertEquals(loaded({ file }).settings.node.id, 2);
  assertEquals(loaded({ file, env }).settings.node.id, 3);
  assertEquals(loaded({ file, env, args }).settings.node.id, 4);
  assertEquals(loaded({ file, args }).settings.node.id, 4);
  assertEquals(loaded({ env, args }).settings.node.id, 4);
});

Deno.test("a higher source replaces the whole list of peers", () => {
  const file = '[[raft.peer]]\nid = 1\nraft = "a:1"\nredis = "a:2"\n' +
    '[[raft.peer]]\nid = 2\nraft = "b:1"\nredis = "b:2"\n';
  assertEquals(loaded({ file }).settings.raft.peers.map((peer) => peer.id), [1, 2]);
  const env = { LOGBOAT_RAFT_PEER: "3=c:1,c:2;1=a:1,a:2  4=[::1]:1,[::1]:2" };
  assertEquals(loaded({ file, env }).settings.raft.peers, [
    { id: 1, raft: "a:1", redis: "a:2" },
    { id: 3, raft: "c:1", redis: "c:2" },
    { id: 4, raft: "[::1]:1", redis: "[::1]:2" },
  ]);
  const args = ["--raft-peer", "1=x:1,x:2", "--raft-peer=5=y:1,y:2"];
  assertEquals(loaded({ file, env, args }).settings.raft.peers.map((peer) => peer.id), [1, 5]);
});

Deno.test("a preset gives the timers, and single timers override it", () => {
  const lan = loaded({ args: ["--raft-timing", "lan"] }).settings.raft;
  assertEquals([lan.electionTimeoutMs, lan.heartbeatMs], [{ min: 300, max: 600 }, 50]);
  const edge = loaded({}).settings.raft;
  assertEquals([edge.electionTimeoutMs, edge.heartbeatMs], [{ min: 3000, max: 6000 }, 500]);
  const mixed = loaded({ file: '[raft]\ntiming = "lan"\nheartbeat-ms = 20\n' }).settings.raft;
  assertEquals([mixed.electionTimeoutMs, mixed.heartbeatMs], [{ min: 300, max: 600 }, 20]);
});

Deno.test("sizes may carry a unit in every source", () => {
  for (
    const sources of [
      { file: '[storage]\nsegment-bytes = "32mb"\n' },
      { env: { LOGBOAT_STORAGE_SEGMENT_BYTES: "32 MB" } },
      { args: ["--storage-segment-bytes", "32768kb"] },
    ]
  ) assertEquals(loaded(sources).settings.storage.segmentBytes, 33_554_432);
});

Deno.test("no two settings share a flag or a variable", () => {
  assertEquals(new Set(SETTING_KEYS.map((key) => key.flag)).size, SETTING_KEYS.length);
  assertEquals(new Set(SETTING_KEYS.map((key) => key.variable)).size, SETTING_KEYS.length);
});

Deno.test("what Kubernetes puts into the environment is no mistake of the operator", () => {
  const env = {
    LOGBOAT_SERVICE_HOST: "10.1.2.3",
    LOGBOAT_SERVICE_PORT: "6379",
    LOGBOAT_SERVICE_PORT_REDIS: "6379",
    LOGBOAT_PORT: "tcp://10.1.2.3:6379",
    LOGBOAT_PORT_6379_TCP: "tcp://10.1.2.3:6379",
    LOGBOAT_PORT_6379_TCP_ADDR: "10.1.2.3",
    LOGBOAT_ADMIN_SERVICE_HOST: "10.1.2.4",
    LOGBOAT_CONFIG: "read by the caller",
    LOGBOAT_BIN: "read by the tests",
    PATH: "/bin",
  };
  assertEquals(loaded({ env }).given.size, 0);
});
