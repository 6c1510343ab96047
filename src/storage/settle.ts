/** Carries out what recovery decided, and makes all of it durable. */

import { LogIndex, Term } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import { type DataDirectory, LOG_DIRECTORY_NAME } from "./data_directory.ts";
import type { RecoveredLog } from "./log_recovery.ts";
import { LogWriter } from "./log_writer.ts";
import { PersistRecordFile } from "./persistence_file.ts";
import { PREALLOCATE_BYTES, type StorageOptions } from "./options.ts";
import { repairLog } from "./repair.ts";
import { STATE_NAMES, StateFiles, type StateName } from "./state_files.ts";
import type { StoredState } from "./state_format.ts";

export interface SettleOptions {
  readonly disk: Disk;
  readonly directory: DataDirectory;
  readonly options: StorageOptions;
  /** The entry before a log without segments. */
  readonly start: EntryId;
  /** The log is of no use beside the newest snapshot: begin it anew behind this entry. */
  readonly resetTo: EntryId | undefined;
}

export async function settle(
  options: SettleOptions,
  found: RecoveredLog,
): Promise<{ log: LogWriter; state: StoredState }> {
  const { disk, directory, start } = options;
  const { path, identity } = directory;
  for (const file of found.remove) await disk.remove(file);
  if (found.remove.length > 0) await disk.syncDirectory(`${path}/${LOG_DIRECTORY_NAME}`);
  const tail = found.segments.at(-1);
  const state: StoredState = {
    clusterId: identity.clusterId,
    nodeId: identity.nodeId,
    version: (found.state?.version ?? 0) + 1,
    hardState: found.state?.hardState ?? { term: Term(0), votedFor: undefined },
    firstSegment: found.segments.at(0)?.first ?? LogIndex(start.index + 1),
    lastSegment: tail?.first ?? LogIndex(0),
  };
  const stateFiles = await StateFiles.open(disk, path);
  const persistRecord = await PersistRecordFile.open(disk, path, found.persistRecord);
  const log = new LogWriter({
    disk,
    path,
    segments: found.segments,
    terms: found.terms,
    stateFiles,
    persistRecord,
    state,
    segmentBytes: options.options.segmentBytes,
    preallocateBytes: options.options.preallocateBytes ?? PREALLOCATE_BYTES,
  });
  try {
    for (const { segment, header } of found.headers) await segment.file.write(header, 0);
    for (const segment of found.segments) {
      // Ends a cut within a hole that a crash interrupted.
      if (segment.holes.some(({ hasRemains }) => hasRemains)) await segment.trim();
      // What a killed process has repaired was read well, and may be in the cache alone.
      await segment.file.sync();
    }
    // Places without entries need nobody else.
    await repairLog(found.segments, []);
    if (tail !== undefined) await log.settleTail(found.trimmedBytes > 0);
    await stateFiles.rewrite(state, oldestCopy(found));
    await disk.syncDirectory(path);
    await persistRecord.sync();
    if (tail === undefined) {
      await persistRecord.clear();
      await log.begin(start);
    }
    if (options.resetTo !== undefined) await log.reset(options.resetTo);
    else if (tail?.holeAtEnd !== undefined) {
      // Nothing more is written behind a hole of which nobody knows for certain how long it is.
      await log.roll();
      tail.openHole(tail.holeAtEnd);
    }
  } catch (error) {
    await log.close();
    throw error;
  }
  return { log, state };
}

/** The copy that may be overwritten first: the other one holds the newest state. */
function oldestCopy(found: RecoveredLog): StateName {
  const newest = found.copies.find(({ state }) => state !== undefined && state === found.state);
  return newest?.name === STATE_NAMES[0] ? STATE_NAMES[1] : STATE_NAMES[0];
}
