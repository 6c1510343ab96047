/** Everything that a folder offers has a doc comment. */

import { assertEquals } from "../support/assert.ts";
import { documentationProblems, undocumented } from "./docs.ts";
import { makeTree, readSources } from "./source_tree.ts";

/** Exports without a comment, by file. The numbers may only shrink. */
const KNOWN: Readonly<Record<string, number>> = {
  "src/admin/deps.ts": 1,
  "src/base/logger.ts": 1,
  "src/commands/define.ts": 1,
  "src/commands/errors.ts": 4,
  "src/config/keys.ts": 1,
  "src/config/load.ts": 4,
  "src/keyspace/int64.ts": 2,
  "src/keyspace/string_value.ts": 3,
  "src/keyspace/value.ts": 1,
  "src/machine/batch.ts": 4,
  "src/machine/machine.ts": 2,
  "src/machine/origin_table.ts": 1,
  "src/network/limits.ts": 1,
  "src/network/tcp_raft_network.ts": 1,
  "src/node/gateway.ts": 3,
  "src/raft/log_entry.ts": 2,
  "src/raft/message.ts": 4,
  "src/raft/options.ts": 1,
  "src/raft/progress.ts": 1,
  "src/raft/ready.ts": 3,
  "src/resp/decoder.ts": 3,
  "src/resp/reply.ts": 8,
  "src/server/server.ts": 3,
  "src/server/settings.ts": 2,
  "src/storage/cluster_id.ts": 1,
  "src/storage/data_directory.ts": 2,
  "src/storage/errors.ts": 2,
  "src/storage/identity_format.ts": 1,
  "src/storage/inspect.ts": 3,
  "src/storage/state_format.ts": 1,
};

Deno.test("docs: every export of a mod.ts is documented", () => {
  assertEquals(documentationProblems(readSources("src"), KNOWN), []);
});

Deno.test("docs: the test sees exports without a comment", () => {
  const tree = makeTree({
    "src/a/mod.ts": `export * from "./b.ts";\nexport { c, type D as E } from "./c.ts";\n` +
      `export * from "./byte_reader.ts";`,
    "src/a/b.ts": "/** Good. */\nexport class Good {}\n\nexport function bad() {}\n",
    "src/a/c.ts": "export const c = 1;\nexport type D = 1;\nexport const hidden = 1;\n",
    "src/a/own.ts": "export const own = 1;\n",
    "src/a/byte_reader.ts": "/** Header. */\n\nimport x;\nexport class ByteReader {}\n",
  });
  assertEquals(undocumented(tree), ["src/a/b.ts: bad", "src/a/c.ts: D", "src/a/c.ts: c"]);
  assertEquals(documentationProblems(tree, { "src/a/b.ts": 1, "src/a/c.ts": 3, "src/a/d.ts": 1 }), [
    "src/a/c.ts: lower its number to 2",
    "src/a/d.ts: lower its number to 0",
  ]);
  assertEquals(documentationProblems(tree, { "src/a/b.ts": 1 }), [
    "src/a/c.ts: undocumented: D, c",
  ]);
});
