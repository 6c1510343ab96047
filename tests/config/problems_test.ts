/** What is wrong, where, and what to do: every error of the settings. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { SETTING_KEYS } from "../../src/config/mod.ts";
import { loaded, problemList, problems, type Sources } from "./support.ts";

const JOIN = ["--raft-join", "10.0.0.1:7379"];

/** Each case gives exactly one problem with exactly this text. */
const CASES: readonly { name: string; sources: Sources; message: string }[] = [
  {
    name: "an unknown flag",
    sources: { args: ["--redis-pasword", "hunter2"] },
    message: "Cannot use --redis-pasword: there is no such flag; did you mean --redis-password?",
  },
  {
    name: "a flag that resembles nothing",
    sources: { args: ["--frobnicate"] },
    message: "Cannot use --frobnicate: there is no such flag; see --help",
  },
  {
    name: "a flag given twice",
    sources: { args: ["--node-id", "1", "--node-id=1"] },
    message: "Cannot use --node-id: found it 2 times, expected once",
  },
  {
    name: "a flag without its value",
    sources: { args: ["--node-id"] },
    message: 'Cannot use --node-id: found "", expected an integer from 1 to 4294967295',
  },
  {
    name: "an unknown variable",
    sources: { env: { LOGBOAT_REDIS_LISTN: "x" } },
    message:
      "Cannot use LOGBOAT_REDIS_LISTN: there is no such variable; did you mean LOGBOAT_REDIS_LISTEN?",
  },
  {
    name: "an unknown key",
    sources: { file: '[node]\n\ndatadir = "x"\n' },
    message:
      "Cannot use node.datadir in logboat.toml, line 3: there is no such setting; did you mean node.data-dir?",
  },
  {
    name: "a key in the wrong section",
    sources: { file: "[redis]\nsegment-bytes = 1\n" },
    message:
      "Cannot use redis.segment-bytes in logboat.toml, line 2: there is no such setting; did you mean storage.segment-bytes?",
  },
  {
    name: "an unknown section",
    sources: { file: "[storag]\n" },
    message:
      "Cannot use storag in logboat.toml, line 1: there is no such setting; did you mean storage?",
  },
  {
    name: "an unknown key of a peer",
    sources: { file: '[[raft.peer]]\nid = 1\nraft = "a:1"\nredis = "a:2"\nredus = "a:3"\n' },
    message:
      "Cannot use raft.peer.0.redus in logboat.toml, line 5: there is no such setting; did you mean raft.peer.redis?",
  },
  {
    name: "a section that is no table",
    sources: { file: "redis = 5\n" },
    message: "Cannot use redis in logboat.toml, line 1: found 5, expected a table, such as [redis]",
  },
  {
    name: "a key twice",
    sources: { file: "[node]\nid = 1\nid = 1\n" },
    message:
      "Cannot use node.id in logboat.toml, line 3: found it a second time, expected once, as in line 2",
  },
  {
    name: "a value of the wrong type",
    sources: { file: "[log]\nlevel = 3\n" },
    message:
      'Cannot use log.level in logboat.toml, line 2: found 3, expected "debug", "info", "warn" or "error"',
  },
  {
    name: "a number out of range",
    sources: { env: { LOGBOAT_REDIS_MAX_CLIENTS: "0" } },
    message: "Cannot use LOGBOAT_REDIS_MAX_CLIENTS: found 0, expected an integer from 1 to 1000000",
  },
  {
    name: "a number with a fraction",
    sources: { file: "[node]\nid = 1.5\n" },
    message:
      "Cannot use node.id in logboat.toml, line 2: found 1.5, expected an integer from 1 to 4294967295",
  },
  {
    name: "a size that is none",
    sources: { args: ["--storage-segment-bytes", "64xb"] },
    message:
      'Cannot use --storage-segment-bytes: found "64xb", expected a size from 64 KiB to 4 GiB, in bytes or like "64mb"',
  },
  {
    name: "an address without a host",
    sources: { args: ["--admin-listen", ":80"] },
    message:
      'Cannot use --admin-listen: found ":80", expected host:port such as "127.0.0.1:6379" or "[::1]:6379" (port 0 takes any free one)',
  },
  {
    name: "a secret of the wrong type stays secret",
    sources: { file: "[redis]\npassword = 12345678\n" },
    message:
      "Cannot use redis.password in logboat.toml, line 2: found a value that is not shown, expected text in one line",
  },
  {
    name: "a range in the wrong order",
    sources: { args: ["--raft-election-timeout-ms", "500,400"] },
    message:
      "Cannot use --raft-election-timeout-ms: found [500,400], expected two integers from 50 to 600000, the lower one first",
  },
  {
    name: "a range of words",
    sources: { args: ["--raft-election-timeout-ms", "a,b"] },
    message:
      'Cannot use --raft-election-timeout-ms: found ["a","b"], expected two integers from 50 to 600000, the lower one first',
  },
  {
    name: "a peer in the wrong form",
    sources: { args: ["--raft-peer", "10.0.0.1:7379"] },
    message:
      'Cannot use --raft-peer: found "10.0.0.1:7379", expected ID=RAFT_ADDRESS,REDIS_ADDRESS such as 2=10.0.0.2:7379,10.0.0.2:6379',
  },
  {
    name: "a peer at no particular address",
    sources: { file: '[[raft.peer]]\nid = 1\nraft = "0.0.0.0:7379"\nredis = "a:2"\n' },
    message:
      'Cannot use raft.peer.0.raft in logboat.toml, line 3: found "0.0.0.0:7379", expected an address that others can connect to, neither port 0 nor all interfaces',
  },
  {
    name: "a public Redis listener without a password",
    sources: { args: ["--redis-listen", "0.0.0.0:6379"] },
    message:
      "Cannot use --redis-listen: found 0.0.0.0:6379 and no password, expected a password, because other machines can connect there: set redis.password or redis.password-file, or listen on 127.0.0.1; if the network itself is trusted, set redis.protected-mode = false",
  },
  {
    name: "a public Raft listener without a secret",
    sources: { file: '[raft]\nlisten = "[::]:7379"\n' },
    message:
      "Cannot use raft.listen in logboat.toml, line 2: found [::]:7379 and no secret, expected a secret that the members share, because other machines can connect there: set raft.secret or raft.secret-file",
  },
  {
    name: "a public admin listener without a token",
    sources: { env: { LOGBOAT_ADMIN_LISTEN: "10.0.0.1:8379" } },
    message:
      "Cannot use LOGBOAT_ADMIN_LISTEN: found 10.0.0.1:8379 and no token, expected a token, because other machines can connect there: set admin.token or admin.token-file, or listen on 127.0.0.1",
  },
  {
    name: "a password and a password file",
    sources: { args: ["--redis-password", "a", "--redis-password-file", "b"] },
    message:
      "Cannot use --redis-password-file: found both redis.password and redis.password-file, expected one of them",
  },
  {
    name: "a node that is no member",
    sources: { args: ["--node-id", "3", "--raft-peer", "1=a:1,a:2", "--raft-peer", "2=b:1,b:2"] },
    message:
      "Cannot use --node-id: found 3, which is not in raft.peer, expected the id of a member: 1, 2",
  },
  {
    name: "two members with one id",
    sources: { args: ["--raft-peer", "1=a:1,a:2", "--raft-peer", "1=b:1,b:2"] },
    message: "Cannot use --raft-peer: found id 1 twice, expected each member to have its own id",
  },
  {
    name: "two members at one Raft address",
    sources: { args: ["--raft-peer", "1=a:1,a:2", "--raft-peer", "2=a:1,b:2"] },
    message:
      "Cannot use --raft-peer: found raft a:1 twice, expected each member to have its own raft address",
  },
  {
    name: "two members at one Redis address",
    sources: { args: ["--raft-peer", "1=a:1,a:2", "--raft-peer", "2=b:1,a:2"] },
    message:
      "Cannot use --raft-peer: found redis a:2 twice, expected each member to have its own redis address",
  },
  {
    name: "heartbeats too rare for the elections",
    sources: { args: ["--raft-heartbeat-ms", "1000"] },
    message:
      "Cannot use --raft-heartbeat-ms: found a heartbeat every 1000 ms and elections after 3000 ms, expected three heartbeats to fit into the shortest election timeout",
  },
  {
    name: "stepping down after stopping",
    sources: { args: ["--storage-sync-hang-exit-ms", "1500"] },
    message:
      "Cannot use --storage-sync-hang-exit-ms: found storage.sync-hang-step-down-ms 2000 ms, expected less than storage.sync-hang-exit-ms, 1500 ms",
  },
  {
    name: "two listeners at one address",
    sources: { args: ["--admin-listen", "127.0.0.1:6379"] },
    message:
      "Cannot use --admin-listen: found 127.0.0.1:6379, which is redis.listen too, expected an address of its own for each listener",
  },
  {
    name: "an argument longer than a command",
    sources: { args: ["--redis-query-bytes-max", "8mb"] },
    message:
      "Cannot use --redis-query-bytes-max: found redis.bulk-bytes-max 16 MiB, expected at most redis.query-bytes-max, 8 MiB",
  },
  {
    name: "an entry that could never be proposed",
    sources: { args: ["--raft-uncommitted-bytes-max", "32mb"] },
    message:
      "Cannot use --raft-uncommitted-bytes-max: found 32 MiB, expected at least 73 MiB, the largest entry that follows from redis.query-bytes-max and storage.batch-bytes-max",
  },
  {
    name: "a message that could never be sent",
    sources: { args: ["--raft-inflight-bytes-max", "512kb"] },
    message:
      "Cannot use --raft-inflight-bytes-max: found raft.append-bytes-max 1 MiB, expected at most raft.inflight-bytes-max, 512 KiB",
  },
  {
    name: "a node that joins and has its members configured",
    sources: { args: ["--raft-join", "10.0.0.1:1", "--raft-peer", "1=a:1,a:2"] },
    message:
      "Cannot use --raft-join: found both raft.join and raft.peer, expected one of them: a " +
      "node that joins is told who the members are",
  },
  {
    name: "joining without an address for the members",
    sources: { args: [...JOIN, "--raft-listen", "0.0.0.0:7379", "--raft-secret", "s"] },
    message: "Cannot use --raft-listen: found raft.listen 0.0.0.0:7379 and no raft.advertise, " +
      "expected an address that others can connect to in raft.advertise, to join a cluster",
  },
  {
    name: "joining without an address for clients",
    sources: { args: [...JOIN, "--redis-listen", "127.0.0.1:0"] },
    message: "Cannot use --redis-listen: found redis.listen 127.0.0.1:0 and no redis.advertise, " +
      "expected an address that others can connect to in redis.advertise, to join a cluster",
  },
  {
    name: "joining through itself",
    sources: { args: ["--raft-join", "127.0.0.1:7379"] },
    message: "Cannot use --raft-join: found 127.0.0.1:7379, which is this node, expected the " +
      "address of another member",
  },
  {
    name: "a learner that replaces a voter",
    sources: { args: [...JOIN, "--raft-join-as", "learner", "--raft-join-replaces", "2"] },
    message: 'Cannot use --raft-join-replaces: found 2 and raft.join-as "learner", expected a ' +
      "voter to replace one",
  },
  {
    name: "a node that replaces itself",
    sources: { args: [...JOIN, "--node-id", "2", "--raft-join-replaces", "2"] },
    message: "Cannot use --raft-join-replaces: found 2, which is node.id too, expected this node " +
      "to have an id that no member ever had: leave node.id out",
  },
  {
    name: "an advertised address that others cannot connect to",
    sources: { args: ["--raft-advertise", "0.0.0.0:7379"] },
    message: 'Cannot use --raft-advertise: found "0.0.0.0:7379", expected an address that others ' +
      "can connect to, neither port 0 nor all interfaces",
  },
  {
    name: "an advertised address that is not the member's",
    sources: { args: ["--raft-peer", "1=a:1,a:2", "--redis-advertise", "b:2"] },
    message: "Cannot use --redis-advertise: found b:2, expected a:2, as raft.peer says, or nothing",
  },
];

