/** `logboat cluster`, `snapshot` and `backup` against a made-up node: words, outcomes, exit codes. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { freePort } from "../support/redis_server.ts";
import { runLogboat } from "../support/server_process.ts";
import {
  adminApp,
  type AdminDeps,
  clusterSchema,
  type ClusterStatus,
} from "../../src/admin/mod.ts";
import { EXIT_CODES } from "../../src/cli/exit_codes.ts";
import { clusterTable, COLUMNS_MAX } from "../../src/cli/cluster_table.ts";
import { Machine } from "../../src/machine/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { fakeNode } from "../admin/support.ts";

/** Runs subcommands against a node's endpoint. */
async function withNode(
  node: AdminDeps,
  test: (run: (...args: string[]) => ReturnType<typeof runLogboat>) => Promise<void>,
): Promise<void> {
  const server = await denoPlatform().http.serve({
    hostname: "127.0.0.1",
    port: 0,
    requestTimeoutMs: 5000,
    fetch: adminApp(node).fetch,
  });
  try {
    await test((...args) => runLogboat([...args, "--admin", `http://127.0.0.1:${server.port}`]));
  } finally {
    await server.close(100);
  }
}

async function shownStatus(): Promise<ClusterStatus> {
  const headers = { host: "localhost" };
  const response = await adminApp(fakeNode()).request("http://localhost/api/v1/cluster", {
    headers,
  });
  return clusterSchema.parse(await response.json());
}

Deno.test("the status is a table of the members", async () => {
  await withNode(fakeNode(), async (run) => {
    const { code, output } = await run("cluster", "status");
    assertEquals(code, 0, output);
    assertMatch(output, /^cluster 0123456789abcdef0123456789abcdef, node 1 leads, term 7$/m);
    assertMatch(output, /^members as of entry 60, feature level 1$/m);
    assertMatch(output, /^node +standing +Raft address +Redis address +link +behind +heard$/m);
    assertMatch(output, /^1 \* +voter, leads +10\.0\.0\.1:7379 +10\.0\.0\.1:6379 +up +0 +-$/m);
    assertMatch(output, /^2 +voter +10\.0\.0\.2:7379 +10\.0\.0\.2:6379 +up +10 +250 ms$/m);
    assertMatch(output, /^3 +voter +<script.* +down +snap 25% +9000 ms$/m);
    const json = await run("cluster", "status", "--json");
    assertEquals(clusterSchema.parse(JSON.parse(json.output)).members.length, 3);
  });
});

Deno.test("the table fits its columns with the longest of everything", async () => {
  const status = await shownStatus();
  const members = status.members.map((member, at) => ({
    ...member,
    id: 4_294_967_293 + at,
    leads: at === 0,
    standing: "leaving" as const,
    raftAddress: `${"a-very-long-host-name.".repeat(10)}example.org:65535`,
    redisAddress: "[fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535",
    lagEntries: 10 ** 12,
    lastContactMs: 9_999_000,
  }));
  const long = {
    ...status,
    members,
    nodeId: 4_294_967_294,
    leaderId: 4_294_967_293,
    changingMembers: true,
    term: 10 ** 12,
    commitIndex: 10 ** 12,
    appliedIndex: 10 ** 12,
    snapshotIndex: 10 ** 12,
    configurationIndex: 10 ** 12,
  };
  const lines = clusterTable(long).split("\n");
  for (const line of lines) assert(line.length <= COLUMNS_MAX, `${line.length}: ${line}`);
  assertStringIncludes(lines.join("\n"), "ask node 4294967293");
  const lost = clusterTable({ ...status, leaderId: null, members: [] });
  assertStringIncludes(lost, "no leader is known");
});

Deno.test("changes reach the node and say what became of them", async () => {
  const node = fakeNode({ change: { kind: "done", id: 4, text: "node 4 is a learner" } });
  await withNode(node, async (run) => {
    const done = { code: 0, output: "node 4 is a learner" };
    assertEquals(await run("cluster", "remove", "2"), done);
    assertEquals(await run("cluster", "promote", "2"), done);
    assertEquals(await run("cluster", "demote", "2"), done);
    const addresses = ["10.0.0.4:7379", "10.0.0.4:6379"];
    assertEquals(await run("cluster", "add", ...addresses), done);
    const flags = ["--as", "learner", "--id", "9", "--replace", "3"];
    assertEquals(await run("cluster", "add", ...addresses, ...flags), done);
    assertEquals(await run("cluster", "move", "3", ...addresses), done);
    assertEquals((await run("cluster", "transfer")).output, "node 2 leads");
    assertEquals((await run("cluster", "transfer", "3")).output, "node 3 leads");
    const [raftAddress, redisAddress] = addresses;
    assertEquals(node.changes, [
      { kind: "remove", id: 2 },
      { kind: "promote", id: 2 },
      { kind: "demote", id: 2 },
      { kind: "add", raftAddress, redisAddress, as: "voter" },
      { kind: "add", raftAddress, redisAddress, as: "learner", id: 9, replaces: 3 },
      { kind: "move", id: 3, raftAddress, redisAddress },
    ]);
    assertEquals(node.transfers, [undefined, 3]);
    assertEquals(await run("snapshot"), { code: 0, output: "snapshot up to entry 94, 2048 bytes" });
  });
});

