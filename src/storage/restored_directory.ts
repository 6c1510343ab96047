/**
 * A new data directory that begins with a snapshot instead of an empty log, for `logboat restore`.
 * Everything is made in a directory inside of it and then moved, the identity last: before that there
 * is no node, and what is left of an attempt that ended early is not one.
 */

import { type Logger, type NodeId, Term } from "../base/mod.ts";
import type { Clock, Disk } from "../platform/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import {
  DataDirectory,
  IDENTITY_NAME,
  LOCK_NAME,
  lockDirectory,
  PARTS_OF_A_NODE,
} from "./data_directory.ts";
import { StorageError } from "./errors.ts";
import { RaftStorage } from "./raft_storage.ts";

const UNFINISHED = "restoring";
/** What a directory may hold and still count as empty. */
const NOBODYS: readonly string[] = [UNFINISHED, LOCK_NAME, "lost+found"];
const CHUNK_BYTES = 1 << 18;
const SEGMENT_BYTES = 1 << 26;

/** Whose directory it becomes, and with what it begins. */
export interface RestoredDirectoryOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Made when it is not there; holds nothing yet. */
  readonly path: string;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** The last entry that counts as being in the snapshot. */
  readonly last: EntryId;
  /** The members of the new cluster, encoded. */
  readonly configuration: Uint8Array;
  /** The bytes of the snapshot, valid until the next call; undefined at their end. */
  readonly next: (bytesMax: number) => Uint8Array | undefined;
}

/** Throws `StorageError` "notEmpty" when something is at `path` already. */
export async function checkNoDirectory(disk: Disk, path: string): Promise<void> {
  if (await disk.stat(path) === undefined) return;
  const names = (await disk.list(path)).map(({ name }) => name);
  const isUnfinished = names.includes(UNFINISHED) && !names.includes(IDENTITY_NAME);
  const found = names.find((name) =>
    !NOBODYS.includes(name) && !(isUnfinished && PARTS_OF_A_NODE.includes(name))
  );
  if (found === undefined) return;
  throw new StorageError(
    "notEmpty",
    `Cannot restore to ${path}: found ${found} in it, expected no directory or an empty one. ` +
      "Name another with --node-data-dir; an existing one is never written over",
  );
}

/** Durable when it resolves. Throws what `DataDirectory` and `RaftStorage` throw. */
export async function makeRestoredDirectory(options: RestoredDirectoryOptions): Promise<void> {
  const { disk, path } = options;
  const inner = `${path}/${UNFINISHED}`;
  await disk.makeDirectory(path);
  const lock = await lockDirectory(disk, path);
  try {
    await checkNoDirectory(disk, path);
    for (const name of PARTS_OF_A_NODE) await removeAll(disk, `${path}/${name}`);
    await removeAll(disk, inner);
    await fill(options, inner);
    for (const { name } of await disk.list(inner)) {
      if (!PARTS_OF_A_NODE.includes(name)) continue;
      await disk.rename(`${inner}/${name}`, `${path}/${name}`);
    }
    await disk.syncDirectory(path);
    await disk.rename(`${inner}/${IDENTITY_NAME}`, `${path}/${IDENTITY_NAME}`);
    await disk.syncDirectory(path);
    await removeAll(disk, inner);
    await disk.syncDirectory(path);
  } finally {
    await lock.close();
  }
}

async function fill(options: RestoredDirectoryOptions, path: string): Promise<void> {
  const { disk, clock, logger, last, configuration } = options;
  const directory = await DataDirectory.open({
    disk,
    path,
    nodeId: options.nodeId,
    clusterId: options.clusterId,
    bootstrap: configuration,
    logger,
  });
  try {
    const storage = await RaftStorage.open({
      disk,
      directory,
      options: { fsync: "always", fsyncIntervalMs: 1000, segmentBytes: SEGMENT_BYTES },
      clock,
      logger,
      onFatal: () => {},
    });
    try {
      const hardState = { term: Term(last.term), votedFor: undefined };
      await storage.persist({ hardState, entries: [] });
      const writer = await storage.snapshots.create(last, configuration);
      for (let chunk = options.next(CHUNK_BYTES); chunk !== undefined;) {
        await writer.write(chunk);
        chunk = options.next(CHUNK_BYTES);
      }
      await writer.finish();
    } finally {
      await storage.close();
    }
  } finally {
    await directory.close();
  }
}

/** Removes what is at `path`, a directory with all that is in it; nothing when there is none. */
async function removeAll(disk: Disk, path: string): Promise<void> {
  const entry = await disk.stat(path);
  if (entry === undefined) return;
  if (entry.kind === "directory") {
    for (const { name } of await disk.list(path)) await removeAll(disk, `${path}/${name}`);
  }
  await disk.remove(path);
}
