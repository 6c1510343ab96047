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
}

/** Measured best between 256 KiB and 4 MiB: as fast as more, with shorter pauses. */
export const PREALLOCATE_BYTES = 1 << 20;
/** No header and record fit in less; a sanity bound, not a recommendation. */
export const SEGMENT_BYTES_MIN = 256;
