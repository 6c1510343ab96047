import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { type RaftStorage, StorageError } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import {
  contents,
  describe,
  entries,
  entry,
  openDirectory,
  openStorage,
  PATH,
  settled,
} from "./support.ts";

const LOG = `${PATH}/log/00000000000000000001.log`;

/** Counts of operations on the log, by kind, from now on. */
function countLogOperations(disk: MemoryDisk): Map<string, number> {
  const counts = new Map<string, number>();
  disk.fault = ({ kind, path }) => {
    if (path.includes("/log/")) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return undefined;
  };
  return counts;
}

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
    order.push(`${kind} ${path.slice(PATH.length + 1, PATH.length + 8)}`);
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

Deno.test("E18: a sync that fails once ends all writing for good", async () => {
  for (const policy of ["always", "interval"] as const) {
    const disk = new MemoryDisk();
    const { storage, fatal, clock, directory } = await openStorage(disk, { fsync: policy });
    let armed = true;
    disk.fault = ({ kind }) => {
      if (kind !== "sync" || !armed) return undefined;
      armed = false;
      return { kind: "error", code: "EIO" };
    };
    const outcomes = [1, 2, 3].map((index) => storage.persist({ entries: [entry(index)] }));
    if (policy === "always") {
      for (const outcome of await Promise.allSettled(outcomes)) {
        assertEquals(outcome.status, "rejected");
      }
    } else {
      await Promise.all(outcomes);
      clock.advance(1000);
      await settled();
    }
    assertEquals(fatal.length, 1, policy);
    assertStringIncludes(fatal[0].message, "EIO");
    const before = disk.operations;
    for (let index = 4; index < 8; index++) {
      const error = await assertRejects(
        () => storage.persist({ entries: [entry(index)] }),
        StorageError,
      );
      assertEquals(error.kind, "failed");
    }
    clock.advance(10_000);
    await settled();
    assertEquals(disk.operations, before, "nothing touched the disk after the failure");
    assertEquals(fatal.length, 1);
    await storage.close();
    await directory.close();
  }
});

Deno.test("E18: a failed write of term and vote, a cut or a new segment is final too", async () => {
  for (const kind of ["write", "truncate", "syncDirectory"] as const) {
    const disk = new MemoryDisk();
    const { storage, fatal, directory } = await openStorage(disk, { segmentBytes: 300 });
    await storage.persist({ entries: entries(1, 3) });
    disk.fault = (operation) =>
      operation.kind === kind ? { kind: "error", code: "EIO" } : undefined;
    const hardState = { term: Term(9), votedFor: undefined };
    await assertRejects(
      () => storage.persist({ hardState, entries: entries(4, 9, 9) }),
      StorageError,
    );
    disk.fault = undefined;
    await assertRejects(() => storage.persist({ entries: entries(4, 1) }), StorageError);
    assertEquals(fatal.length, 1, kind);
    await storage.close();
    await directory.close();
  }
});

Deno.test("what a failed sync may have lost is written again before it is reported", async () => {
  const disk = new MemoryDisk();
  const first = await openStorage(disk, { preallocateBytes: 0 });
  await first.storage.persist({ entries: [entry(1)] });
  disk.fault = ({ kind }) => kind === "sync" ? { kind: "error", code: "EIO" } : undefined;
  await assertRejects(() => first.storage.persist({ entries: [entry(2)] }), StorageError);
  disk.fault = undefined;
  await first.storage.close();
  await first.directory.close();
  // The page cache still shows entry 2, but only a new write brings it to the disk.
  const counts = countLogOperations(disk);
  const second = await openStorage(disk);
  assertEquals(second.storage.lastIndex, LogIndex(2));
  assert(counts.get("write")! >= 1 && counts.get("sync")! >= 1, JSON.stringify([...counts]));
  const lost = disk.crash(() => false);
  const third = await openStorage(lost);
  assertEquals(await contents(third.storage), entries(1, 2).map(describe));
  assertEquals(second.storage.recovered.trimmedBytes, 0);
  await third.close();
});

