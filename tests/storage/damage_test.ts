/** What a crash leaves is cut; what a crash cannot explain is refused, and nothing is modified. */

import { LogIndex, Term } from "../../src/base/mod.ts";
import { CorruptionError, StorageError } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { contents, describe, entries, entry, openStorage, PATH, settled } from "./support.ts";

const LOG = `${PATH}/log/00000000000000000001.log`;
const RECORD = `${PATH}/persist-record`;
const HEADER_BYTES = 64;
const MARK_BYTES = 32;

/** A stopped node with `count` entries, each persisted by itself. */
async function logOf(count: number, segmentBytes = 1 << 20): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes });
  for (let index = 1; index <= count; index++) await storage.persist({ entries: [entry(index)] });
  await close();
  return disk;
}

function recordAt(bytes: Uint8Array, index: number): number {
  const { record } = entry(index);
  for (let at = 0; at + record.length <= bytes.length; at++) {
    if (record.every((byte, within) => bytes[at + within] === byte)) return at;
  }
  throw new Error(`Cannot find entry ${index}`);
}

/** All files but those that every start of a node changes. */
function snapshotOf(disk: MemoryDisk): Map<string, Uint8Array> {
  const files = disk.paths().filter((path) => !path.endsWith("/identity"));
  return new Map(files.map((path) => [path, disk.contentOf(path)]));
}

async function assertRefused(
  disk: MemoryDisk,
  file: string,
  offset: number,
  why: string,
): Promise<CorruptionError> {
  const before = snapshotOf(disk);
  const error = await assertRejects(() => openStorage(disk), CorruptionError);
  assertEquals(error.file, file, why);
  assertEquals(error.offset, offset, why);
  assertStringIncludes(error.message, `${file} is damaged at byte ${offset}`);
  assertEquals(snapshotOf(disk), before, `${why}: files were modified`);
  return error;
}

Deno.test("E22: an unsynced record cut at every byte is trimmed, and only it, with one warning", async () => {
  const whole = (await logOf(3)).contentOf(LOG);
  const start = recordAt(whole, 3);
  const end = start + entry(3).record.length;
  for (let cut = start + 1; cut < end; cut++) {
    const disk = await logOf(2);
    disk.setContent(LOG, whole.slice(0, cut));
    const { storage, close } = await openStorage(disk);
    assertEquals(storage.recovered.trimmedBytes, cut - start, `cut at ${cut}`);
    assertEquals(storage.recovered.warnings.length, 1, `cut at ${cut}`);
    assertStringIncludes(storage.recovered.warnings[0], `${cut - start} bytes`);
    assertEquals(storage.recovered.last, { term: Term(1), index: LogIndex(2) });
    await storage.persist({ entries: [entry(3, 2)] });
    await close();
    const again = await openStorage(disk);
    assertEquals(again.storage.recovered.warnings, [], `cut at ${cut}: second start`);
    assertEquals(await contents(again.storage), [
      ...entries(1, 2).map(describe),
      describe(entry(3, 2)),
    ]);
    await again.close();
  }
});

Deno.test("the tail of an unfinished write behind good records is trimmed, zeros kept as room", async () => {
  const disk = await logOf(2);
  const whole = disk.contentOf(LOG);
  const torn = new Uint8Array(whole.length + 5000);
  torn.set(whole);
  torn.set(entry(3).record.subarray(0, 17), whole.length);
  disk.setContent(LOG, torn);
  const { storage, close } = await openStorage(disk);
  assertEquals(storage.recovered.trimmedBytes, 17);
  assertEquals(storage.lastIndex, LogIndex(2));
  await close();
});

Deno.test("zeros behind the last record are room, not damage", async () => {
  const disk = await logOf(2);
  const whole = disk.contentOf(LOG);
  const padded = new Uint8Array(whole.length + 10_000);
  padded.set(whole);
  disk.setContent(LOG, padded);
  const { storage, close } = await openStorage(disk);
  assertEquals(storage.recovered.warnings, []);
  await storage.persist({ entries: [entry(3)] });
  assertEquals(await contents(storage), entries(1, 3).map(describe));
  await close();
});

Deno.test("E23: a bit flipped at every byte of a middle record is refused with file and offset", async () => {
  const disk = await logOf(5);
  const whole = disk.contentOf(LOG);
  const start = recordAt(whole, 3);
  for (let at = start; at < start + entry(3).record.length; at++) {
    for (const bit of [0, 7]) {
      const damaged = whole.slice();
      damaged[at] ^= 1 << bit;
      disk.setContent(LOG, damaged);
      await assertRefused(disk, LOG, start, `bit ${bit} of byte ${at}`);
    }
  }
  disk.setContent(LOG, whole);
  const { storage, close } = await openStorage(disk);
  assertEquals(storage.lastIndex, LogIndex(5));
  await close();
});

