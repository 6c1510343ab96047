/** What the storage is made from, how it treats the disk, and what it is asked to write. */

import type { Logger } from "../base/mod.ts";
import type { Clock, Disk } from "../platform/mod.ts";
import type { HardState, LogEntry } from "../raft/mod.ts";
import type { DataDirectory } from "./data_directory.ts";
import type { SnapshotReceiver } from "./snapshot_files.ts";

/** How the storage treats the disk. */
export interface StorageOptions {
  /**
   * When a write counts as persisted: after its own sync; at once, with a sync each
   * `fsyncIntervalMs`; at once, the operating system syncs when it likes. Term and vote are synced
   * before they count under every policy.
   */
  readonly fsync: "always" | "interval" | "never";
  readonly fsyncIntervalMs: number;
  /** A segment that would grow past this ends; one batch larger than this still fits in one. */
  readonly segmentBytes: number;
  /** Zeros written ahead of the data, so that most syncs need not change the file; 0 for none. */
  readonly preallocateBytes?: number;
  /** Of the snapshots that this node takes; `SNAPSHOT_CHUNK_BYTES` by default. */
  readonly snapshotChunkBytes?: number;
}

/** What one `persist` writes: first the snapshot, then the hard state, then the entries. */
export interface PersistBatch {
  /**
   * Complete, from a peer, newer than the newest: becomes this node's, and the log begins behind
   * it, unless it holds the snapshot's last entry already: then it stays as it is.
   */
  readonly snapshot?: SnapshotReceiver | undefined;
  readonly hardState?: HardState | undefined;
  /** Consecutive; they replace everything from the first one's index on. */
  readonly entries: readonly LogEntry[];
}

/** What the storage is made from. */
export interface RaftStorageOptions {
  readonly disk: Disk;
  /** Stays open until after `close`. */
  readonly directory: DataDirectory;
  readonly options: StorageOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Whether damaged entries may be left to be repaired, given the newest configuration that can be
   * read, if any: without it, or when it says no, damage is refused at the start.
   */
  readonly repairs?: (configuration: Uint8Array | undefined) => boolean;
  /** After each sync of the log, with how long it took. */
  readonly onSynced?: (seconds: number) => void;
  /** Once, when the storage takes nothing more: the process should end. */
  readonly onFatal: (error: Error) => void;
}

/** Measured best between 256 KiB and 4 MiB: as fast as more, with shorter pauses. */
export const PREALLOCATE_BYTES = 1 << 20;
/** No header and record fit in less; a sanity bound, not a recommendation. */
export const SEGMENT_BYTES_MIN = 256;
