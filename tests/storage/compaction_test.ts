/** A log that begins late: compaction, snapshots from peers, and a crash at every operation. */

import { LogIndex, Prng, Term } from "../../src/base/mod.ts";
import { recordWithPayload, sealEntry } from "../../src/raft/mod.ts";
import { CorruptionError, SnapshotStore, StorageError, verifyLog } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { contents, describe, entries, entry, openStorage, PATH } from "./support.ts";

const OPTIONS = { segmentBytes: 600, preallocateBytes: 256 };
const id = (index: number, term = 1) => ({ term: Term(term), index: LogIndex(index) });
const TEXT = new TextEncoder();

async function take(store: SnapshotStore, index: number, term = 1) {
  const writer = await store.create(id(index, term), new Uint8Array([index]));
  await writer.write(TEXT.encode(`snapshot ${index} of term ${term}`));
  return await writer.finish();
}

/** A complete receiver in `store` for a snapshot that a peer took. */
async function received(store: SnapshotStore, index: number, term = 1) {
  const peer = await SnapshotStore.open(new MemoryDisk(), PATH);
  const manifest = await take(peer, index, term);
  const receiver = await store.receive(manifest);
  for (let next = receiver.nextChunk; next !== undefined; next = receiver.nextChunk) {
    await receiver.put(next, await peer.read(manifest, next));
  }
  return receiver;
}

Deno.test("compaction drops whole segments, and the log begins there at the next start", async () => {
  const disk = new MemoryDisk();
  const node = await openStorage(disk, OPTIONS);
  for (let index = 1; index <= 30; index++) await node.storage.persist({ entries: [entry(index)] });
  const full = await contents(node.storage);
  await take(node.storage.snapshots, 20);
  const start = await node.storage.compact(LogIndex(20));
  assert(start.index > 1 && start.index <= 20, `found ${start.index}`);
  assertEquals(node.storage.firstIndex, start.index + 1);
  assertEquals(await node.storage.read(LogIndex(1), LogIndex(3), 1000), []);
  assertEquals(await contents(node.storage), full.slice(start.index));
  await node.close();
  assertEquals((await verifyLog(disk, PATH, () => {})).ok, true);

  const again = await openStorage(disk, OPTIONS);
  const { logStart, last, snapshot, termRuns, snapshotDamaged } = again.storage.recovered;
  assertEquals({ logStart, last, snapshot: snapshot?.last, snapshotDamaged }, {
    logStart: start,
    last: id(30),
    snapshot: id(20),
    snapshotDamaged: undefined,
  });
  assertEquals(termRuns, [{ first: LogIndex(start.index + 1), term: Term(1) }]);
  await again.storage.persist({ entries: entries(31, 2) });
  assertEquals((await contents(again.storage)).length, 32 - start.index);
  await again.close();
});

Deno.test("a snapshot from a peer begins the log anew, or leaves what goes on behind it", async () => {
  const disk = new MemoryDisk();
  let node = await openStorage(disk, OPTIONS);
  await node.storage.persist({ entries: entries(1, 10) });
  await node.storage.persist({ snapshot: await received(node.storage.snapshots, 5), entries: [] });
  assertEquals(node.storage.firstIndex, 1);
  assertEquals(node.storage.lastIndex, 10);
  // Entry 8 was of another term: nothing from here on is of use.
  const snapshot = await received(node.storage.snapshots, 8, 3);
  await node.storage.persist({ snapshot, entries: entries(9, 2, 3) });
  assertEquals(node.storage.firstIndex, 9);
  assertEquals(await contents(node.storage), entries(9, 2, 3).map(describe));
  await node.close();
  node = await openStorage(disk, OPTIONS);
  assertEquals(node.storage.recovered.logStart, id(8, 3));
  assertEquals(node.storage.recovered.snapshot?.last, id(8, 3));
  await node.close();
});

