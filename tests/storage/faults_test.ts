/** Disks that fail, fill up or hang, and callers that ask for what must not be written. */

import { LogIndex, Term } from "../../src/base/mod.ts";
import { StorageError } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import {
  contents,
  countLogOperations,
  describe,
  entries,
  entry,
  openStorage,
  PATH,
  settled,
} from "./support.ts";

const LOG = `${PATH}/log/00000000000000000001.log`;

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
