/** What can go wrong between the Raft log and the disk, as one class with a kind to switch on. */

import type { LogIndex } from "../base/mod.ts";

/** What an operator does when only a fresh copy of the data can help. */
export const REJOIN_ADVICE =
  "Do not repair this by hand. Keep a copy of the directory. In a cluster let a new node take the " +
  "place of this one, with an empty data directory: logboat serve --join HOST:PORT --replace ID. " +
  "A node without others: logboat restore FILE, with a backup or the newest snapshot in it";

export type StorageErrorKind =
  /** Another process, or this one, has the data directory open. */
  | "locked"
  | "wrongNode"
  | "wrongCluster"
  /** Written by a later release. */
  | "newerFormat"
  /** A file beside the log cannot be trusted. */
  | "damaged"
  /** The data directory is no directory, or may not be written. */
  | "notWritable"
  /** A symbolic link or a special file where a plain file belongs. */
  | "unsafePath"
  /** No data directory where one is expected. */
  | "notFound"
  /** Something where a new data directory is to be made. */
  | "notEmpty"
  /** Term and vote are lost: the node must not vote again under its id. */
  | "stateLost"
  /** The log has damage that is no torn tail; always a `CorruptionError`. */
  | "corrupt"
  /** No space: nothing changed, the same call may be made again later. */
  | "full"
  /** A write or sync failed: the storage takes nothing more until the process starts again. */
  | "failed"
  | "closed";

export class StorageError extends Error {
  override readonly name: string = "StorageError";
  readonly kind: StorageErrorKind;

  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

/** Damage that a crash cannot explain, with its place. Nothing was modified. */
export class CorruptionError extends StorageError {
  override readonly name = "CorruptionError";
  readonly file: string;
  /** Byte position in `file`. */
  readonly offset: number;
  readonly reason: string;
  /** The entry that cannot be read, where that is known. */
  readonly index: LogIndex | undefined;

  constructor(file: string, offset: number, reason: string, index?: LogIndex) {
    super(
      "corrupt",
      `Cannot use the log: ${file} is damaged at byte ${offset}: ${reason}. ${REJOIN_ADVICE}.`,
    );
    this.file = file;
    this.offset = offset;
    this.reason = reason;
    this.index = index;
  }
}