Deno.test("a snapshot from a peer counts although the entries behind it find no room at first", async () => {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, OPTIONS);
  await storage.persist({ entries: entries(1, 3) });
  const batch = { snapshot: await received(storage.snapshots, 8), entries: entries(9, 2) };
  let syncs = 0;
  disk.fault = ({ kind, path }) => {
    if (!path.includes("/log/")) return undefined;
    if (kind === "sync") syncs++;
    // The new segment is there.
    return kind === "write" && syncs > 0 ? { kind: "error", code: "ENOSPC" } : undefined;
  };
  const error = await assertRejects(() => storage.persist(batch), StorageError);
  assertEquals(error.kind, "full");
  disk.fault = undefined;
  await storage.persist(batch);
  assertEquals(await contents(storage), entries(9, 2).map(describe));
  assertEquals(storage.snapshots.newest?.last, id(8));
  await close();
});

Deno.test("a snapshot whose name a killed process left unsynced is durable before anything rests on it", async () => {
  const disk = new MemoryDisk();
  const first = await openStorage(disk, OPTIONS);
  await first.storage.persist({ entries: entries(1, 3) });
  const snapshot = await received(first.storage.snapshots, 10);
  disk.fault = ({ kind, path }) =>
    kind === "rename" && path.includes(".manifest") ? { kind: "crashAfter" } : undefined;
  await assertRejects(() => first.storage.persist({ snapshot, entries: [] }));
  const killed = disk.kill();
  const second = await openStorage(killed, OPTIONS);
  assertEquals(second.storage.recovered.logStart, id(10));
  await second.storage.persist({ entries: entries(11, 1) });
  const third = await openStorage(killed.crash(() => false), OPTIONS);
  assertEquals(third.storage.recovered.snapshot?.last, id(10));
  assertEquals(third.storage.recovered.last, id(11));
  await third.close();
});

Deno.test("configurations in the log and the one of the first start are found again", async () => {
  const disk = new MemoryDisk();
  let node = await openStorage(disk);
  assertEquals(node.storage.recovered.bootstrap, undefined);
  await node.storage.saveBootstrap(new Uint8Array([7, 8]));
  const payload = TEXT.encode("members");
  const change = sealEntry(recordWithPayload(payload), "configuration", Term(1), LogIndex(2));
  await node.storage.persist({ entries: [entry(1), change, entry(3)] });
  await node.close();
  node = await openStorage(disk);
  assertEquals(node.storage.recovered.bootstrap, new Uint8Array([7, 8]));
  assertEquals(node.storage.recovered.configurations, [{ index: LogIndex(2), payload }]);
  await node.close();
  const file = await disk.open(`${PATH}/bootstrap`, "existing");
  for (let at = 0; at < await file.size(); at++) {
    const byte = new Uint8Array(1);
    await file.read(byte, at);
    await file.write(new Uint8Array([byte[0] ^ 16]), at);
    const error = await assertRejects(() => openStorage(disk), StorageError);
    assertEquals(error.kind, "damaged");
    await file.write(byte, at);
  }
});

Deno.test("a gap between snapshot and log is named, never passed over", async () => {
  const disk = new MemoryDisk();
  let node = await openStorage(disk, OPTIONS);
  for (let index = 1; index <= 30; index++) await node.storage.persist({ entries: [entry(index)] });
  await take(node.storage.snapshots, 3);
  await take(node.storage.snapshots, 25);
  const start = await node.storage.compact(LogIndex(25));
  assert(start.index > 3);
  await node.close();
  const file = await disk.open(`${PATH}/snapshots/00000000000000000025-1.rdb`, "existing");
  await file.truncate(0);
  const findings: string[] = [];
  const verified = await verifyLog(disk, PATH, ({ kind }) => findings.push(kind));
  assertEquals(verified.ok, false);
  assert(findings.includes("corruption"), findings.join());
  node = await openStorage(disk, OPTIONS);
  assertEquals(node.storage.recovered.snapshot, undefined);
  const text = node.storage.recovered.snapshotDamaged ?? "";
  assert(text.includes(`entries 4 to ${start.index} are neither`), text);
  assertEquals(node.storage.recovered.last, id(30));
  await node.close();
});

Deno.test("a log of a later term than the snapshot that covers it is refused", async () => {
  const disk = new MemoryDisk();
  const node = await openStorage(disk);
  await node.storage.persist({ entries: entries(1, 5, 4) });
  await take(node.storage.snapshots, 3, 2);
  await node.close();
  await assertRejects(() => openStorage(disk), CorruptionError);
});

