/**
 * Takes this node's snapshots (architecture D8): walks the machine in slices while entries are
 * applied, writes beside the finished snapshots, and gives up the log that two snapshots cover. The
 * part behind the older of the two stays: followers that are a little behind find their entries
 * there, and so does this node should the newer snapshot turn out to be damaged.
 *
 * One at a time. A disk without room costs the attempt, not the older snapshots.
 */

import { type Logger, type LogIndex } from "../base/mod.ts";
import type { SnapshotWalk } from "../machine/mod.ts";
import { type Clock, PlatformError } from "../platform/mod.ts";
import { encodeConfiguration, type EntryId } from "../raft/mod.ts";
import {
  type RaftStorage,
  type SnapshotManifest,
  type SnapshotWriter,
  StorageError,
} from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import type { Replica } from "./replica.ts";

export interface SnapshotTakerOptions {
  readonly replica: Replica;
  readonly storage: RaftStorage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  /** A snapshot is due when so many bytes of log were applied since the last one. */
  readonly logBytes: number;
  /** Whether somebody reads an older snapshot than the newest: a third would remove it. */
  readonly isOlderInUse: () => boolean;
  /** Why the state of this node must not be in a snapshot. */
  readonly distrusted: () => string | undefined;
  /** Whether a snapshot of a peer waits to become this node's: no other one may come before. */
  readonly isInstalling: () => boolean;
  /** The log begins behind `start` now. */
  readonly onCompacted: (start: EntryId) => void;
  /** A write or sync of a snapshot failed: what the disk holds is not certain. */
  readonly onDiskFailed: (error: unknown) => void;
}

/** Walking pauses after this time, so that clients and heartbeats have their turn. */
const SLICE_MS = 2;
const PIECE_BYTES = 1 << 16;
/** After a failed attempt the next one waits so long. */
const RETRY_MS = 30_000;
/** A snapshot in use puts the next one off until the log is so many times as long as usual. */
const PUT_OFF_MAX = 4;

export type TakenSnapshot =
  | { readonly kind: "done"; readonly manifest: SnapshotManifest }
  | { readonly kind: "refused"; readonly text: string };

export class SnapshotTaker {
  readonly #options: SnapshotTakerOptions;
  /** `bytesApplied` of the replica at the last snapshot, or at the start. */
  #bytesBefore: number;
  #retryAtMs = -Infinity;
  #failed = false;
  #taking: Promise<TakenSnapshot> | undefined;
  #walk: SnapshotWalk | undefined;
  #stopped = false;

  constructor(options: SnapshotTakerOptions) {
    this.#options = options;
    this.#bytesBefore = options.replica.bytesApplied;
  }

  /** Whether one is being taken. */
  get isTaking(): boolean {
    return this.#taking !== undefined;
  }

