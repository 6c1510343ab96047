/**
 * The bytes of a slot of `persist-record`: how much of the log was durable, and with which entry
 * that ends. Pure.
 */

import { LogIndex, putU32, putU64, Term } from "../base/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import { type BlockResult, magicOf, openBlock, sealBlock } from "./checked_block.ts";

const MAGIC = magicOf("LBPR");
const VERSION = 1;
export const PERSIST_RECORD_BYTES = 56;

export interface PersistRecord {
  /** Rises with every write. */
  readonly version: number;
  /** What ties it to its segment, as marks: the checksum of the segment's header. */
  readonly markSeed: number;
  /** First index of the segment; 0: nothing is said. */
  readonly segment: LogIndex;
  /** Everything before this position of the segment is durable. */
  readonly durableBytes: number;
  /** The entry that ends there, or the one before the segment. */
  readonly last: EntryId;
}

/** Layout: frame, seed (4), version, segment, durable bytes, last term, last index (8 each). */
export function encodePersistRecord(record: PersistRecord): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(PERSIST_RECORD_BYTES);
  putU32(block, 12, record.markSeed);
  putU64(block, 16, record.version);
  putU64(block, 24, record.segment);
  putU64(block, 32, record.durableBytes);
  putU64(block, 40, record.last.term);
  putU64(block, 48, record.last.index);
  sealBlock(block, MAGIC, VERSION);
  return block;
}

export function decodePersistRecord(block: Uint8Array): BlockResult<PersistRecord> {
  const expected = { magic: MAGIC, version: VERSION, bytes: PERSIST_RECORD_BYTES };
  return openBlock(block, expected, (fields) => ({
    markSeed: fields.u32(),
    version: fields.u64(),
    segment: LogIndex(fields.u64()),
    durableBytes: fields.u64(),
    last: { term: Term(fields.u64()), index: LogIndex(fields.u64()) },
  }));
}