for (const { name, sources, message } of CASES) {
  Deno.test(`refused: ${name}`, () => assertEquals(problems(sources), [message]));
}

Deno.test("every setting refuses nonsense, names its source and says what it wants", () => {
  for (const key of SETTING_KEYS) {
    const { kind } = key.facts;
    const nonsense = kind === "text" ? "a\x07b" : "?";
    const [problem, ...others] = problemList({ args: [`--${key.flag}=${nonsense}`] });
    assertEquals(others, [], key.path);
    assertEquals(problem.source, `--${key.flag}`);
    assertMatch(problem.message, /^Cannot use --\S+: found .+, expected .+/);
    if (key.facts.secret) assert(!problem.message.includes('b"'), problem.message);
    const line = problems({ file: `[${key.section}]\n${key.name} = { odd = 1979-05-27 }\n` })[0];
    assertStringIncludes(line, `${key.path}`);
    assertStringIncludes(line, "logboat.toml, line 2");
  }
});

Deno.test("text that is not TOML is one problem that names the line", () => {
  const [message] = problems({ file: "[node\nid = 1\n" });
  assertMatch(message, /^Cannot read logboat\.toml: .*line 1/);
});

Deno.test("all problems are told at once, each once", () => {
  const messages = problems({
    args: ["--nod-id", "3", "--redis-listen", "0.0.0.0:6379"],
    env: { LOGBOAT_LOG_LEVEL: "loud", LOGBOAT_NONSENSE: "1" },
    file: "[storage]\nfsync = true\n[raft]\nheartbeat-ms = 2000\n",
  });
  assertEquals(messages.length, 6, messages.join("\n"));
  assertEquals(new Set(messages).size, 6);
});

