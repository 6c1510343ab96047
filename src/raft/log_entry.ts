/**
 * A log entry and its one byte format (architecture D2): the same bytes on disk, in memory and on
 * the wire. Whoever receives a record verifies both checksums before using it.
 *
 * ```
 * offset size
 *      0    4  header checksum: CRC-32 of bytes 4 to 31
 *      4    4  payload checksum: CRC-32 of the payload
 *      8    4  payload length in bytes
 *     12    1  format version, 1
 *     13    1  kind: 0 no-op, 1 command, 2 configuration
 *     14    2  zero
 *     16    8  term
 *     24    8  index
 *     32    …  payload
 * ```
 * Little-endian. The header has a checksum of its own so that an entry whose payload is damaged is
 * still known by term and index, and so that its length can be trusted.
 */

import {
  ByteReader,
  crc32,
  DecodeError,
  getU32,
  LogIndex,
  NEWER_RELEASE_ADVICE,
  NewerFormatError,
  putU32,
  putU64,
  Term,
} from "../base/mod.ts";

export const RECORD_HEADER_BYTES = 32;
export const RECORD_VERSION = 1;

/** What an entry carries: nothing (first of a term), a command for the machine, or the members. */
export type EntryKind = "noop" | "command" | "configuration";

const KINDS: readonly EntryKind[] = ["noop", "command", "configuration"];

/** Names one entry of one history: equal ids mean equal entries and equal prefixes (§3.5). */
export interface EntryId {
  readonly term: Term;
  readonly index: LogIndex;
}

/** The position before the first entry. */
export const ENTRY_ID_ZERO: EntryId = { term: Term(0), index: LogIndex(0) };

/** One entry of the Raft log. `record` is never changed once the entry exists. */
export interface LogEntry extends EntryId {
  readonly kind: EntryKind;
  /** Header and payload, as on disk and on the wire. */
  readonly record: Uint8Array;
}

/** The payload of an entry: a view, not a copy. */
export function commandOf(entry: LogEntry): Uint8Array {
  return entry.record.subarray(RECORD_HEADER_BYTES);
}

/** The checksum of an entry's payload, as its record has it. */
export function payloadChecksumOf(entry: LogEntry): number {
  return getU32(entry.record, 4);
}

/** A buffer for `sealEntry`: room for the header, then a copy of `payload`. */
export function recordWithPayload(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  return record;
}

/**
 * Fills in the header of `record`, whose payload starts at `RECORD_HEADER_BYTES`, and makes it an
 * entry. The buffer belongs to the entry from then on.
 */
export function sealEntry(
  record: Uint8Array,
  kind: EntryKind,
  term: Term,
  index: LogIndex,
): LogEntry {
  putU32(record, 4, crc32(record, RECORD_HEADER_BYTES));
  putU32(record, 8, record.length - RECORD_HEADER_BYTES);
  record[12] = RECORD_VERSION;
  record[13] = KINDS.indexOf(kind);
  record[14] = 0;
  record[15] = 0;
  putU64(record, 16, term);
  putU64(record, 24, index);
  putU32(record, 0, crc32(record, 4, RECORD_HEADER_BYTES));
  return { term, index, kind, record };
}

/** What a header says, its own checksum verified, the payload not looked at. */
export interface RecordHeader extends EntryId {
  readonly kind: EntryKind;
  readonly payloadChecksum: number;
  readonly payloadBytes: number;
}

/**
 * Reads and verifies the header at `at`. Throws `DecodeError` when it is short or damaged,
 * `NewerFormatError` when it is whole and of a later release.
 */
export function readRecordHeader(buffer: Uint8Array, at = 0, end = buffer.length): RecordHeader {
  if (end - at < RECORD_HEADER_BYTES) {
    throw new DecodeError(
      `Cannot read record header: found ${end - at} bytes, expected ${RECORD_HEADER_BYTES}`,
    );
  }
  if (getU32(buffer, at) !== crc32(buffer, at + 4, at + RECORD_HEADER_BYTES)) {
    throw new DecodeError("Cannot read record: the header checksum does not match");
  }
  const version = buffer[at + 12];
  if (version !== RECORD_VERSION) {
    const reason = `its format version is ${version}, expected ${RECORD_VERSION}`;
    if (version < RECORD_VERSION) throw new DecodeError(`Cannot read record: ${reason}`);
    throw new NewerFormatError(`Cannot read record: ${reason}; ${NEWER_RELEASE_ADVICE}`);
  }
  const kind = KINDS[buffer[at + 13]];
  if (kind === undefined) {
    // The header is whole: whoever wrote it knows kinds that this release does not.
    throw new NewerFormatError(
      `Cannot read record: ${buffer[at + 13]} is no kind of entry; ${NEWER_RELEASE_ADVICE}`,
    );
  }
  const reader = new ByteReader(buffer, at + 16, end);
  return {
    kind,
    payloadChecksum: getU32(buffer, at + 4),
    payloadBytes: getU32(buffer, at + 8),
    term: Term(reader.u64()),
    index: LogIndex(reader.u64()),
  };
}

/**
 * Decodes and verifies the record at `at`; the entry's record is a view of `buffer`, so copy the
 * buffer first if it will change. Throws `DecodeError` when anything is short or damaged.
 */
export function decodeEntry(buffer: Uint8Array, at = 0, end = buffer.length): LogEntry {
  const header = readRecordHeader(buffer, at, end);
  const recordEnd = at + RECORD_HEADER_BYTES + header.payloadBytes;
  if (recordEnd > end) {
    throw new DecodeError(
      `Cannot read entry ${header.index}: found ${end - at} bytes, expected ${recordEnd - at}`,
    );
  }
  if (crc32(buffer, at + RECORD_HEADER_BYTES, recordEnd) !== header.payloadChecksum) {
    throw new DecodeError(`Cannot read entry ${header.index}: the payload checksum does not match`);
  }
  return {
    term: header.term,
    index: header.index,
    kind: header.kind,
    record: buffer.subarray(at, recordEnd),
  };
}
