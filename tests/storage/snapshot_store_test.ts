/** Snapshots on disk: the manifest's codec, damage, a full disk, and crashes at every operation. */

import { crc32, DecodeError, LogIndex, Prng, Term } from "../../src/base/mod.ts";
import {
  CorruptionError,
  decodeManifest,
  encodeManifest,
  type SnapshotManifest,
  SnapshotStore,
  StorageError,
} from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../support/assert.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";
import { MemoryDisk } from "../support/memory_disk.ts";

const PATH = "/data";
const CHUNK = 1 << 18;
const id = (index: number, term = 1) => ({ term: Term(term), index: LogIndex(index) });
const configuration = new Uint8Array([1, 2, 3]);

function content(seed: number, bytes = CHUNK + 100): Uint8Array {
  const prng = new Prng(seed);
  return Uint8Array.from({ length: bytes }, () => prng.between(0, 255));
}

async function take(store: SnapshotStore, index: number, bytes: Uint8Array) {
  const writer = await store.create(id(index), configuration);
  for (let at = 0; at < bytes.length; at += 100_000) {
    await writer.write(bytes.subarray(at, at + 100_000));
  }
  return await writer.finish();
}

async function all(store: SnapshotStore, manifest: SnapshotManifest): Promise<Uint8Array> {
  const whole = new Uint8Array(manifest.bytes);
  let at = 0;
  for await (const chunk of store.readAll(manifest)) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  assertEquals(at, manifest.bytes);
  return whole;
}

async function names(disk: MemoryDisk): Promise<string[]> {
  return (await disk.list(`${PATH}/snapshots`)).map(({ name }) => name);
}

Deno.test("a manifest comes back as it went; short or damaged it is refused", () => {
  const bytes = content(1);
  const manifest: SnapshotManifest = {
    last: id(7, 3),
    configuration,
    bytes: bytes.length,
    chunkBytes: CHUNK,
    checksums: [crc32(bytes.subarray(0, CHUNK)), crc32(bytes.subarray(CHUNK))],
  };
  const block = encodeManifest(manifest);
  assertEquals(decodeManifest(block), manifest);
  for (const { bytes } of truncations(block)) {
    assertThrows(() => decodeManifest(bytes), DecodeError);
  }
  for (const { bytes } of bitFlips(block)) assertThrows(() => decodeManifest(bytes), DecodeError);
});

Deno.test("a later format of the manifest is refused with what to do", async () => {
  const disk = new MemoryDisk();
  await take(await SnapshotStore.open(disk, PATH), 5, content(1, 10));
  const path = `${PATH}/snapshots/00000000000000000005-1.manifest`;
  const block = (await disk.readFile(path)).slice();
  block[8] = 2;
  new DataView(block.buffer).setUint32(0, crc32(block, 4), true);
  const file = await disk.open(path, "existing");
  await file.write(block, 0);
  const error = await assertRejects(() => SnapshotStore.open(disk, PATH), StorageError);
  assertEquals(error.kind, "newerFormat");
});

Deno.test("a snapshot is read back, and the two newest are kept", async () => {
  const disk = new MemoryDisk();
  const store = await SnapshotStore.open(disk, PATH);
  assertEquals(store.newest, undefined);
  for (const index of [5, 9, 12]) await take(store, index, content(index));
  assertEquals(store.newest?.last, id(12));
  assertEquals(await all(store, store.newest!), content(12));
  assertEquals(await names(disk), [
    "00000000000000000009-1.manifest",
    "00000000000000000009-1.rdb",
    "00000000000000000012-1.manifest",
    "00000000000000000012-1.rdb",
  ]);
  const again = await SnapshotStore.open(disk, PATH);
  assertEquals(again.newest, store.newest);
  assertEquals(again.newest?.configuration, configuration);
});

Deno.test("a damaged newest snapshot falls back to the one before", async () => {
  const prng = new Prng(3);
  for (const ending of ["rdb", "manifest"]) {
    for (const how of ["flip", "truncate", "empty"]) {
      const disk = new MemoryDisk();
      const store = await SnapshotStore.open(disk, PATH);
      await take(store, 5, content(5));
      await take(store, 9, content(9));
      const file = await disk.open(
        `${PATH}/snapshots/00000000000000000009-1.${ending}`,
        "existing",
      );
      const size = await file.size();
      if (how === "flip") {
        const at = prng.between(0, size - 1);
        const byte = new Uint8Array(1);
        await file.read(byte, at);
        await file.write(new Uint8Array([byte[0] ^ 4]), at);
      } else await file.truncate(how === "empty" ? 0 : size - 1);
      const again = await SnapshotStore.open(disk, PATH);
      assertEquals(again.newest?.last, id(5), `${ending} ${how}`);
      assertEquals(again.damaged.map(({ last }) => last), [id(9)]);
      // A whole copy from a peer takes its place.
      await take(again, 9, content(10));
      assertEquals((await SnapshotStore.open(disk, PATH)).newest?.last, id(9));
      assertEquals(await all(again, again.newest!), content(10));
    }
  }
});

