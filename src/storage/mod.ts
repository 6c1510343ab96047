/** The Raft log on disk: `LogSerializer`, segments, recovery, term and vote, the data directory. */

export { isClusterId } from "./cluster_id.ts";
export {
  DataDirectory,
  type DataDirectoryOptions,
  type Identity,
  readIdentity,
} from "./data_directory.ts";
export { CorruptionError, StorageError, type StorageErrorKind } from "./errors.ts";
export { type IntegrityReport, LogSerializer } from "./log_serializer.ts";
export type { PersistBatch, RaftStorageOptions, StorageOptions } from "./options.ts";
export type { DamagedRange } from "./repair.ts";
export { RaftStorage } from "./raft_storage.ts";
export type { Recovered } from "./start_up.ts";
export {
  type DumpedEntry,
  dumpLog,
  type LogFinding,
  type LogSummary,
  verifyLog,
} from "./inspect.ts";
export {
  checkNoDirectory,
  makeRestoredDirectory,
  type RestoredDirectoryOptions,
} from "./restored_directory.ts";
export { SnapshotReceiver, SnapshotWriter } from "./snapshot_files.ts";
export { decodeManifest, encodeManifest, type SnapshotManifest } from "./snapshot_manifest.ts";
export { type Doubt, SnapshotStore } from "./snapshot_store.ts";
export type { StoredIdentity } from "./identity_format.ts";
export type { StoredState } from "./state_format.ts";
