/**
 * The directory of one node's data: who it belongs to, and that one process has it open.
 *
 * ```
 * LOCK       held with flock while the node runs
 * identity   cluster, node, incarnation, format
 * state-a    term and vote; state-b is its copy
 * persist-record  how much of the log was synced
 * log/       the segments of the Raft log
 * ```
 */

import type { Logger, NodeId } from "../base/mod.ts";
import { type DirectoryEntry, type Disk, PlatformError } from "../platform/mod.ts";
import { BOOTSTRAP_NAME, writeBootstrap } from "./bootstrap_file.ts";
import { REJOIN_ADVICE, StorageError } from "./errors.ts";
import { decodeIdentity, encodeIdentity, type StoredIdentity } from "./identity_format.ts";

export const LOCK_NAME = "LOCK";
export const IDENTITY_NAME = "identity";
const IDENTITY_NEW_NAME = "identity.new";
export const LOG_DIRECTORY_NAME = "log";

export interface DataDirectoryOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Whose directory it must be; a function is only asked when the directory is made. */
  readonly nodeId: NodeId | (() => NodeId);
  /**
   * 32 lower-case hexadecimal digits. A string must also be the cluster of a directory that
   * exists; a function is only asked when the directory is made.
   */
  readonly clusterId: string | (() => string);
  /**
   * The configuration of the first start, for a directory that is made: kept before the directory
   * has an identity, so that whoever joins a cluster never takes itself for one of its own.
   */
  readonly bootstrap?: Uint8Array;
  readonly logger: Logger;
}

export interface Identity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 1 at the first open, one more at each; durable before anyone sees it. */
  readonly incarnation: number;
  readonly createdNow: boolean;
}

export class DataDirectory {
  readonly path: string;
  readonly identity: Identity;
  readonly #disk: Disk;
  readonly #lock: { close(): Promise<void> };
  #stored: StoredIdentity;

  private constructor(
    options: DataDirectoryOptions,
    lock: { close(): Promise<void> },
    stored: StoredIdentity,
    createdNow: boolean,
  ) {
    this.path = options.path;
    this.#disk = options.disk;
    this.#lock = lock;
    this.#stored = stored;
    const { clusterId, nodeId, incarnation } = stored;
    this.identity = { clusterId, nodeId, incarnation, createdNow };
  }

  /**
   * Opens, or makes, and locks the directory, checks whose it is and begins a new incarnation.
   * Throws `StorageError` of kind `locked`, `wrongNode`, `wrongCluster`, `newerFormat`, `damaged`,
   * `notWritable`, `unsafePath` or `full`.
   */
  static async open(options: DataDirectoryOptions): Promise<DataDirectory> {
    const { disk, path } = options;
    await wrapped(path, () => disk.makeDirectory(path));
    await checkPlainEntries(disk, path);
    const lock = await lockDirectory(disk, path);
    try {
      const found = await readIdentity(disk, path);
      if (found !== undefined) checkOwner(options, found);
      const stored = found === undefined
        ? await newIdentity(options)
        : { ...found, incarnation: found.incarnation + 1 };
      await wrapped(path, () => writeIdentity(disk, path, stored));
      options.logger.debug("opened data directory", { path, incarnation: stored.incarnation });
      return new DataDirectory(options, lock, stored, found === undefined);
    } catch (error) {
      await lock.close();
      throw error;
    }
  }

  /** Whether term, vote and log had been made in this directory. */
  get storageCreated(): boolean {
    return this.#stored.storageCreated;
  }