Deno.test("a full disk refuses, keeps what it has, and takes the same entries when space is back", async () => {
  for (const preallocateBytes of [0, 256]) {
    for (const spare of [0, 1, 31, 32, 60, 100, 300]) {
      const disk = new MemoryDisk();
      const name = `${spare} spare bytes, ${preallocateBytes} ahead`;
      const opened = await openStorage(disk, { segmentBytes: 500, preallocateBytes });
      const { storage, fatal } = opened;
      await storage.persist({ entries: entries(1, 2) });
      disk.capacityBytes = disk.usedBytes + spare;
      const more = Array.from({ length: 20 }, (_, at) => [entry(3 + at, 2)]);
      const outcomes = await Promise.allSettled(
        more.map((batch) => storage.persist({ entries: batch })),
      );
      const refused = outcomes.findIndex(({ status }) => status === "rejected");
      assert(refused >= 0, name);
      for (const outcome of outcomes.slice(refused)) {
        assert(outcome.status === "rejected", name);
        assertEquals((outcome.reason as StorageError).kind, "full", name);
      }
      assertEquals(storage.lastIndex, LogIndex(2 + refused), name);
      assertEquals(fatal, [], name);
      const kept = [...entries(1, 2), ...more.slice(0, refused).flat()].map(describe);
      assertEquals(await contents(storage), kept, name);
      disk.capacityBytes = Infinity;
      for (const batch of more.slice(refused)) await storage.persist({ entries: batch });
      const all = [...entries(1, 2), ...more.flat()].map(describe);
      assertEquals(await contents(storage), all, name);
      await opened.close();
      const again = await openStorage(disk, { segmentBytes: 500 });
      assertEquals(await contents(again.storage), all, name);
      assertEquals(again.storage.recovered.warnings, [], name);
      await again.close();
    }
  }
});

Deno.test("a short write is cut back, and nothing of it is found after a kill", async () => {
  const whole = entry(2).record.length;
  for (let bytes = 0; bytes < whole; bytes += 7) {
    const disk = new MemoryDisk();
    const { storage } = await openStorage(disk);
    await storage.persist({ entries: [entry(1)] });
    disk.fault = ({ kind }) =>
      kind === "write" ? { kind: "short", bytes, code: "ENOSPC" } : undefined;
    const error = await assertRejects(
      () => storage.persist({ entries: [entry(2)] }),
      StorageError,
    );
    assertEquals(error.kind, "full");
    disk.fault = undefined;
    const again = await openStorage(disk.kill());
    assertEquals(again.storage.lastIndex, LogIndex(1));
    assertEquals(again.storage.recovered.warnings, []);
    await again.close();
  }
});

Deno.test("a sync that hangs holds back its own persist and all later ones, and reads go on", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk);
  await storage.persist({ entries: [entry(1)] });
  const hanging = Promise.withResolvers<void>();
  disk.fault = ({ kind }) => kind === "sync" ? { kind: "hang", until: hanging.promise } : undefined;
  const done: number[] = [];
  const waiting = [2, 3].map((index) =>
    storage.persist({ entries: [entry(index)] }).then(() => done.push(index))
  );
  await settled();
  assertEquals(done, []);
  assertEquals((await storage.read(LogIndex(1), LogIndex(1), 1000)).map(describe), [
    describe(entry(1)),
  ]);
  const closing = close();
  await settled();
  assertEquals(done, [], "close waits for the sync");
  disk.fault = undefined;
  hanging.resolve();
  await Promise.all(waiting);
  await closing;
  assertEquals(done, [2, 3]);
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

Deno.test("entries that do not follow, in index or term, stop the storage before they are written", async () => {
  const wrong = [[entry(4, 5)], [entry(3, 4)], [entry(3, 5), entry(5, 5)], [
    entry(3, 6),
    entry(4, 5),
  ]];
  for (const batch of wrong) {
    const disk = new MemoryDisk();
    const { storage, directory, fatal } = await openStorage(disk);
    await storage.persist({ entries: entries(1, 2, 5) });
    const before = disk.contentOf(LOG);
    await assertRejects(() => storage.persist({ entries: batch }), StorageError);
    assertEquals(fatal.length, 1);
    await storage.close();
    await directory.close();
    assertEquals(disk.contentOf(LOG), before);
  }
});
