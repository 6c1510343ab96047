/** From the files of a stopped node to a log that can be written and a report of what is there. */

import { assert, type LogIndex, type Term } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import { ENTRY_ID_ZERO, type EntryId, type HardState, type TermRun } from "../raft/mod.ts";
import { readBootstrap } from "./bootstrap_file.ts";
import { type DataDirectory, LOG_DIRECTORY_NAME } from "./data_directory.ts";
import { CorruptionError } from "./errors.ts";
import {
  type FoundConfiguration,
  type RecoveredLog,
  recoverLog,
  segmentPath,
} from "./log_recovery.ts";
import type { LogWriter } from "./log_writer.ts";
import type { StorageOptions } from "./options.ts";
import { damagedIn, type DamagedRange } from "./repair.ts";
import { settle } from "./settle.ts";
import type { SnapshotManifest } from "./snapshot_manifest.ts";
import { matchSnapshot, startOfEmptyLog } from "./snapshot_match.ts";
import type { SnapshotStore } from "./snapshot_store.ts";

/** What was on disk at the start. */
export interface Recovered {
  readonly hardState: HardState;
  /** The newest snapshot that can be used together with the log. */
  readonly snapshot: SnapshotManifest | undefined;
  /** Why the entries up to `logStart` are in no usable snapshot: one must come from a peer. */
  readonly snapshotDamaged: string | undefined;
  /** What the newest snapshot within the log says of the members, whether or not it can be used. */
  readonly snapshotConfiguration: FoundConfiguration | undefined;
  /** The configuration of the first start, when one was saved. */
  readonly bootstrap: Uint8Array | undefined;
  /** The entry before the first one on disk. */
  readonly logStart: EntryId;
  /** The last entry, `logStart` for an empty log. */
  readonly last: EntryId;
  readonly termRuns: readonly TermRun[];
  /** Entries on disk that hold configurations, rising. */
  readonly configurations: readonly FoundConfiguration[];
  /** Entries whose ids are known and that cannot be read: they must come from other members. */
  readonly damaged: readonly DamagedRange[];
  /** Bytes of an unfinished write that were cut off. */
  readonly trimmedBytes: number;
  readonly warnings: readonly string[];
}

export interface StartUpOptions {
  readonly disk: Disk;
  readonly directory: DataDirectory;
  readonly options: StorageOptions;
  readonly snapshots: SnapshotStore;
  /**
   * Whether damaged entries may be left to be repaired, given the newest configuration that can be
   * read: somebody else must have them.
   */
  readonly repairs: (configuration: Uint8Array | undefined) => boolean;
}

interface SnapshotChoice {
  readonly snapshot: SnapshotManifest | undefined;
  readonly damaged: string | undefined;
  readonly resetTo: EntryId | undefined;
}

export async function startUp(
  options: StartUpOptions,
): Promise<{ log: LogWriter; recovered: Recovered }> {
  const { disk, directory, snapshots } = options;
  const { path } = directory;
  const bootstrap = await readBootstrap(disk, path);
  const found = await recoverLog({
    disk,
    path,
    clusterId: directory.identity.clusterId,
    storageCreated: directory.storageCreated,
  });
  let start: EntryId;
  let choice: SnapshotChoice;
  try {
    start = startOf(path, found, snapshots);
    choice = chooseSnapshot(path, found, start, snapshots);
    // What the snapshot has is needed from nobody.
    const needed = found.damage.find(({ hole }) => hole.last > (choice.snapshot?.last.index ?? 0));
    if (needed !== undefined && choice.resetTo === undefined) {
      const newest = found.configurations.at(-1) ?? snapshotConfiguration(snapshots, found.last);
      if (!options.repairs(newest?.payload ?? bootstrap)) throw needed.error;
    }
    await disk.makeDirectory(`${path}/${LOG_DIRECTORY_NAME}`);
  } catch (error) {
    for (const segment of found.segments) await segment.file.close();
    throw error;
  }
  const { resetTo } = choice;
  const { log, state } = await settle({ ...options, start, resetTo }, found);
  const wasReset = resetTo !== undefined;
  const warnings = [
    ...found.warnings,
    ...snapshots.damaged.map(({ last, reason }) => `Cannot use snapshot ${last.index}: ${reason}`),
  ];
  const recovered: Recovered = {
    hardState: state.hardState,
    snapshot: choice.snapshot,
    snapshotDamaged: choice.damaged,
    snapshotConfiguration: snapshotConfiguration(snapshots, log.last),
    bootstrap,
    logStart: log.start,
    last: log.last,
    termRuns: wasReset ? [] : found.terms.toArray(),
    configurations: wasReset ? [] : found.configurations,
    damaged: damagedIn(log.segments),
    trimmedBytes: found.trimmedBytes,
    warnings,
  };
  return { log, recovered };
}

function snapshotConfiguration(
  { manifests, damaged }: SnapshotStore,
  end: EntryId,
): FoundConfiguration | undefined {
  let newest: FoundConfiguration | undefined;
  for (const { last: { index }, configuration } of [...manifests, ...damaged]) {
    if (configuration === undefined || index > end.index) continue;
    if (newest === undefined || index > newest.index) newest = { index, payload: configuration };
  }
  return newest;
}

/** The entry before the log; a log without segments begins behind the snapshot it was reset to. */
function startOf(path: string, found: RecoveredLog, snapshots: SnapshotStore): EntryId {
  if (found.segments.length > 0) return found.segments[0].previous;
  const named = [...snapshots.manifests, ...snapshots.damaged].map(({ last }) => last);
  const start = startOfEmptyLog(found.state?.firstSegment, named);
  if (start !== undefined) return start;
  const first = found.state?.firstSegment;
  assert(first !== undefined, "Cannot miss a snapshot on a first start");
  const reason = `the file is missing, and so is the snapshot of entry ${first - 1}`;
  throw new CorruptionError(segmentPath(path, first), 0, reason);
}

function chooseSnapshot(
  path: string,
  found: RecoveredLog,
  start: EntryId,
  snapshots: SnapshotStore,
): SnapshotChoice {
  const snapshot = snapshots.newest;
  const damage = snapshots.damaged.map(({ reason }) => reason).join("; ");
  if (snapshot === undefined) {
    if (start.index === 0) return { snapshot, damaged: undefined, resetTo: undefined };
    const damaged = `entries 1 to ${start.index} are in no snapshot: ${damage || "found none"}`;
    return { snapshot, damaged, resetTo: undefined };
  }
  const { last } = snapshot;
  const match = matchSnapshot(last, {
    start,
    last: found.segments.length > 0 ? found.last : start,
    termAt: (index: LogIndex): Term =>
      index === start.index ? start.term : found.terms.termAt(index),
  });
  switch (match) {
    case "joined":
      return { snapshot, damaged: undefined, resetTo: undefined };
    case "reset":
      return { snapshot, damaged: undefined, resetTo: last };
    case "gap": {
      const damaged = `entries ${last.index + 1} to ${start.index} are neither in the log nor in ` +
        `a snapshot${damage === "" ? "" : `: ${damage}`}`;
      return { snapshot: undefined, damaged, resetTo: undefined };
    }
    case "contradiction": {
      const reason = `entry ${last.index} has a later term than in the snapshot that covers it`;
      throw new CorruptionError(
        segmentPath(path, found.segments[0]?.first ?? ENTRY_ID_ZERO.index),
        0,
        reason,
      );
    }
  }
}
