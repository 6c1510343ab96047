import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { type RaftStorage, StorageError } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import {
  contents,
  countLogOperations,
  describe,
  entries,
  entry,
  openDirectory,
  openStorage,
  PATH,
  settled,
} from "./support.ts";

const LOG = `${PATH}/log/00000000000000000001.log`;

Deno.test("entries, term and vote are there after a restart", async () => {
  const disk = new MemoryDisk();
  const first = await openStorage(disk);
  assertEquals(first.storage.recovered.hardState, { term: Term(0), votedFor: undefined });
  assertEquals(first.storage.recovered.last, { term: Term(0), index: LogIndex(0) });
  await first.storage.persist({
    hardState: { term: Term(3), votedFor: NodeId(2) },
    entries: entries(1, 3, 3),
  });
  await first.storage.persist({ entries: entries(4, 2, 4) });
  await first.close();

  const { storage, directory, close } = await openStorage(disk);
  assertEquals(storage.recovered.hardState, { term: Term(3), votedFor: NodeId(2) });
  assertEquals(storage.recovered.last, { term: Term(4), index: LogIndex(5) });
  assertEquals(storage.recovered.termRuns, [
    { first: LogIndex(1), term: Term(3) },
    { first: LogIndex(4), term: Term(4) },
  ]);
  assertEquals(storage.recovered.warnings, []);
  assertEquals(await contents(storage), [...entries(1, 3, 3), ...entries(4, 2, 4)].map(describe));
  assertEquals(directory.identity.incarnation, 2);
  await close();
});

Deno.test("one entry is one write and one sync, and so are all that waited for a sync", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { preallocateBytes: 0 });
  const counts = countLogOperations(disk);
  await storage.persist({ entries: [entry(1)] });
  await settled();
  assertEquals([...counts], [["write", 1], ["sync", 1]]);
  counts.clear();
  const waiting: Promise<void>[] = [];
  for (let index = 2; index <= 101; index++) {
    waiting.push(storage.persist({ entries: [entry(index)] }));
  }
  await Promise.all(waiting);
  assertEquals([...counts], [["write", 2], ["sync", 2]]);
  disk.fault = undefined;
  await close();
});

Deno.test("term and vote are on disk before the entries of the same call", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { preallocateBytes: 0 });
  const order: string[] = [];
  disk.fault = ({ kind, path }) => {
    if (!path.includes("persist-record")) {
      order.push(`${kind} ${path.slice(PATH.length + 1, PATH.length + 8)}`);
    }
    return undefined;
  };
  await storage.persist({
    hardState: { term: Term(1), votedFor: undefined },
    entries: [entry(1)],
  });
  disk.fault = undefined;
  assertEquals(order.map((text) => text.replace(/log\/.*/, "log")), [
    "write state-a",
    "sync state-a",
    "write state-b",
    "sync state-b",
    "write log",
    "sync log",
  ]);
  await close();
});

Deno.test("free space is written ahead and goes again when the storage closes", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { preallocateBytes: 4096 });
  await storage.persist({ entries: [entry(1)] });
  const counts = countLogOperations(disk);
  assert(disk.contentOf(LOG).length > 4096);
  await storage.persist({ entries: [entry(2)] });
  assertEquals([...counts], [["write", 1], ["sync", 1]]);
  disk.fault = undefined;
  const { bytes } = storage;
  await close();
  const left = disk.contentOf(LOG);
  assert(left.length < bytes + 64, `found ${left.length} bytes for a log of ${bytes}`);
});

Deno.test("segments end where the next batch would pass their size", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes: 400 });
  for (const one of entries(1, 12)) await storage.persist({ entries: [one] });
  assert(storage.segments >= 3, `found ${storage.segments} segments`);
  await storage.persist({ entries: [entry(13, 1, "x".repeat(1000))] });
  await storage.persist({ entries: entries(14, 20) });
  const files = disk.paths().filter((path) => path.includes("/log/"));
  assertEquals(files.length, storage.segments);
  const expected = [...entries(1, 12), entry(13, 1, "x".repeat(1000)), ...entries(14, 20)];
  assertEquals(await contents(storage), expected.map(describe));
  await close();
  const again = await openStorage(disk, { segmentBytes: 400 });
  assertEquals(await contents(again.storage), expected.map(describe));
  await again.close();
});

Deno.test("entries replace what follows, within a segment, across segments, and all", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes: 400 });
  for (const one of entries(1, 20)) await storage.persist({ entries: [one] });
  const segments = storage.segments;
  let expected = entries(1, 20);
  let term = 1;
  for (const [first, count] of [[20, 3], [19, 1], [12, 4], [3, 2], [1, 1], [2, 9]]) {
    term++;
    const added = entries(first, count, term);
    await storage.persist({ entries: added });
    expected = [...expected.slice(0, first - 1), ...added];
    assertEquals(await contents(storage), expected.map(describe), `replaced from ${first}`);
    if (first === 3) assert(storage.segments < segments, "later segments are removed");
  }
  await close();
  const again = await openStorage(disk, { segmentBytes: 400 });
  assertEquals(await contents(again.storage), expected.map(describe));
  assertEquals(again.storage.recovered.last, {
    term: expected.at(-1)!.term,
    index: expected.at(-1)!.index,
  });
  await again.close();
});

