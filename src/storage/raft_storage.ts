/**
 * The Raft log, term and vote of one node on disk: a queue of changes in front of `LogWriter`.
 *
 * Changes that wait while a sync runs are written together and share the next sync (architecture
 * D3). What a policy promises is in options.ts. After a failed write or sync nothing more is
 * written, ever (D9).
 */

import { assert, LogIndex } from "../base/mod.ts";
import type { Timer } from "../platform/mod.ts";
import type { EntryId, LogEntry } from "../raft/mod.ts";
import { StorageError } from "./errors.ts";
import { examineLog } from "./examine.ts";
import { readEntries } from "./log_reader.ts";
import { LogSerializer } from "./log_serializer.ts";
import type { LogWriter } from "./log_writer.ts";
import { type PersistBatch, type RaftStorageOptions, SEGMENT_BYTES_MIN } from "./options.ts";
import { damagedIn, type DamagedRange, repairLog } from "./repair.ts";
import type { SnapshotReceiver } from "./snapshot_files.ts";
import { SnapshotStore } from "./snapshot_store.ts";
import { type Recovered, startUp } from "./start_up.ts";
import { writeBootstrap } from "./bootstrap_file.ts";

interface Task {
  readonly run: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type Compaction = PromiseWithResolvers<EntryId> & { readonly through: LogIndex };

interface Pending extends PersistBatch {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Waiting changes beyond this go into the next write. */
const GROUP_BYTES_MAX = 4 << 20;
/** The persist record is synced so long after it was written. */
const RECORD_DELAY_MS = 200;

const serializer = new LogSerializer();

export class RaftStorage {
  readonly recovered: Recovered;
  readonly snapshots: SnapshotStore;
  readonly #options: RaftStorageOptions;
  readonly #log: LogWriter;
  readonly #queue: Pending[] = [];
  readonly #tasks: Task[] = [];
  #compaction: Compaction | undefined;
  #running = false;
  #failure: StorageError | undefined;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  #syncDue = false;
  #recordDue = false;
  #syncTimer: Timer | undefined;
  #recordTimer: Timer | undefined;

  private constructor(
    options: RaftStorageOptions,
    log: LogWriter,
    snapshots: SnapshotStore,
    recovered: Recovered,
  ) {
    this.snapshots = snapshots;
    this.#options = options;
    this.#log = log;
    this.recovered = recovered;
  }

  /**
   * Recovers what is on disk and makes it durable before it reports it. Throws `CorruptionError`
   * or `StorageError` "stateLost", "newerFormat" or "full"; nothing was modified unless "full".
   */
  static async open(options: RaftStorageOptions): Promise<RaftStorage> {
    const { disk, directory, logger } = options;
    const { segmentBytes, fsyncIntervalMs } = options.options;
    assert(segmentBytes >= SEGMENT_BYTES_MIN, `Cannot use segments of ${segmentBytes} bytes`);
    assert(fsyncIntervalMs > 0, `Cannot sync each ${fsyncIntervalMs} ms: want more than 0`);
    const { snapshotChunkBytes } = options.options;
    const snapshots = await SnapshotStore.open(disk, directory.path, snapshotChunkBytes);
    const { log, recovered } = await startUp({
      disk,
      directory,
      options: options.options,
      snapshots,
      repairs: options.repairs ?? (() => false),
    });
    for (const warning of recovered.warnings) logger.warn(warning);
    await directory.markStorageCreated();
    const storage = new RaftStorage(options, log, snapshots, recovered);
    storage.#armRecord();
    return storage;
  }

  /** Bytes of all entries with their headers and marks, free space not counted. */
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#log.segments) bytes += segment.end;
    return bytes;
  }

  get segments(): number {
    return this.#log.segments.length;
  }

  /** The first index that can be read, once there is an entry. */
  get firstIndex(): LogIndex {
    return this.#log.segments.at(0)?.first ?? this.#log.nextIndex;
  }

  /** The last entry that was written; those that wait in the queue are not counted. */
  get lastIndex(): LogIndex {
    return this.#log.segments.at(-1)?.last ?? LogIndex(this.#log.nextIndex - 1);
  }