/** Entries, snapshots taken and received, compaction; returns what was acknowledged. */
async function live(disk: MemoryDisk, done: { last: number; snapshot: number }): Promise<boolean> {
  try {
    const node = await openStorage(disk, OPTIONS);
    const { storage } = node;
    const append = async (first: number, count: number, term: number) => {
      for (let index = first; index < first + count; index++) {
        await storage.persist({ entries: [entry(index, term)] });
        done.last = index;
      }
    };
    await append(1, 12, 1);
    await take(storage.snapshots, 8);
    done.snapshot = 8;
    await storage.compact(LogIndex(8));
    await append(13, 8, 1);
    await take(storage.snapshots, 17);
    done.snapshot = 17;
    await storage.compact(LogIndex(17));
    await storage.persist({ snapshot: await received(storage.snapshots, 40, 3), entries: [] });
    done.snapshot = done.last = 40;
    await append(41, 6, 3);
    await storage.persist({ snapshot: await received(storage.snapshots, 43, 3), entries: [] });
    done.snapshot = 43;
    await storage.compact(LogIndex(43));
    await node.close();
    return true;
  } catch (error) {
    if (!disk.crashed) throw error;
    return false;
  }
}

Deno.test("RedisRaft 43: a crash at any operation: snapshot and log cover everything acknowledged", async () => {
  let points = 0;
  for (let operation = 1;; operation++) {
    let ended = false;
    for (const how of [0, 1, 0.5, 0.5]) {
      const name = `crash after operation ${operation}, ${how} kept`;
      const prng = new Prng(operation * 7 + points);
      const disk = new MemoryDisk();
      disk.fault = ({ number }) => number === operation ? { kind: "crashAfter" } : undefined;
      const done = { last: 0, snapshot: 0 };
      ended = await live(disk, done);
      const survives = () => prng.chance(how);
      let after = disk.crash(survives);
      // A second crash while recovery is under way must do no harm.
      const interrupted = prng.between(1, 80);
      after.fault = ({ number }) => number === interrupted ? { kind: "crashAfter" } : undefined;
      await openStorage(after, OPTIONS).catch((error) => {
        if (!after.crashed) throw new Error(`${name}: ${error.message}`, { cause: error });
      });
      after = after.crash(survives);
      const { storage, close } = await openStorage(after, OPTIONS).catch((error) => {
        throw new Error(`${name}, again after ${interrupted}: ${error.message}`, { cause: error });
      });
      const { logStart, last, snapshot, snapshotDamaged } = storage.recovered;
      assertEquals(snapshotDamaged, undefined, name);
      const covered = snapshot?.last.index ?? 0;
      assert(covered >= done.snapshot, `${name}: found snapshot ${covered}`);
      assert(last.index >= done.last, `${name}: found ${last.index}, acknowledged ${done.last}`);
      assert(logStart.index <= covered, `${name}: gap between ${covered} and ${logStart.index}`);
      assertEquals((await contents(storage)).length, last.index - logStart.index, name);
      await storage.persist({ entries: entries(last.index + 1, 2, 9) });
      await close();
      const again = await openStorage(after, OPTIONS);
      assertEquals(again.storage.recovered.last, id(last.index + 2, 9), name);
      await again.close();
    }
    if (ended) break;
    points++;
  }
  assert(points > 200, `found only ${points} crash points`);
});

Deno.test("reading damage that came while running names the entry", async () => {
  const disk = new MemoryDisk();
  const node = await openStorage(disk);
  await node.storage.persist({ entries: entries(1, 5) });
  const path = `${PATH}/log/00000000000000000001.log`;
  const file = await disk.open(path, "existing");
  const size = 5 * entry(1).record.length;
  for (let at = 64; at < 64 + size; at += 7) {
    const index = 1 + Math.floor((at - 64) / entry(1).record.length);
    const byte = new Uint8Array(1);
    await file.read(byte, at);
    await file.write(new Uint8Array([byte[0] ^ 2]), at);
    const error = await assertRejects(
      () => node.storage.read(LogIndex(index), LogIndex(5), 10_000),
      CorruptionError,
    );
    assertEquals(error.index, index, `byte ${at}`);
    await file.write(byte, at);
  }
  assertEquals((await contents(node.storage)).length, 5);
  await node.close();
});