Deno.test("damage to the very last record of a node that was idle or stopped is refused, not cut", async () => {
  for (const how of ["stopped", "idle, then killed"]) {
    let disk = new MemoryDisk();
    const { storage, close, clock } = await openStorage(disk);
    for (const one of entries(1, 3)) await storage.persist({ entries: [one] });
    if (how === "stopped") await close();
    else {
      clock.advance(1000);
      await settled();
      disk = disk.kill();
    }
    const damaged = disk.contentOf(LOG);
    const start = recordAt(damaged, 3);
    damaged[start + 40] ^= 1;
    disk.setContent(LOG, damaged);
    await assertRefused(disk, LOG, start, how);
  }
});

Deno.test("damage to a mark hides no entry: it is written again, with a warning", async () => {
  const whole = (await logOf(4)).contentOf(LOG);
  const mark = recordAt(whole, 3) - MARK_BYTES;
  for (let at = mark; at < mark + MARK_BYTES; at++) {
    const disk = await logOf(4);
    const damaged = whole.slice();
    damaged[at] ^= 1;
    disk.setContent(LOG, damaged);
    const { storage, close } = await openStorage(disk);
    assertEquals(storage.recovered.warnings.length, 1, `byte ${at}`);
    assertStringIncludes(storage.recovered.warnings[0], `damaged at byte ${mark}`);
    assertEquals(await contents(storage), entries(1, 4).map(describe));
    await close();
    const again = await openStorage(disk);
    assertEquals(again.storage.recovered.warnings, [], `byte ${at}: second start`);
    await again.close();
  }
});

Deno.test("a record zeroed in the middle is refused", async () => {
  const disk = await logOf(5);
  const damaged = disk.contentOf(LOG);
  const start = recordAt(damaged, 3);
  damaged.fill(0, start, start + entry(3).record.length);
  disk.setContent(LOG, damaged);
  await assertRefused(disk, LOG, start, "zeros");
});

Deno.test("a value that holds copies of log bytes does not pass for a mark", async () => {
  const source = (await logOf(4)).contentOf(LOG);
  const disk = await logOf(1);
  const { storage, close } = await openStorage(disk);
  await storage.persist({ entries: [entry(2, 1, String.fromCharCode(...source))] });
  const record = disk.contentOf(RECORD);
  await storage.persist({ entries: [entry(3, 1, "copy " + "x".repeat(200))] });
  await close();
  const whole = disk.contentOf(LOG);
  // Entry 3 is cut: what is left of it must be trimmed although marks stand before it.
  disk.setContent(LOG, whole.slice(0, whole.length - MARK_BYTES - 100));
  disk.setContent(RECORD, record);
  const again = await openStorage(disk);
  assertEquals(again.storage.lastIndex, LogIndex(2));
  assertEquals(again.storage.recovered.warnings.length, 1);
  await again.close();
});

Deno.test("a missing segment is refused, wherever it is", async () => {
  const whole = await logOf(20, 400);
  const files = whole.paths().filter((path) => path.includes("/log/"));
  assert(files.length >= 4, `found ${files.length} segments`);
  for (const missing of files) {
    const disk = await logOf(20, 400);
    await disk.remove(missing);
    const error = await assertRejects(() => openStorage(disk), CorruptionError);
    const isMiddle = missing !== files[0] && missing !== files.at(-1);
    const named = isMiddle ? files[files.indexOf(missing) - 1] : missing;
    assertEquals(error.file, named, `without ${missing}`);
  }
});

Deno.test("an earlier segment cut short is refused", async () => {
  const disk = await logOf(20, 400);
  const file = disk.paths().filter((path) => path.includes("/log/"))[1];
  const whole = disk.contentOf(file);
  disk.setContent(file, whole.slice(0, whole.length - 10));
  const error = await assertRejects(() => openStorage(disk), CorruptionError);
  assertEquals(error.file, file);
});

Deno.test("the header of a segment with any byte flipped is written again, with a warning", async () => {
  for (const nth of [0, 1]) {
    const disk = await logOf(8, 400);
    const file = disk.paths().filter((path) => path.includes("/log/"))[nth];
    const whole = disk.contentOf(file);
    for (let at = 0; at < HEADER_BYTES; at++) {
      const damaged = whole.slice();
      damaged[at] ^= 0x10;
      disk.setContent(file, damaged);
      const { storage, close } = await openStorage(disk, { segmentBytes: 400 });
      assertEquals(storage.recovered.warnings.length, 1, `byte ${at}`);
      assertStringIncludes(storage.recovered.warnings[0], file);
      assertEquals(await contents(storage), entries(1, 8).map(describe));
      await close();
      assertEquals(disk.contentOf(file), whole, `byte ${at}`);
    }
  }
});

Deno.test("a segment of another log is refused", async () => {
  const disk = await logOf(20, 400);
  const files = disk.paths().filter((path) => path.includes("/log/"));
  const other = await logOf(20, 300);
  const otherFiles = other.paths().filter((path) => path.includes("/log/"));
  disk.setContent(files[1], other.contentOf(otherFiles[1]));
  const error = await assertRejects(() => openStorage(disk), CorruptionError);
  assertEquals(error.offset, 0);
});

