/**
 * The public codec of log entries: many entries to one buffer and back, and a check of a buffer
 * without decoding it. The bytes are the records of raft/log_entry.ts, back to back, so what one
 * layer wrote any other can read. Pure.
 */

import { assert, crc32, DecodeError } from "../base/mod.ts";
import {
  decodeEntry,
  type EntryId,
  type LogEntry,
  readRecordHeader,
  RECORD_HEADER_BYTES,
} from "../raft/mod.ts";

/** What a check of a buffer found. */
export interface IntegrityReport {
  /** Whole records before `bad`, or in all of the buffer. */
  readonly records: number;
  /** Their bytes: where the next record would start. */
  readonly bytes: number;
  readonly first: EntryId | undefined;
  readonly last: EntryId | undefined;
  /** The first place that is no valid record, or does not follow the one before. */
  readonly bad: { readonly offset: number; readonly reason: string } | undefined;
}

export class LogSerializer {
  /** Bytes that `serialize` needs for `entries`. */
  bytesOf(entries: readonly LogEntry[]): number {
    let bytes = 0;
    for (let at = 0; at < entries.length; at++) bytes += entries[at].record.length;
    return bytes;
  }

  /** All entries in one new buffer. They must be consecutive. */
  serialize(entries: readonly LogEntry[]): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(this.bytesOf(entries));
    this.serializeInto(entries, buffer, 0);
    return buffer;
  }

  /** Like `serialize`, at `at` of a buffer with room enough; returns where the bytes end. */
  serializeInto(entries: readonly LogEntry[], buffer: Uint8Array, at: number): number {
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index];
      assert(
        index === 0 || entry.index === entries[index - 1].index + 1,
        `Cannot serialize entry ${entry.index} after entry ${entries[index - 1]?.index}`,
      );
      buffer.set(entry.record, at);
      at += entry.record.length;
    }
    return at;
  }

  /**
   * All entries of a buffer that holds nothing else; their records are views of it. Throws
   * `DecodeError` when anything is short, damaged or out of order.
   */
  deserialize(buffer: Uint8Array): LogEntry[] {
    const entries: LogEntry[] = [];
    let at = 0;
    let last: EntryId | undefined;
    while (at < buffer.length) {
      const entry = decodeEntry(buffer, at);
      const problem = orderProblem(last, entry);
      if (problem !== undefined) {
        throw new DecodeError(`Cannot read the record at ${at}: ${problem}`);
      }
      entries.push(entry);
      last = entry;
      at += entry.record.length;
    }
    return entries;
  }

  /** Checks every record: checksums, consecutive indices, terms that do not fall. Never throws. */
  verify(buffer: Uint8Array): IntegrityReport {
    let records = 0;
    let at = 0;
    let first: EntryId | undefined;
    let last: EntryId | undefined;
    while (at < buffer.length) {
      const found = checkRecord(buffer, at, buffer.length);
      const problem = found.reason ?? orderProblem(last, found.id);
      if (problem !== undefined) {
        return { records, bytes: at, first, last, bad: { offset: at, reason: problem } };
      }
      records++;
      last = found.id;
      first ??= found.id;
      at += found.bytes;
    }
    return { records, bytes: at, first, last, bad: undefined };
  }
}

/** Why `next` cannot follow `last`; undefined when it can, or when nothing came before. */
export function orderProblem(last: EntryId | undefined, next: EntryId): string | undefined {
  if (last === undefined) return undefined;
  if (next.index !== last.index + 1) {
    return `found entry ${next.index}, expected entry ${last.index + 1}`;
  }
  if (next.term < last.term) {
    return `entry ${next.index} has term ${next.term}, expected ${last.term} or higher`;
  }
  return undefined;
}

/** A log that falls back in index or term could not be recovered: asserts that none is written. */
export function checkOrder(last: EntryId, batches: readonly (readonly LogEntry[])[]): void {
  let { term, index } = last;
  for (const entries of batches) {
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at];
      if (entry.index !== index + 1 || entry.term < term) {
        assert(
          false,
          `Cannot append entry ${entry.index} of term ${entry.term}: the log ends with entry ` +
            `${index} of term ${term}`,
        );
      }
      ({ term, index } = entry);
    }
  }
}

type CheckedRecord =
  | { readonly reason: undefined; readonly id: EntryId; readonly bytes: number }
  | { readonly reason: string; readonly id: EntryId; readonly bytes: number };

const NO_ID = { term: 0, index: 0 } as EntryId;

function checkRecord(buffer: Uint8Array, at: number, end: number): CheckedRecord {
  let header;
  try {
    header = readRecordHeader(buffer, at, end);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { reason: error.message, id: NO_ID, bytes: 0 };
  }
  const bytes = RECORD_HEADER_BYTES + header.payloadBytes;
  if (bytes > end - at) {
    const reason = `entry ${header.index} is cut short: found ${end - at} bytes, expected ${bytes}`;
    return { reason, id: header, bytes };
  }
  if (crc32(buffer, at + RECORD_HEADER_BYTES, at + bytes) !== header.payloadChecksum) {
    const reason = `the payload checksum of entry ${header.index} does not match`;
    return { reason, id: header, bytes };
  }
  return { reason: undefined, id: { term: header.term, index: header.index }, bytes };
}