async function readRange(storage: RaftStorage, first: number, last: number, bytesMax: number) {
  const read = await storage.read(LogIndex(first), LogIndex(last), bytesMax);
  return read.map(describe);
}

Deno.test("a read gives any range, within the bytes asked for, but at least one entry", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes: 1 << 18 });
  const all = Array.from(
    { length: 120 },
    (_, at) => entry(at + 1, 1, "x".repeat(at % 10 === 3 ? 90_000 : 100)),
  );
  for (const one of all) await storage.persist({ entries: [one] });
  assert(storage.segments >= 3);
  const texts = all.map(describe);
  for (const first of [1, 3, 4, 5, 50, 119, 120]) {
    for (const last of [first, Math.min(120, first + 7), 120]) {
      const found: string[] = [];
      while (found.length < last - first + 1) {
        const part = await readRange(storage, first + found.length, last, 200_000);
        assert(part.length > 0);
        found.push(...part);
      }
      assertEquals(found, texts.slice(first - 1, last), `${first} to ${last}`);
    }
  }
  assertEquals(await readRange(storage, 4, 120, 1), [texts[3]], "one entry however large");
  const three = all[4].record.length + all[5].record.length + all[6].record.length;
  assertEquals(await readRange(storage, 5, 120, three), texts.slice(4, 7));
  assertEquals(await readRange(storage, 5, 120, three - 1), texts.slice(4, 6));
  assertEquals(await readRange(storage, 121, 130, 1000), [], "what is not there");
  await close();
});

Deno.test("a read while the log is cut gives what is there, never what was", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes: 400 });
  for (const one of entries(1, 20)) await storage.persist({ entries: [one] });
  const reads = Array.from({ length: 20 }, (_, at) => readRange(storage, at + 1, 20, 10_000));
  await storage.persist({ entries: entries(5, 3, 2) });
  const before = entries(1, 20).map(describe);
  const after = [...entries(1, 4), ...entries(5, 3, 2)].map(describe);
  for (const [at, read] of (await Promise.all(reads)).entries()) {
    for (const [within, text] of read.entries()) {
      const place = at + within;
      assert(text === before[place] || text === after[place], `read from ${at + 1}: ${text}`);
    }
  }
  await close();
});

Deno.test("interval: a write counts at once, and is synced within the interval", async () => {
  const disk = new MemoryDisk();
  const options = { fsync: "interval", fsyncIntervalMs: 500 } as const;
  const seconds: number[] = [];
  const { storage, clock, close } = await openStorage(disk, options, {
    onSynced: (took) => seconds.push(took),
  });
  const counts = countLogOperations(disk);
  await storage.persist({ entries: [entry(1)] });
  await storage.persist({ entries: [entry(2)] });
  assertEquals(counts.get("sync"), undefined);
  clock.advance(499);
  await settled();
  assertEquals(counts.get("sync"), undefined);
  clock.advance(1);
  await settled();
  assertEquals(counts.get("sync"), 1);
  assertEquals(seconds, [0]);
  const lost = disk.crash(() => false);
  const again = await openStorage(lost, options);
  assertEquals(again.storage.lastIndex, LogIndex(2));
  await again.close();
  disk.fault = undefined;
  await assertRejects(close);
});

Deno.test("never: no sync of the log until the storage closes; term and vote are synced", async () => {
  const disk = new MemoryDisk();
  const { storage, clock, close } = await openStorage(disk, { fsync: "never" });
  const counts = countLogOperations(disk);
  await storage.persist({
    hardState: { term: Term(7), votedFor: NodeId(1) },
    entries: entries(1, 3, 7),
  });
  clock.advance(60_000);
  await settled();
  assertEquals(counts.get("sync"), undefined);
  await close();
  assert(counts.get("sync")! > 0);
  const lost = disk.crash(() => false);
  const again = await openStorage(lost);
  assertEquals(again.storage.lastIndex, LogIndex(3));
  assertEquals(again.storage.recovered.hardState.term, Term(7));
  await again.close();
});

Deno.test("nothing is taken after close, and closing twice is closing once", async () => {
  const disk = new MemoryDisk();
  const { storage, directory } = await openStorage(disk);
  const last = storage.persist({ entries: [entry(1)] });
  const closing = storage.close();
  const error = await assertRejects(() => storage.persist({ entries: [entry(2)] }), StorageError);
  assertEquals(error.kind, "closed");
  await last;
  await closing;
  await storage.close();
  await directory.close();
  const directoryAgain = await openDirectory(disk);
  await directoryAgain.close();
});

Deno.test("restarts without work add nothing to the log", async () => {
  const disk = new MemoryDisk();
  const first = await openStorage(disk);
  await first.storage.persist({ entries: entries(1, 3) });
  await first.close();
  const bytes = disk.contentOf(LOG).length;
  for (let restart = 0; restart < 3; restart++) {
    const { close, clock } = await openStorage(disk);
    clock.advance(10_000);
    await settled();
    await close();
  }
  assertEquals(disk.contentOf(LOG).length, bytes);
});
