/**
 * Data of a later release: in each place that says a format, a larger number is told from damage, and
 * the operator is told which program to start. Nothing of it is trimmed or repaired.
 */

import { crc32, LogIndex, NodeId, putU32, Term } from "../../src/base/mod.ts";
import { Crc64, CRC64_BYTES } from "../../src/keyspace/rdb/crc64.ts";
import { encodeConfiguration, recordWithPayload, sealEntry } from "../../src/raft/mod.ts";
import { SnapshotStore, StorageError } from "../../src/storage/mod.ts";
import { sealBlock } from "../../src/storage/checked_block.ts";
import { PERSIST_RECORD_BYTES } from "../../src/storage/persist_record_format.ts";
import { openStorage } from "../storage/support.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";
import { send, VirtualCluster } from "./virtual_cluster.ts";

const NODE = NodeId(1);
const LATER = 9;
/** Behind the header of a segment. */
const FIRST_RECORD = 64;

/** A node that has stopped, with a log, a snapshot and everything else that it keeps. */
async function stopped(): Promise<{ cluster: VirtualCluster; disk: MemoryDisk }> {
  const cluster = new VirtualCluster(1);
  const { node } = await cluster.start(NODE);
  await cluster.elect();
  for (let i = 0; i < 5; i++) {
    const answer = send(node.openLane(), "SET", `k${i}`, "value");
    await cluster.clock.runUntil(() => answer.text !== undefined, 1000);
    if (i === 2) await cluster.finish(node.operations.takeSnapshot());
  }
  let ended = false;
  void node.stop(100).then(() => ended = true);
  await cluster.clock.runUntil(() => ended, 5000);
  cluster.disks.set(NODE, cluster.disks.get(NODE)!.kill());
  cluster.live.delete(NODE);
  return { cluster, disk: cluster.disks.get(NODE)! };
}

async function pathOf(disk: MemoryDisk, directory: string, ending: string): Promise<string> {
  const entries = await disk.list(directory);
  return `${directory}/${entries.find(({ name }) => name.endsWith(ending))!.name}`;
}

async function change(
  disk: MemoryDisk,
  path: string,
  how: (bytes: Uint8Array) => Uint8Array,
): Promise<void> {
  const changed = how((await disk.readFile(path)).slice());
  const file = await disk.open(path, "existing");
  await file.truncate(changed.length);
  await file.write(changed, 0);
  await file.close();
}

/** Gives the block at the beginning of a file another format version and a right checksum. */
function later(bytes: Uint8Array, length = bytes.length): Uint8Array {
  const block = bytes.subarray(0, length);
  const magic = new DataView(block.buffer, block.byteOffset).getUint32(4, true);
  sealBlock(block, magic, LATER);
  return bytes;
}

/** Changes the record at the beginning of a segment; its header's checksum is right again. */
function laterRecord(bytes: Uint8Array, field: number): Uint8Array {
  const record = bytes.subarray(FIRST_RECORD);
  record[field] = LATER;
  putU32(record, 0, crc32(record, 4, 32));
  return bytes;
}

/** A snapshot of entry `index` with these bytes, its checksum made right. */
async function putSnapshot(disk: MemoryDisk, index: number, bytes: Uint8Array): Promise<void> {
  const body = bytes.subarray(0, bytes.length - CRC64_BYTES);
  const sum = new Crc64();
  sum.update(body, 0, body.length);
  sum.putTo(bytes, body.length);
  const store = await SnapshotStore.open(disk, "/data");
  const configuration = store.newest!.configuration;
  const writer = await store.create({ term: Term(1), index: LogIndex(index) }, configuration);
  await writer.write(bytes);
  await writer.finish();
}

function replaced(bytes: Uint8Array, what: string, by: Uint8Array): Uint8Array {
  const text = String.fromCharCode(...bytes);
  const at = text.indexOf(what);
  assert(at >= 0, `there is no ${what}`);
  bytes.set(by, at + what.length);
  return bytes;
}

const snapshotData = (disk: MemoryDisk) => pathOf(disk, "/data/snapshots", ".rdb");
const segment = (disk: MemoryDisk) => pathOf(disk, "/data/log", ".log");

/** A configuration that a later release encoded. */
function laterMembers(cluster: VirtualCluster): Uint8Array {
  const bytes = encodeConfiguration({
    members: cluster.ids.map((id) => ({
      id,
      raftAddress: "10.0.0.1:7379",
      redisAddress: "10.0.0.1:6379",
      standing: "voter",
    })),
    outgoing: [],
    removed: [],
    featureLevel: 1,
  });
  bytes[0] = LATER;
  return bytes;
}

type Place = (disk: MemoryDisk, cluster: VirtualCluster) => Promise<void>;

const PLACES: Readonly<Record<string, Place>> = {
  "the identity": (disk) => change(disk, "/data/identity", later),
  "term and vote": (disk) => change(disk, "/data/state-a", later),
  "their second copy": (disk) => change(disk, "/data/state-b", later),
  "the members of the first start": (disk) => change(disk, "/data/bootstrap", later),
  "the encoding of these": (disk, cluster) =>
    change(disk, "/data/bootstrap", (bytes) => {
      const members = laterMembers(cluster);
      const block = new Uint8Array(16 + members.length);
      block.set(bytes.subarray(0, 12));
      putU32(block, 12, members.length);
      block.set(members, 16);
      sealBlock(block, new DataView(bytes.buffer).getUint32(4, true), 1);
      return block;
    }),
  "the persist record": (disk) =>
    change(disk, "/data/persist-record", (bytes) => later(bytes, PERSIST_RECORD_BYTES)),
  "a segment": async (disk) =>
    change(disk, await segment(disk), (bytes) => later(bytes, FIRST_RECORD)),
  "a record": async (disk) => change(disk, await segment(disk), (bytes) => laterRecord(bytes, 12)),
  "a kind of entry": async (disk) =>
    change(disk, await segment(disk), (bytes) => laterRecord(bytes, 13)),
  "members in the log": async (disk, cluster) => {
    const { storage, close } = await openStorage(disk);
    const index = LogIndex(storage.lastIndex + 1);
    const record = recordWithPayload(laterMembers(cluster));
    await storage.persist({ entries: [sealEntry(record, "configuration", Term(1), index)] });
    await close();
  },
  "the manifest of a snapshot": async (disk) =>
    change(disk, await pathOf(disk, "/data/snapshots", ".manifest"), later),
  "the fields of a snapshot": async (disk) => {
    const bytes = (await disk.readFile(await snapshotData(disk))).slice();
    await putSnapshot(disk, 6, replaced(bytes, "logboat-format", new Uint8Array([0xc0, LATER])));
  },
  "the RDB version of a snapshot": async (disk) => {
    const bytes = (await disk.readFile(await snapshotData(disk))).slice();
    await putSnapshot(disk, 6, replaced(bytes, "REDIS", new TextEncoder().encode("0099")));
  },
};

for (const [place, put] of Object.entries(PLACES)) {
  Deno.test(`of a later release: ${place}`, async () => {
    const { cluster, disk } = await stopped();
    await put(disk, cluster);
    const error = await assertRejects(() => cluster.start(NODE), StorageError);
    assertEquals(error.kind, "newerFormat", error.message);
    assertMatch(error.message, /start the release of Logboat that wrote it/i);
    assertMatch(error.message, new RegExp(`\\b(${LATER}|99)\\b`));
  });
}
