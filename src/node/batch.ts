/** The writes of this node's clients that travel together as one log entry (architecture D3). */

import { BatchBuilder, type BatchId } from "../machine/mod.ts";
import { RECORD_HEADER_BYTES } from "../raft/mod.ts";
import type { Operation } from "./operation.ts";

/**
 * Open while operations join it, then sealed with its sequence. `operations[i]` is answered by
 * operation i of the payload; undefined for work that no client waits for.
 */
export class Batch {
  readonly openedAtMs: number;
  operations: (Operation | undefined)[] = [];
  builder: BatchBuilder | undefined = new BatchBuilder(RECORD_HEADER_BYTES);
  sequence = 0;
  /** Room for the record's header, then the payload; empty while open. */
  record: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** When it last left for a leader; undefined when it never did. */
  sentAtMs: number | undefined;
  /** The local log took over the bytes of `record`: they must not change any more. */
  recordInLog = false;
  /** Its clients were told that it failed; its sequence is kept with an empty payload. */
  abandoned = false;
  /** Applied, or failed before it had a sequence: nothing more will come of it. */
  finished = false;

  constructor(openedAtMs: number) {
    this.openedAtMs = openedAtMs;
  }

  get bytes(): number {
    return this.builder?.bytes ?? this.record.length;
  }

  /** Closes the batch under its sequence. */
  seal(id: BatchId): void {
    this.sequence = id.sequence;
    this.record = this.builder!.finish(id);
    this.builder = undefined;
  }

  /**
   * Nobody waits for it any more. Its sequence must still be applied, or no later one could be, so it
   * goes on without operations; if the full payload is in a log already, whichever commits first
   * counts.
   */
  abandon(id: BatchId): void {
    this.abandoned = true;
    this.operations = [];
    this.record = new BatchBuilder(RECORD_HEADER_BYTES).finish(id);
    this.recordInLog = false;
  }
}
