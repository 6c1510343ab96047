/**
 * The payload of a command entry: the writes that one node gathered, in order (architecture D3, D4).
 *
 * ```
 * offset size
 *      0    8  stamp: the leader's clock, ms since 1970; 0 until the leader fills it in
 *      8    4  origin: the node that the clients are on
 *     12    4  number of operations
 *     16    8  incarnation of the origin's process
 *     24    8  sequence: 1, 2, 3 … of that incarnation
 *     32    …  operations, back to back
 * ```
 * An operation starts with one byte:
 *
 * - 0 to 15: the database, then one command as a RESP array of bulk strings;
 * - `TRANSACTION`: a 32-bit count, then that many commands, each with its database before it;
 * - `REMOVE_EXPIRED`: the database, a 32-bit length, a key to remove if its deadline has passed;
 * - `MARK`: nothing happens; moves the machine's clock to the stamp and marks a position.
 *
 * Little-endian. The record around it has the checksum.
 */

import { assert, ByteReader, ByteWriter, getU32, getU64, putU32, putU64 } from "../base/mod.ts";
import type { Request } from "../resp/mod.ts";

export const BATCH_HEADER_BYTES = 32;
export const TRANSACTION = 0xfe;
export const REMOVE_EXPIRED = 0xfd;
export const MARK = 0xfc;

/** Whose batch it is, and which one. */
export interface BatchId {
  readonly origin: number;
  readonly incarnation: number;
  readonly sequence: number;
}

/** One command of a transaction and the database it runs in. */
export interface TransactionItem {
  readonly db: number;
  /** Owned by the transaction: a copy. */
  readonly request: Request;
}

/** Collects operations into one buffer that becomes the log record without another copy. */
export class BatchBuilder {
  readonly #writer: ByteWriter;
  readonly #start: number;
  #count = 0;

  /** Leaves `headroomBytes` free before the payload, for the header of the record. */
  constructor(headroomBytes: number, capacityBytes = 1024) {
    this.#writer = new ByteWriter(Math.max(capacityBytes, headroomBytes + BATCH_HEADER_BYTES));
    this.#start = headroomBytes;
    this.#writer.reserve(headroomBytes + BATCH_HEADER_BYTES);
  }

  get operations(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#writer.length;
  }

  /** All of these copy what they need and return the position of the operation in the batch. */
  command(db: number, request: Request): number {
    this.#writer.u8(db);
    request.writeTo(this.#writer);
    return this.#count++;
  }

  transaction(items: readonly TransactionItem[]): number {
    this.#writer.u8(TRANSACTION);
    this.#writer.u32(items.length);
    for (const item of items) {
      this.#writer.u8(item.db);
      item.request.writeTo(this.#writer);
    }
    return this.#count++;
  }

  removeExpired(db: number, key: string): number {
    this.#writer.u8(REMOVE_EXPIRED);
    this.#writer.u8(db);
    this.#writer.u32(key.length);
    this.#writer.latin1(key);
    return this.#count++;
  }

  mark(): number {
    this.#writer.u8(MARK);
    return this.#count++;
  }

  /** Headroom and payload, now the caller's; the builder must not be used again. */
  finish(id: BatchId): Uint8Array<ArrayBuffer> {
    const buffer = this.#writer.buffer;
    const at = this.#start;
    putU64(buffer, at, 0);
    putU32(buffer, at + 8, id.origin);
    putU32(buffer, at + 12, this.#count);
    putU64(buffer, at + 16, id.incarnation);
    putU64(buffer, at + 24, id.sequence);
    return this.#writer.view();
  }
}

/** Fills in the leader's clock; `record` has the payload at `headroomBytes`. */
export function stampBatch(record: Uint8Array, headroomBytes: number, stampMs: number): void {
  assert(
    record.length >= headroomBytes + BATCH_HEADER_BYTES,
    `Cannot stamp a batch of ${record.length - headroomBytes} bytes`,
  );
  putU64(record, headroomBytes, stampMs);
}

/** A batch's header and where its operations are. */
export interface BatchHeader extends BatchId {
  readonly stampMs: number;
  readonly operations: number;
}

/** Reads the header of a payload. Throws `DecodeError` when it is too short. */
export function readBatchHeader(payload: Uint8Array, at = 0): BatchHeader {
  new ByteReader(payload, at).bytes(BATCH_HEADER_BYTES);
  return {
    stampMs: getU64(payload, at),
    origin: getU32(payload, at + 8),
    operations: getU32(payload, at + 12),
    incarnation: getU64(payload, at + 16),
    sequence: getU64(payload, at + 24),
  };
}
