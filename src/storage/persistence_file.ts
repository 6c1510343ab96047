/**
 * `persist-record`: what the log has synced, said apart from the log (Protocol-Aware Recovery, FAST
 * 2018), so that damage to the newest entries is not taken for the rest of an unfinished write.
 *
 * It is written after each sync of the log and before anyone hears of it, without a sync of its own
 * (a second sync doubles the time of a small batch, and one beside the first costs a sixth of it and
 * cannot tell whether the entries were written, too). So a process that dies
 * leaves an exact one; a loss of power may leave an older one, which says less and nothing wrong.
 * Before entries are cut the record is made to say what stays, durably, or nothing: the marks behind
 * it go with them.
 *
 * Two slots in different pages take turns: one that is damaged leaves the other.
 */

import { LogIndex } from "../base/mod.ts";
import { type Disk, type DiskFile, PlatformError } from "../platform/mod.ts";
import { ENTRY_ID_ZERO } from "../raft/mod.ts";
import { fullError } from "./disk_space.ts";
import { StorageError } from "./errors.ts";
import {
  decodePersistRecord,
  encodePersistRecord,
  PERSIST_RECORD_BYTES,
  type PersistRecord,
} from "./persist_record_format.ts";

export const PERSIST_RECORD_NAME = "persist-record";
const SLOT_BYTES = 4096;
const SLOTS = 2;

const NOTHING: PersistRecord = {
  version: 0,
  markSeed: 0,
  segment: LogIndex(0),
  durableBytes: 0,
  last: ENTRY_ID_ZERO,
};

/** The newest slot that is whole; one that says nothing when there is none. Modifies nothing. */
export async function readPersistRecord(disk: Disk, path: string): Promise<PersistRecord> {
  const file = `${path}/${PERSIST_RECORD_NAME}`;
  let bytes: Uint8Array;
  try {
    bytes = await disk.readFile(file);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    if (error.code !== "ENOENT" && error.code !== "EIO") throw error;
    return NOTHING;
  }
  let newest = NOTHING;
  for (let slot = 0; slot < SLOTS; slot++) {
    const at = slot * SLOT_BYTES;
    const result = decodePersistRecord(bytes.subarray(at, at + PERSIST_RECORD_BYTES));
    if (result.kind === "newer") {
      throw new StorageError(
        "newerFormat",
        `Cannot use ${file}: ${result.reason}. Start the release of Logboat that wrote it`,
      );
    }
    if (result.kind === "ok" && result.value.version > newest.version) newest = result.value;
  }
  return newest;
}

/** The open file. Callers write one record at a time. */
export class PersistRecordFile {
  readonly #file: DiskFile;
  #version: number;
  #dirty = false;

  private constructor(file: DiskFile, version: number) {
    this.#file = file;
    this.#version = version;
  }

  /**
   * What `found` says stays there. The name is durable when its directory was synced. The file has
   * all its space from then on, for the days when the disk is full. Throws "full".
   */
  static async open(disk: Disk, path: string, found: PersistRecord): Promise<PersistRecordFile> {
    const file = await disk.open(`${path}/${PERSIST_RECORD_NAME}`, "create");
    try {
      const bytes = Math.min(await file.size(), SLOTS * SLOT_BYTES);
      await file.truncate(SLOTS * SLOT_BYTES);
      await file.write(new Uint8Array(SLOTS * SLOT_BYTES - bytes), bytes);
    } catch (error) {
      await file.close();
      throw fullError(error) ?? error;
    }
    return new PersistRecordFile(file, found.version);
  }

  /** Whether something was written since the last sync. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** Survives the process, and a loss of power from the next `sync` on. */
  write(record: Omit<PersistRecord, "version">): void {
    try {
      this.#put({ ...record, version: ++this.#version });
      this.#dirty = true;
    } catch (error) {
      // An older record stays true; file systems that never write in place may need space.
      if (fullError(error) === undefined) throw error;
    }
  }

  async sync(): Promise<void> {
    this.#dirty = false;
    await this.#file.sync();
  }

  /** Says nothing any more, durably: what it named is about to change. Throws "full". */
  clear(): Promise<void> {
    return this.replace(NOTHING);
  }

  /** Says this in every slot, durably, before what it said changes. Throws "full". */
  async replace(record: Omit<PersistRecord, "version">): Promise<void> {
    try {
      for (let slot = 0; slot < SLOTS; slot++) this.#put({ ...record, version: ++this.#version });
    } catch (error) {
      throw fullError(error) ?? error;
    }
    await this.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #put(record: PersistRecord): void {
    const at = (record.version % SLOTS) * SLOT_BYTES;
    this.#file.writeSync(encodePersistRecord(record), at);
  }
}