  /**
   * Writes in the order of calls; resolves when the policy calls it persisted. Rejects with
   * `StorageError` "full" when there was no space: none of the entries was added, everything that
   * waited behind is rejected too, and the same calls may be made again in the same order. Every
   * other rejection is final.
   */
  persist(batch: PersistBatch): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) {
      return Promise.reject(new StorageError("closed", "Cannot persist: the storage is closed"));
    }
    return new Promise((resolve, reject) => {
      const { snapshot, hardState, entries } = batch;
      this.#queue.push({
        snapshot,
        hardState,
        entries,
        bytes: serializer.bytesOf(entries),
        resolve,
        reject,
      });
      this.#kick();
    });
  }

  /**
   * Gives up whole segments whose entries are all <= `through`, which the newest snapshot must
   * cover. Returns what is the entry before the log then.
   */
  compact(through: LogIndex): Promise<EntryId> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const covered = this.snapshots.newest?.last.index ?? 0;
    assert(
      through <= covered,
      `Cannot compact to entry ${through}: the snapshot ends at ${covered}`,
    );
    if (this.#closing !== undefined) return Promise.resolve(this.#log.start);
    this.#compaction?.reject(new StorageError("closed", "Cannot compact: a later call took over"));
    const compaction = { ...Promise.withResolvers<EntryId>(), through };
    this.#compaction = compaction;
    this.#kick();
    return compaction.promise;
  }

  /** Keeps the configuration of the first start. */
  saveBootstrap(configuration: Uint8Array): Promise<void> {
    const { disk, directory } = this.#options;
    return writeBootstrap(disk, directory.path, configuration);
  }

  /**
   * Entries from `first` to `last`, verified and consecutive, as many as fit in `bytesMax` but at
   * least one, up to the first that cannot be read; none when `first` is not, or no longer, in the
   * log. Throws `CorruptionError` when `first` cannot be read.
   */
  read(first: LogIndex, last: LogIndex, bytesMax: number): Promise<LogEntry[]> {
    return readEntries(this.#log.segments, first, last, bytesMax);
  }

  /** Entries that cannot be read, as far as that is known. */
  get damaged(): readonly DamagedRange[] {
    return damagedIn(this.#log.segments);
  }

  /**
   * Looks for everything that cannot be read around entry `index`: `damaged` tells. Throws
   * `CorruptionError` where nobody can say which entries were there.
   */
  examine(index: LogIndex): Promise<void> {
    return this.#betweenWrites(() => examineLog(this.#log, index));
  }

  /**
   * Writes `entries` where they cannot be read, as far as they fill a whole damaged range; durable
   * when it resolves, and others are left alone. Reading and writing go on meanwhile. Throws
   * `CorruptionError` when one is not what was there, and "full"; then that range is as it was.
   */
  repair(entries: readonly LogEntry[]): Promise<void> {
    return this.#betweenWrites(() => repairLog(this.#log.segments, entries));
  }

  /** Waits for what is queued and for the last sync; later calls of `persist` reject. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#syncTimer?.cancel();
    this.#recordTimer?.cancel();
    if (this.#running) await new Promise<void>((resolve) => this.#onIdle = resolve);
    try {
      if (this.#failure === undefined) await this.#log.finish();
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      await this.#log.close();
    }
  }

  #betweenWrites(run: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) {
      return Promise.reject(new StorageError("closed", "Cannot repair: the storage is closed"));
    }
    return new Promise((resolve, reject) => {
      this.#tasks.push({ run, resolve, reject });
      this.#kick();
    });
  }

  #kick(): void {
    if (!this.#running) void this.#run();
  }

  /** Works until nothing is left to do. Never rejects. */
  async #run(): Promise<void> {
    this.#running = true;
    while (this.#failure === undefined) {
      try {
        if (this.#syncDue) await this.#backgroundSync();
        else if (this.#compaction !== undefined) await this.#compact(this.#compaction);
        else if (this.#tasks.length > 0) await this.#runTask(this.#tasks.shift()!);
        else if (this.#queue.length > 0) await this.#persistGroup();
        else if (this.#recordDue) await this.#syncRecord();
        else break;
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#running = false;
    this.#onIdle?.();
  }

  /** Damage and a full disk are the caller's to deal with; nothing was changed then. */
  async #runTask({ run, resolve, reject }: Task): Promise<void> {
    try {
      await run();
      resolve();
    } catch (error) {
      const isLimited = error instanceof StorageError && ["corrupt", "full"].includes(error.kind);
      reject(isLimited ? error : this.#fail(error));
    }
  }

  async #compact(compaction: Compaction): Promise<void> {
    await this.#log.compact(compaction.through);
    if (this.#compaction === compaction) this.#compaction = undefined;
    compaction.resolve(this.#log.start);
  }

  async #persistGroup(): Promise<void> {
    const group = this.#takeGroup();
    try {
      const wrote = await this.#writeGroup(group);
      if (wrote && this.#options.options.fsync === "always") await this.#sync();
    } catch (error) {
      const full = error instanceof StorageError && error.kind === "full";
      const failure = full ? error : this.#fail(error);
      for (const pending of group) pending.reject(failure);
      // What waits follows on what was refused.
      for (const pending of this.#queue.splice(0)) pending.reject(failure);
      return;
    }
    for (let at = 0; at < group.length; at++) group[at].resolve();
    if (this.#options.options.fsync === "interval" && this.#log.dirty) this.#armSync();
  }

  /** Several that only append can share a write; a hard state or a cut begins a group. */
  #takeGroup(): Pending[] {
    const queue = this.#queue;
    if (queue[0].snapshot !== undefined) return queue.splice(0, 1);
    let bytes = queue[0].bytes;
    let next = LogIndex((queue[0].entries.at(-1)?.index ?? this.#log.tail.last) + 1);
    let count = 1;
    for (; count < queue.length; count++) {
      const { snapshot, hardState, entries } = queue[count];
      if (snapshot !== undefined) break;
      bytes += queue[count].bytes;
      if (hardState !== undefined || bytes > GROUP_BYTES_MAX) break;
      if (entries.length === 0) continue;
      if (entries[0].index !== next) break;
      next = LogIndex(entries[entries.length - 1].index + 1);
    }
    return queue.splice(0, count);
  }

  /** Runs without a pause up to the end of the write when nothing but appending is to do. */
  async #writeGroup(group: readonly Pending[]): Promise<boolean> {
    const log = this.#log;
    const { snapshot, hardState } = group[0];
    if (snapshot !== undefined) await this.#install(snapshot);
    if (hardState !== undefined) await log.writeHardState(hardState);
    const first = group[0].entries[0] ??
      group.find(({ entries }) => entries.length > 0)?.entries[0];
    if (first === undefined) return false;
    const { last } = log.tail;
    assert(
      first.index <= last + 1,
      `Cannot persist entry ${first.index}: the log ends with entry ${last}`,
    );
    if (first.index <= last) await log.truncateFrom(first.index);
    let bytes = 0;
    for (const pending of group) bytes += pending.bytes;
    if (log.needsSegment(bytes)) await log.roll();
    const writing = log.append(group.map(({ entries }) => entries), bytes);
    if (writing !== undefined) await writing;
    return true;
  }

  /** "full" only as long as nothing changed. What is behind it may be "full": then it is called again. */
  async #install(snapshot: SnapshotReceiver): Promise<void> {
    const { manifest } = snapshot;
    if (this.snapshots.newest !== manifest) await this.snapshots.install(snapshot);
    const { last } = manifest;
    if (this.#log.has(last)) return;
    try {
      await this.#log.reset(last);
    } catch (error) {
      throw new Error(`Cannot begin the log behind snapshot ${last.index}`, { cause: error });
    }
  }

  async #sync(): Promise<void> {
    const { clock, onSynced } = this.#options;
    const startMs = clock.nowMs();
    await this.#log.sync();
    onSynced?.((clock.nowMs() - startMs) / 1000);
    this.#armRecord();
  }

  async #backgroundSync(): Promise<void> {
    this.#syncDue = false;
    if (this.#log.dirty) await this.#sync();
  }

  async #syncRecord(): Promise<void> {
    this.#recordDue = false;
    if (this.#log.persistRecord.dirty) await this.#log.persistRecord.sync();
  }

  #armSync(): void {
    if (this.#syncTimer !== undefined || this.#closing !== undefined) return;
    this.#syncTimer = this.#options.clock.setTimer(this.#options.options.fsyncIntervalMs, () => {
      this.#syncTimer = undefined;
      this.#syncDue = true;
      this.#kick();
    });
  }

  #armRecord(): void {
    if (this.#recordTimer !== undefined || this.#closing !== undefined) return;
    if (!this.#log.persistRecord.dirty) return;
    this.#recordTimer = this.#options.clock.setTimer(RECORD_DELAY_MS, () => {
      this.#recordTimer = undefined;
      this.#recordDue = true;
      this.#kick();
    });
  }

  /** Nothing more is written from here on. Returns what all waiting and later calls get. */
  #fail(cause: unknown): StorageError {
    if (this.#failure !== undefined) return this.#failure;
    const text = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new StorageError(
      "failed",
      `Cannot persist: ${text}. What the disk holds is not certain now; the process must end and ` +
        "recover from disk",
      cause,
    );
    this.#syncTimer?.cancel();
    this.#recordTimer?.cancel();
    for (const waiting of [...this.#queue.splice(0), ...this.#tasks.splice(0)]) {
      waiting.reject(this.#failure);
    }
    this.#compaction?.reject(this.#failure);
    this.#options.onFatal(this.#failure);
    return this.#failure;
  }
}
