import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { assertEquals } from "../support/assert.ts";
import { contents, describe, entries, openStorage } from "./support.ts";

Deno.test("entries, term and vote are there after a restart", async () => {
  const disk = new MemoryDisk();
  const first = await openStorage(disk);
  assertEquals(first.storage.recovered.hardState, { term: Term(0), votedFor: undefined });
  assertEquals(first.storage.recovered.last, { term: Term(0), index: LogIndex(0) });
  await first.storage.persist({
    hardState: { term: Term(3), votedFor: NodeId(2) },
    entries: entries(1, 3, 3),
  });
  await first.storage.persist({ entries: entries(4, 2, 3) });
  await first.close();

  const second = await openStorage(disk);
  assertEquals(second.storage.recovered.hardState, { term: Term(3), votedFor: NodeId(2) });
  assertEquals(second.storage.recovered.last, { term: Term(3), index: LogIndex(5) });
  assertEquals(second.storage.recovered.termRuns, [{ first: LogIndex(1), term: Term(3) }]);
  assertEquals(second.storage.recovered.warnings, []);
  assertEquals(await contents(second.storage), entries(1, 5, 3).map(describe));
  assertEquals(second.directory.identity.incarnation, 2);
  await second.close();
});
