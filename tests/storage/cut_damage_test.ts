/**
 * What stays of a log that was cut had been durable: damage to it is recognised, whatever else said
 * that it was durable is gone with the entries behind it.
 */

import { Prng } from "../../src/base/mod.ts";
import { CorruptionError, StorageError, type StorageOptions } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { contents, describe, entries, type Opened, openStorage, PATH } from "./support.ts";

const FILE = `${PATH}/log/00000000000000000001.log`;
const SECTOR_BYTES = 512;
/** One write, so no mark is between them, and each has a sector of its own. */
const BATCH = entries(1, 5, 1, "x".repeat(1200));
const POLICIES = ["always", "interval", "never"] as const;

function open(disk: MemoryDisk, fsync: StorageOptions["fsync"]): Promise<Opened> {
  return openStorage(disk, { fsync, segmentBytes: 4000 }, { repairs: () => true });
}

/** A stopped node; the batch is in the last segment, or before it. */
async function stopped(
  fsync: StorageOptions["fsync"],
  where: "earlier" | "last",
): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { storage, close } = await open(disk, fsync);
  await storage.persist({ entries: BATCH });
  if (where === "earlier") await storage.persist({ entries: entries(6, 3) });
  assertEquals(storage.segments, where === "earlier" ? 2 : 1);
  await close();
  return disk;
}

/** A sector of entry 3 reads as zeros: as one does that a crash has lost, but it was synced. */
function loseSector(disk: MemoryDisk): void {
  const bytes = disk.contentOf(FILE);
  const { record } = BATCH[2];
  const at = bytes.findIndex((_, start) => record.every((byte, n) => bytes[start + n] === byte));
  assert(at > 0, "entry 3 is not there");
  const sector = Math.ceil((at + 100) / SECTOR_BYTES) * SECTOR_BYTES;
  assert(sector + SECTOR_BYTES < at + record.length);
  bytes.fill(0, sector, sector + SECTOR_BYTES);
  disk.setContent(FILE, bytes);
}

/** Entries 1 to 4 are there, all but the third one, and that is known; or nothing starts. */
async function assertRecognised(disk: MemoryDisk, fsync: StorageOptions["fsync"], name: string) {
  try {
    const { storage, close } = await open(disk, fsync);
    assert(storage.lastIndex >= 4, `${name}: the log ends with entry ${storage.lastIndex}`);
    assertEquals(storage.damaged.map(({ first, last }) => [first, last]), [[3, 3]], name);
    await storage.repair(BATCH.slice(0, 4));
    assertEquals((await contents(storage)).slice(0, 4), BATCH.slice(0, 4).map(describe), name);
    await close();
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new Error(`${name}: could not be repaired: ${error.message}`);
  }
}

for (const where of ["earlier", "last"] as const) {
  for (const when of ["before the cut", "after the crash"] as const) {
    const title =
      `a sector lost ${when} of what stays in the ${where} segment is damage, not a torn tail`;
    Deno.test(title, async () => {
      for (const fsync of POLICIES) {
        let finished = false;
        for (let operation = 1; !finished; operation++) {
          for (const how of ["all", "none", "random"]) {
            const name = `${fsync}: crash after operation ${operation} of the cut, ${how} kept`;
            const prng = new Prng(operation);
            let disk = await stopped(fsync, where);
            if (when === "before the cut") loseSector(disk);
            const { storage } = await open(disk, fsync);
            const begun = disk.operations;
            disk.fault = ({ number }) =>
              number === begun + operation ? { kind: "crashAfter" } : undefined;
            await Promise.allSettled([storage.persist({ entries: entries(5, 2, 9) })]);
            finished = !disk.crashed;
            disk = disk.crash(() => how === "random" ? prng.chance(0.5) : how === "all");
            if (when === "after the crash") loseSector(disk);
            await assertRecognised(disk, fsync, name);
          }
        }
      }
    });
  }
}

Deno.test("a sector lost while the next segment is being made is damage, not a torn tail", async () => {
  for (const fsync of POLICIES) {
    let disk = new MemoryDisk();
    const { storage } = await open(disk, fsync);
    await storage.persist({ entries: BATCH });
    disk.fault = ({ kind, path }) =>
      kind === "open" && path.includes("/log/") ? { kind: "crashAfter" } : undefined;
    await Promise.allSettled([storage.persist({ entries: entries(6, 3) })]);
    assert(disk.crashed);
    disk = disk.crash(() => false);
    loseSector(disk);
    await assertRecognised(disk, fsync, fsync);
  }
});

Deno.test("a record that a disk wrote over the one before it is not taken for the place to cut", async () => {
  const disk = await stopped("always", "last");
  const { storage } = await open(disk, "always");
  const before = disk.contentOf(FILE);
  const { record } = BATCH[2];
  const at = before.findIndex((_, start) => record.every((byte, n) => before[start + n] === byte));
  assert(at > 0 && BATCH[3].record.length === record.length);
  const file = await disk.open(FILE, "existing");
  await file.write(BATCH[3].record, at);
  await file.close();
  const bytes = disk.contentOf(FILE).slice();
  const cut = storage.persist({ entries: entries(4, 1, 9) });
  await assertRejects(() => cut, StorageError, "found entry 4, expected entry 3");
  assertEquals(disk.contentOf(FILE), bytes, "nothing was cut");
});
