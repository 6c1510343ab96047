/** Where the node reports durations and sizes; the admin's metrics implement it. */
export interface NodeObserver {
  /** One sync of the log, in seconds. */
  logSynced(seconds: number): void;
  /** From a batch's first operation joining to its apply, in seconds; what was in it. */
  batchCommitted(seconds: number, commands: number, bytes: number): void;
  /** From asking for a read index to its confirmation, in seconds; the reads that share it. */
  readIndexConfirmed(seconds: number, reads: number): void;
  roleChanged(role: string, term: number): void;
}

/** Counts nothing. */
export const silentObserver: NodeObserver = {
  logSynced() {},
  batchCommitted() {},
  readIndexConfirmed() {},
  roleChanged() {},
};