Deno.test("a relation is not blamed when one of its settings is wrong by itself", () => {
  const messages = problems({
    args: ["--raft-election-timeout-ms", "1,2", "--raft-heartbeat-ms", "4000"],
  });
  assertEquals(messages.length, 1, messages.join("\n"));
});

Deno.test("a listener that others can reach is fine with a secret, a file or an explicit choice", () => {
  loaded({ args: ["--redis-listen", "0.0.0.0:1", "--redis-password", "x"] });
  loaded({ args: ["--redis-listen", "0.0.0.0:1", "--redis-password-file", "x"] });
  loaded({ args: ["--raft-listen", "0.0.0.0:1", "--raft-secret-file", "x"] });
  loaded({ args: ["--admin-listen", "0.0.0.0:1", "--admin-token", "x"] });
  const open = loaded({ args: ["--redis-listen", "0.0.0.0:1", "--redis-protected-mode", "false"] });
  assertMatch(open.warnings.join(), /Anyone who can reach the Redis listener/);
});

Deno.test("an advertised address makes up for a listener on all interfaces", () => {
  const secrets = ["--raft-secret", "s", "--redis-password", "p"];
  const listen = ["--raft-listen", "0.0.0.0:7379", "--redis-listen", "0.0.0.0:6379", ...secrets];
  const advertise = ["--raft-advertise", "10.0.0.4:7379", "--redis-advertise", "10.0.0.4:6379"];
  const { settings, warnings } = loaded({ args: [...JOIN, ...listen, ...advertise] });
  assertEquals([settings.raft.advertise, settings.raft.joinAs], ["10.0.0.4:7379", "voter"]);
  assertEquals(warnings, []);
  assertMatch(loaded({ args: listen }).warnings.join(), /no other node can join this one/);
  assertMatch(loaded({ args: ["--raft-join-replaces", "2"] }).warnings.join(), /without raft.join/);
});

Deno.test("what is allowed but odd is said", () => {
  const peers = ["--raft-peer", "1=10.0.0.1:1,10.0.0.1:2", "--raft-peer", "2=b:1,b:2"];
  const { warnings } = loaded({ args: [...peers, "--storage-fsync", "never"] });
  assertEquals(warnings.length, 4, warnings.join("\n"));
  assertMatch(warnings[0], /fsync = "never"/);
  assertMatch(warnings[1], /^2 members survive no more failures than 1 do$/);
  assertMatch(warnings[2], /raft.listen is 127.0.0.1:7379/);
  assertMatch(warnings[3], /redis.listen is 127.0.0.1:6379/);
  assertMatch(loaded({ args: ["--redis-reads", "local"] }).warnings[0], /may miss writes/);
  assertEquals(loaded({}).warnings, []);
});