Deno.test("a full disk leaves the old snapshot and no temporary", async () => {
  const disk = new MemoryDisk();
  const store = await SnapshotStore.open(disk, PATH);
  await take(store, 5, content(5));
  const before = await names(disk);
  let writes = 0;
  for (let failing = 1;; failing++) {
    writes = 0;
    disk.fault = ({ kind }) =>
      kind === "write" && ++writes === failing
        ? { kind: "short", bytes: 3, code: "ENOSPC" }
        : undefined;
    const index = 5 + failing;
    const error = await take(store, index, content(6)).then(() => undefined, (error) => error);
    if (error === undefined) break;
    assert(error instanceof StorageError && error.kind === "full", String(error));
    assertEquals(await names(disk), before, `write ${failing}`);
  }
  // Two chunks and the manifest.
  assertEquals(writes, 3);
});

Deno.test("a snapshot is synced while it is written: no sync has more than 64 chunks to do", async () => {
  for (const chunks of [63, 64, 200]) {
    const disk = new MemoryDisk();
    const store = await SnapshotStore.open(disk, PATH, 1000);
    await take(store, 5, content(5, 100));
    const before = await names(disk);
    let failing = Infinity;
    let syncs = 0;
    let unsynced = 0;
    let most = 0;
    disk.fault = ({ kind, path }) => {
      if (!path.endsWith(".rdb.new")) return undefined;
      if (kind === "write") most = Math.max(most, ++unsynced);
      if (kind !== "sync") return undefined;
      unsynced = 0;
      return ++syncs === failing ? { kind: "error", code: "ENOSPC" } : undefined;
    };
    const expected = content(9, chunks * 1000 - 1);
    for (failing = 1; failing <= Math.floor(chunks / 64); failing++) {
      syncs = 0;
      const error = await assertRejects(() => take(store, 9, expected), StorageError);
      assertEquals([error.kind, syncs], ["full", failing]);
      assertEquals(await names(disk), before);
    }
    failing = Infinity;
    syncs = 0;
    assertEquals(await all(store, await take(store, 9, expected)), expected);
    assertEquals(syncs, Math.floor(chunks / 64) + 1);
    assertEquals(most, Math.min(chunks, 64));
  }
});

Deno.test("a disk without room puts an installation off: the same one succeeds later", async () => {
  const source = await SnapshotStore.open(new MemoryDisk(), PATH);
  const manifest = await take(source, 9, content(9, CHUNK + 5));
  for (const kind of ["sync", "write"] as const) {
    const disk = new MemoryDisk();
    const store = await SnapshotStore.open(disk, PATH);
    await take(store, 5, content(5));
    const receiver = await store.receive(manifest);
    while (receiver.nextChunk !== undefined) {
      await receiver.put(receiver.nextChunk, await source.read(manifest, receiver.nextChunk));
    }
    disk.fault = (operation) =>
      operation.kind === kind ? { kind: "error", code: "ENOSPC" } : undefined;
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await store.install(receiver).then(() => undefined, (error) => error);
      assert(error instanceof StorageError && error.kind === "full", String(error));
      assertEquals(store.newest?.last, id(5));
    }
    disk.fault = undefined;
    await store.install(receiver);
    assertEquals(await all(store, store.newest!), content(9, CHUNK + 5));
    assertEquals((await SnapshotStore.open(disk, PATH)).newest?.last, id(9));
  }
});

Deno.test("a received snapshot is verified, resumes, and counts only when installed", async () => {
  const source = await SnapshotStore.open(new MemoryDisk(), PATH);
  const manifest = await take(source, 9, content(9, 2 * CHUNK + 5));
  const disk = new MemoryDisk();
  const store = await SnapshotStore.open(disk, PATH);
  const receiver = await store.receive(decodeManifest(encodeManifest(manifest)));
  await receiver.put(0, await source.read(manifest, 0));
  const bad = await source.read(manifest, 1);
  bad[7] ^= 1;
  await assertRejects(() => receiver.put(1, bad), CorruptionError);
  const resumed = await store.receive(manifest);
  assertEquals(resumed.nextChunk, 1);
  await resumed.put(1, await source.read(manifest, 1));
  await resumed.put(2, await source.read(manifest, 2));
  assert(resumed.complete);
  assertEquals(store.newest, undefined);
  await store.install(resumed);
  assertEquals(await all(store, manifest), content(9, 2 * CHUNK + 5));
  assertEquals((await SnapshotStore.open(disk, PATH)).newest, manifest);
});

Deno.test("RedisRaft 654: a crash at any operation leaves whole snapshots, the finished ones at least", async () => {
  let points = 0;
  for (let operation = 1;; operation++) {
    let ended = false;
    for (const how of [0, 1, 0.5, 0.5, 0.5]) {
      const prng = new Prng(operation * 10 + points);
      const disk = new MemoryDisk();
      disk.fault = ({ number }) => number === operation ? { kind: "crashAfter" } : undefined;
      let finished = 0;
      try {
        const store = await SnapshotStore.open(disk, PATH);
        for (const index of [5, 9, 12, 20]) {
          await take(store, index, content(index, 1500));
          finished = index;
        }
        ended = true;
      } catch (error) {
        if (!disk.crashed) throw error;
      }
      const after = disk.crash(() => prng.chance(how));
      const store = await SnapshotStore.open(after, PATH);
      assertEquals(store.damaged, [], `operation ${operation}`);
      const found = store.newest?.last.index ?? 0;
      assert(found >= finished, `operation ${operation}: found ${found}, finished ${finished}`);
      if (store.newest !== undefined) {
        assertEquals(await all(store, store.newest), content(found, 1500));
      }
      assert((await names(after)).length % 2 === 0);
    }
    if (ended) break;
    points++;
  }
  assert(points > 40, `found only ${points} crash points`);
});
