/**
 * What independent analysis, fuzzing and users found wrong with RedisRaft: each failure has a test
 * here or where the part that would fail is tested, named by its number in that project.
 */

import { assertEquals } from "../support/assert.ts";

const FAILURES: Readonly<Record<string, string>> = {
  "13": "a write through a follower is proposed again each time it is applied",
  "14": "followers apply nothing, so every failover loses all data",
  "17": "two changes of the members at a time lose writes",
  "18": "reads find nothing after a restart of all nodes",
  "19": "stale reads after pauses and elections",
  "21": "votes wait behind commands on one connection, so a node knows no leader for long",
  "23": "a client is told that there is no leader, and its write takes effect",
  "25": "DISCARD fails for reasons of the cluster, and the connection stays in MULTI",
  "26": "replies reach the wrong clients of a follower",
  "28": "removed members go on as a cluster of their own",
  "30": "members that were removed come back while the log is read",
  "42": "the log's end is lost when it is cut behind a snapshot",
  "43": "a gap between snapshot and log after a crash",
  "44": "the members are lost in the second snapshot",
  "48": "a change that does not fit a member's standing",
  "49": "a connection is closed twice when peers come and go",
  "50": "a connection ends while it comes up",
  "52": "an old snapshot takes the place of committed entries",
  "53": "more than the snapshot has is taken for committed at a start",
  "54": "entries are cut off while a snapshot is written",
  "2": "the id of a removed member is used again",
  "3": "the leader is removed",
  "150": "bytes of a snapshot lie in a buffer that is used again",
  "187": "a node that is asked to let others in before it is a member is stuck",
  "265": "a change is reported done before it is committed",
  "382": "a node starts with another address",
  "449": "messages come while a snapshot is taken over",
  "643 to 651": "messages that do not fit what a node is",
  "654": "a crash while a snapshot is written leaves an empty file, and no start succeeds",
  "dcc2fea": "a snapshot is loaded before its index and term are looked at",
  "9982c88": "a received snapshot ends the process",
};

const TESTS = new URL("../", import.meta.url);

function* testFiles(directory: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) yield* testFiles(new URL(`${name}/`, directory));
    else if (name.endsWith("_test.ts")) yield new URL(name, directory);
  }
}

Deno.test("regressions: every known failure of RedisRaft has a test that names it", () => {
  const named = new Set<string>();
  for (const file of testFiles(TESTS)) {
    const text = Deno.readTextFileSync(file);
    for (const [, number] of text.matchAll(/Deno\.test\(\s*["`]RedisRaft ([^:]+): /g)) {
      named.add(number);
    }
  }
  assertEquals([...named].sort(), Object.keys(FAILURES).sort());
});