Deno.test("a segment that a crash left without a header is removed when nothing followed", async () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(30).fill(9)]) {
    const disk = await logOf(3);
    const half = `${PATH}/log/00000000000000000004.log`;
    disk.setContent(half, bytes);
    const { storage, close } = await openStorage(disk);
    assertEquals(await contents(storage), entries(1, 3).map(describe));
    assert(!disk.paths().includes(half));
    await storage.persist({ entries: [entry(4)] });
    await close();
  }
});

Deno.test("a trimmed tail is gone for good, also when the node is killed after it", async () => {
  const disk = await logOf(2);
  const whole = disk.contentOf(LOG);
  const torn = new Uint8Array(whole.length + 1900).fill(7);
  torn.set(whole);
  // The sector that has the header was lost.
  torn.fill(0, whole.length, 512);
  disk.setContent(LOG, torn);
  const first = await openStorage(disk);
  assertEquals(first.storage.recovered.trimmedBytes, 1900);
  await first.storage.persist({ entries: [entry(3)] });
  const second = await openStorage(disk.crash(() => false));
  assertEquals(second.storage.recovered.warnings, []);
  assertEquals(await contents(second.storage), entries(1, 3).map(describe));
  await second.close();
});

const COPIES = ["state-a", "state-b"];

Deno.test("E26: one bad or missing copy of term and vote is repaired from the other, with a warning", async () => {
  for (const bad of COPIES) {
    for (const how of ["flipped", "missing", "empty"]) {
      const disk = await logOf(1);
      const path = `${PATH}/${bad}`;
      const bytes = disk.contentOf(path);
      bytes[45] ^= 4;
      if (how === "missing") await disk.remove(path);
      else disk.setContent(path, how === "empty" ? new Uint8Array(0) : bytes);
      const { storage, close } = await openStorage(disk);
      assertEquals(storage.recovered.warnings.length, 1, `${bad} ${how}`);
      assertStringIncludes(storage.recovered.warnings[0], path);
      await close();
      const again = await openStorage(disk);
      assertEquals(again.storage.recovered.warnings, [], `${bad} ${how}: second start`);
      await again.close();
      assertEquals(disk.contentOf(`${PATH}/state-a`), disk.contentOf(`${PATH}/state-b`));
    }
  }
});

Deno.test("E26: a repair of one copy that is cut short leaves the good one", async () => {
  for (const bad of COPIES) {
    const disk = await logOf(1);
    const path = `${PATH}/${bad}`;
    const bytes = disk.contentOf(path);
    bytes[45] ^= 4;
    disk.setContent(path, bytes);
    disk.fault = ({ kind, path }) =>
      kind === "write" && path.includes("/state-")
        ? { kind: "short", bytes: 20, code: "EIO" }
        : undefined;
    await assertRejects(() => openStorage(disk), Error, "EIO");
    disk.fault = undefined;
    const { storage, close } = await openStorage(disk);
    assertEquals(storage.lastIndex, LogIndex(1), bad);
    await close();
  }
});

Deno.test("E26: both copies bad or missing are refused, with what to do", async () => {
  for (const how of ["flipped", "missing"]) {
    const disk = await logOf(1);
    for (const name of COPIES) {
      const path = `${PATH}/${name}`;
      const bytes = disk.contentOf(path);
      bytes[45] ^= 4;
      if (how === "missing") await disk.remove(path);
      else disk.setContent(path, bytes);
    }
    const before = snapshotOf(disk);
    const error = await assertRejects(() => openStorage(disk), StorageError);
    assertEquals(error.kind, "stateLost");
    assertStringIncludes(error.message, "logboat serve --join HOST:PORT --replace ID");
    assertEquals(snapshotOf(disk), before);
  }
});

Deno.test("term, vote and log all missing is a loss and not a first start", async () => {
  const disk = await logOf(1);
  for (const path of [`${PATH}/state-a`, `${PATH}/state-b`, LOG]) await disk.remove(path);
  const error = await assertRejects(() => openStorage(disk), StorageError);
  assertEquals(error.kind, "stateLost");
});

Deno.test("damage found by a read names file and offset", async () => {
  const disk = await logOf(3);
  const { storage, close } = await openStorage(disk);
  const damaged = disk.contentOf(LOG);
  const start = recordAt(damaged, 2);
  const file = await disk.open(LOG, "existing");
  await file.write(new Uint8Array([0xff]), start + 40);
  const error = await assertRejects(
    () => storage.read(LogIndex(2), LogIndex(3), 1 << 20),
    CorruptionError,
  );
  assertEquals([error.file, error.offset, error.index], [LOG, start, LogIndex(2)]);
  assertEquals((await storage.read(LogIndex(1), LogIndex(3), 1 << 20)).map(describe), [
    describe(entry(1)),
  ]);
  await close();
});
