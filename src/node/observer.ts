/** Where the node reports durations and sizes; the admin's metrics implement it. */
export interface NodeObserver {
  /** One sync of the log, in seconds. */
  logSynced(seconds: number): void;
  /** From proposing a batch of this node's clients to applying it, in seconds. */
  batchCommitted(seconds: number, commands: number, bytes: number): void;
  /** Writes and reads by family of command (string, hash, …). */
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