  /** Starts a snapshot when one is due; called after entries were applied. */
  maybeStart(): void {
    const { replica, logBytes, clock, isOlderInUse } = this.#options;
    const bytes = replica.bytesApplied - this.#bytesBefore;
    if (bytes < logBytes || this.#taking !== undefined) return;
    if (clock.nowMs() < this.#retryAtMs) return;
    if (bytes < logBytes * PUT_OFF_MAX && isOlderInUse()) return;
    if (this.#isNew && this.#options.distrusted() === undefined) void this.take();
  }

  /** Takes one of what is applied now, or answers with the one that has exactly that. */
  async take(): Promise<TakenSnapshot> {
    while (this.#taking !== undefined) await this.#taking;
    const { replica, storage, distrusted } = this.#options;
    if (this.#stopped) return refused("the node is stopping");
    const wrong = distrusted();
    if (wrong !== undefined) return refused(wrong);
    if (this.#options.isInstalling()) {
      return refused("the node takes over a snapshot of the leader; try again in a moment");
    }
    if (replica.configuration.members.length === 0) {
      return refused("this node does not know yet who the members are; try again when it does");
    }
    const { newest } = storage.snapshots;
    if (!this.#isNew) {
      return newest === undefined
        ? refused("nothing has been written yet")
        : { kind: "done", manifest: newest };
    }
    this.#taking = this.#take();
    try {
      return await this.#taking;
    } finally {
      this.#taking = undefined;
    }
  }

  /** A snapshot of a peer took the machine's place: what is being taken is of no use. */
  replaced(): void {
    this.#bytesBefore = this.#options.replica.bytesApplied;
    this.#walk = undefined;
  }

  /** Ends what is under way; the unfinished file is removed at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#taking;
  }

  get #isNew(): boolean {
    const { replica, storage } = this.#options;
    return replica.appliedIndex > (storage.snapshots.newest?.last.index ?? 0) &&
      replica.configuration.members.length > 0;
  }

  async #take(): Promise<TakenSnapshot> {
    const { replica, storage, clock, logger, counters } = this.#options;
    const last = replica.applied;
    const configuration = encodeConfiguration(replica.configuration);
    const bytesBefore = replica.bytesApplied;
    const startMs = clock.nowMs();
    const walk = replica.machine.beginSnapshot({ last, configuration });
    this.#walk = walk;
    let writer: SnapshotWriter | undefined;
    try {
      writer = await storage.snapshots.create(last, configuration);
      if (!await this.#write(walk, writer)) {
        await writer.abandon();
        const why = this.#options.distrusted();
        return refused(why ?? "the node took over a newer snapshot, or is stopping");
      }
      const manifest = await writer.finish();
      this.#bytesBefore = bytesBefore;
      const seconds = (clock.nowMs() - startMs) / 1000;
      counters.snapshotsTaken++;
      logger.info("took a snapshot", { index: last.index, bytes: manifest.bytes, seconds });
      this.#failed = false;
      await this.#compact();
      return { kind: "done", manifest };
    } catch (error) {
      return this.#abandoned(error);
    } finally {
      walk.abandon();
      this.#walk = undefined;
    }
  }

  /** False when the walk lost its point before its end, or has seen a wrong state. */
  async #write(walk: SnapshotWalk, writer: SnapshotWriter): Promise<boolean> {
    const { clock, distrusted } = this.#options;
    let ended = false;
    while (!ended) {
      if (this.#stopped || this.#walk !== walk || distrusted() !== undefined) return false;
      const endMs = clock.nowMs() + SLICE_MS;
      do {
        const piece = walk.next(PIECE_BYTES);
        ended = piece === undefined;
        if (piece !== undefined) await writer.write(piece);
      } while (!ended && this.#walk === walk && clock.nowMs() < endMs);
      await new Promise<void>((resolve) => clock.afterInput(resolve));
    }
    await writer.seal();
    return this.#walk === walk && distrusted() === undefined;
  }

  #abandoned(error: unknown): TakenSnapshot {
    const { clock, logger, counters, onDiskFailed } = this.#options;
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof PlatformError) {
      onDiskFailed(error);
      return refused(text);
    }
    if (!(error instanceof StorageError)) throw error;
    if (error.kind !== "full") return refused(text);
    counters.snapshotsFailed++;
    this.#retryAtMs = clock.nowMs() + RETRY_MS;
    if (!this.#failed) {
      logger.warn("abandoned a snapshot; the older one stays, and another is tried later", {
        why: text,
        retryMs: RETRY_MS,
      });
    }
    this.#failed = true;
    return refused(text);
  }

  /** Gives up the log that the older of the kept snapshots covers. */
  async #compact(): Promise<void> {
    const { storage, onCompacted } = this.#options;
    const { manifests } = storage.snapshots;
    const older: LogIndex | undefined = manifests.at(-2)?.last.index;
    if (older === undefined || this.#stopped) return;
    const before = storage.firstIndex;
    const start = await storage.compact(older);
    // A snapshot of a peer may have taken the log's place meanwhile.
    if (start.index > older) return;
    if (storage.firstIndex > before) onCompacted(start);
  }
}

function refused(text: string): TakenSnapshot {
  return { kind: "refused", text };
}