  /** Notes durably that term, vote and log are there from now on. */
  async markStorageCreated(): Promise<void> {
    if (this.#stored.storageCreated) return;
    const stored = { ...this.#stored, storageCreated: true };
    await wrapped(this.path, () => writeIdentity(this.#disk, this.path, stored));
    this.#stored = stored;
  }

  /** Lets another process in. The files must be closed before. */
  close(): Promise<void> {
    return this.#lock.close();
  }
}

/** Takes the lock of a data directory, or throws `StorageError` "locked". */
export async function lockDirectory(
  disk: Disk,
  path: string,
): Promise<{ close(): Promise<void> }> {
  return await wrapped(path, async () => {
    try {
      return await disk.lock(`${path}/${LOCK_NAME}`);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "ELOCKED") throw error;
      throw new StorageError(
        "locked",
        `Cannot open data directory ${path}: it is locked by another process. Stop that one ` +
          "first, or give this node a data directory of its own",
      );
    }
  });
}

/** Reads and verifies `identity`; undefined when there is none. */
export async function readIdentity(
  disk: Disk,
  path: string,
): Promise<StoredIdentity | undefined> {
  const file = `${path}/${IDENTITY_NAME}`;
  if (await wrapped(path, () => disk.stat(file)) === undefined) return undefined;
  const result = decodeIdentity(await wrapped(path, () => disk.readFile(file)));
  if (result.kind === "newer") {
    throw new StorageError(
      "newerFormat",
      `Cannot open data directory ${path}: ${result.reason}. Start the release of Logboat that ` +
        "wrote it, or a later one",
    );
  }
  if (result.kind === "bad") {
    throw new StorageError(
      "damaged",
      `Cannot open data directory ${path}: ${file} is damaged: ${result.reason}. ${REJOIN_ADVICE}`,
    );
  }
  return result.value;
}

/** Refuses links and special files where the storage would follow or open them. */
export async function checkPlainEntries(disk: Disk, path: string): Promise<void> {
  for (const entry of await wrapped(path, () => disk.list(path))) {
    checkPlain(path, entry, entry.name === LOG_DIRECTORY_NAME ? "directory" : "file");
    if (entry.name !== LOG_DIRECTORY_NAME) continue;
    const log = `${path}/${LOG_DIRECTORY_NAME}`;
    for (const inner of await wrapped(path, () => disk.list(log))) checkPlain(log, inner, "file");
  }
}

function checkPlain(path: string, entry: DirectoryEntry, expected: "file" | "directory"): void {
  if (entry.kind === expected) return;
  // What else an operator keeps here is left alone, except links: they lead out of the directory.
  if (entry.kind === "directory" && expected === "file") return;
  const found = entry.kind === "link" ? "a symbolic link" : `no ${expected}`;
  throw new StorageError(
    "unsafePath",
    `Cannot use ${path}/${entry.name}: found ${found}, expected a plain ${expected}. Move it ` +
      "out of the data directory",
  );
}

function checkOwner(options: DataDirectoryOptions, found: StoredIdentity): void {
  const { path, nodeId, clusterId } = options;
  if (typeof nodeId === "number" && found.nodeId !== nodeId) {
    throw new StorageError(
      "wrongNode",
      `Cannot open data directory ${path}: it belongs to node ${found.nodeId}, expected node ` +
        `${nodeId}. Set node.id or node.data-dir right; never copy a data directory to another ` +
        "node",
    );
  }
  if (typeof clusterId === "string" && found.clusterId !== clusterId) {
    throw new StorageError(
      "wrongCluster",
      `Cannot open data directory ${path}: it belongs to cluster ${found.clusterId}, expected ` +
        `cluster ${clusterId}. Use another data directory for another cluster`,
    );
  }
}

/** What a node leaves in its directory, beside its identity. */
export const PARTS_OF_A_NODE: readonly string[] = [
  "state-a",
  "state-b",
  "persist-record",
  BOOTSTRAP_NAME,
  "snapshots",
  LOG_DIRECTORY_NAME,
];

/**
 * A directory with a log but without an identity is not a new one; one with a bootstrap alone is a
 * first start that ended early, which this one begins again.
 */
async function newIdentity(options: DataDirectoryOptions): Promise<StoredIdentity> {
  const { disk, path } = options;
  for (const entry of await wrapped(path, () => disk.list(path))) {
    if (entry.name === LOCK_NAME || entry.name === IDENTITY_NEW_NAME) continue;
    const isLeft = entry.name === BOOTSTRAP_NAME && options.bootstrap !== undefined;
    if (isLeft || !PARTS_OF_A_NODE.includes(entry.name)) continue;
    throw new StorageError(
      "damaged",
      `Cannot open data directory ${path}: ${IDENTITY_NAME} is missing, but ${entry.name} is ` +
        `there. ${REJOIN_ADVICE}`,
    );
  }
  const clusterId = typeof options.clusterId === "string" ? options.clusterId : options.clusterId();
  if (options.bootstrap !== undefined) {
    const { bootstrap } = options;
    await wrapped(path, () => writeBootstrap(disk, path, bootstrap));
  }
  const nodeId = typeof options.nodeId === "number" ? options.nodeId : options.nodeId();
  return { clusterId, nodeId, incarnation: 1, storageCreated: false };
}

/** Replaces the file in one step: a crash leaves the old one or the new one. */
async function writeIdentity(disk: Disk, path: string, identity: StoredIdentity): Promise<void> {
  const temporary = `${path}/${IDENTITY_NEW_NAME}`;
  const file = await disk.open(temporary, "create");
  try {
    await file.truncate(0);
    await file.write(encodeIdentity(identity), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, `${path}/${IDENTITY_NAME}`);
  await disk.syncDirectory(path);
}

const NOT_WRITABLE: readonly string[] = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"];

/** Runs a disk operation and says in one sentence what the operator must change. */
async function wrapped<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    if (NOT_WRITABLE.includes(error.code)) {
      throw new StorageError(
        "notWritable",
        `Cannot use data directory ${path}: ${error.message}. It must be a directory that this ` +
          "user may read and write",
        error,
      );
    }
    if (error.code === "ENOSPC") {
      throw new StorageError(
        "full",
        `Cannot open data directory ${path}: ${error.message}. Free some space first`,
        error,
      );
    }
    throw error;
  }
}