Deno.test("refused, not known, not reached, not allowed: a code and a line for each", async () => {
  const refused = fakeNode({
    change: { kind: "refused", text: "Cannot remove node 1: it is the last voter" },
    outcome: { kind: "refused", reason: "node 9 is no voter" },
    snapshot: { kind: "refused", text: "the disk is full" },
    backup: { kind: "refused", text: "no leader is known" },
  });
  const code = EXIT_CODES.refused.code;
  await withNode(refused, async (run) => {
    const output = "Cannot remove node 1: it is the last voter";
    assertEquals(await run("cluster", "remove", "1"), { code, output });
    assertEquals(await run("cluster", "transfer", "9"), {
      code,
      output: "Cannot transfer leadership: node 9 is no voter",
    });
    assertEquals(await run("snapshot"), {
      code,
      output: "Cannot take a snapshot: the disk is full",
    });
    await withFile(async (file) => {
      assertEquals(await run("backup", file), {
        code,
        output: "Cannot back up: no leader is known",
      });
      assertEquals(await namesBeside(file), []);
    });
  });
  const unknown = fakeNode({ change: { kind: "unknown", text: "Not known in 15 s" } });
  await withNode(unknown, async (run) => {
    const { code, output } = await run("cluster", "demote", "1");
    assertEquals(code, EXIT_CODES.unknownOutcome.code);
    assertMatch(output, /^Not known in 15 s\nIt may still happen: look at logboat cluster status/);
  });
  await withNode(fakeNode({ token: "s3cret" }), async (run) => {
    const denied = await run("cluster", "remove", "2");
    assertEquals(denied.code, EXIT_CODES.usage.code);
    assertMatch(denied.output, /wants its admin token: give it with --token, admin\.token/);
    assertEquals((await run("cluster", "remove", "2", "--token", "s3cret")).code, 0);
  });
  const url = `http://127.0.0.1:${freePort()}`;
  const nobody = await runLogboat(["cluster", "status", "--admin", url]);
  assertEquals(nobody.code, EXIT_CODES.notHealthy.code);
  assertMatch(
    nobody.output,
    /^The node at http:\S+ does not answer \(.*refused.*\)\. Start it, or/i,
  );
});

Deno.test("an answer that never comes is an outcome that is not known", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096));
      connection.close();
    }
  })();
  const admin = ["--admin", `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`];
  const { code, output } = await runLogboat(["cluster", "remove", "2", ...admin]);
  assertEquals(code, EXIT_CODES.unknownOutcome.code, output);
  assertMatch(output, /^Cannot tell what became of the request to remove node 2: /);
  assertEquals((await runLogboat(["cluster", "status", ...admin])).code, 10);
  listener.close();
  await accepted;
});

// ——— backup ———

async function withFile(test: (file: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "logboat-backup-" });
  try {
    await test(`${directory}/dump.rdb`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function namesBeside(file: string): string[] {
  const directory = file.slice(0, file.lastIndexOf("/"));
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

function emptySnapshot(): Uint8Array {
  const walk = new Machine().beginSnapshot({
    last: { term: 0, index: 0 },
    configuration: new Uint8Array(1),
  });
  return walk.next(1 << 20)!;
}

async function* pieces(bytes: Uint8Array, ends?: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100) {
    yield await Promise.resolve(bytes.slice(at, at + 100));
  }
  if (ends === undefined) return;
  await new Promise((resolve) => setTimeout(resolve, 200));
  throw ends;
}

Deno.test("backup: a whole file gets its name, and only then an older one goes", async () => {
  const bytes = emptySnapshot();
  await withFile(async (file) => {
    await Deno.writeTextFile(file, "the old one");
    const backup = { kind: "started", index: 0, chunks: pieces(bytes) } as const;
    await withNode(fakeNode({ backup }), async (run) => {
      assertEquals(await run("backup", file), {
        code: 0,
        output: `backed up 0 keys up to entry 0 to ${file}, ${bytes.length} bytes`,
      });
    });
    assertEquals(await Deno.readFile(file), bytes);
    assertEquals(namesBeside(file), ["dump.rdb"]);
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  });
});

Deno.test("backup: cut off, damaged or no backup at all, nothing is left but the old file", async () => {
  const bytes = emptySnapshot();
  const damaged = bytes.slice();
  damaged[20] ^= 1;
  const cases: [AsyncIterable<Uint8Array>, RegExp][] = [
    [
      pieces(bytes.slice(0, 200), new Error("the disk failed")),
      /^Cannot back up to .*after \d+ byt/,
    ],
    [pieces(bytes.slice(0, -1)), /does not read back: .*(ends|truncated|short|more)/i],
    [pieces(damaged), /does not read back: /],
    [pieces(new Uint8Array(0)), /does not read back: /],
  ];
  for (const [chunks, expected] of cases) {
    await withFile(async (file) => {
      await Deno.writeTextFile(file, "the old one");
      const backup = { kind: "started", index: 0, chunks } as const;
      await withNode(fakeNode({ backup }), async (run) => {
        const { code, output } = await run("backup", file);
        assertEquals(code, EXIT_CODES.backupIncomplete.code, output);
        assertMatch(output, expected);
      });
      assertEquals(await Deno.readTextFile(file), "the old one");
      assertEquals(namesBeside(file), ["dump.rdb"]);
    });
  }
  await withFile(async (file) => {
    const lock = await denoPlatform().disk.lock(`${file}.part`);
    await withNode(fakeNode(), async (run) => {
      assertEquals(await run("backup", file), {
        code: EXIT_CODES.unusableData.code,
        output: `Cannot write ${file}.part: another backup is writing it`,
      });
    });
    await lock.close();
  });
  await withNode(fakeNode(), async (run) => {
    const { code, output } = await run("backup", "/no/such/directory/dump.rdb");
    assertEquals(code, EXIT_CODES.unusableData.code);
    assertMatch(output, /^Cannot write \/no\/such\/directory\/dump\.rdb\.part: .*ENOENT/);
  });
});
