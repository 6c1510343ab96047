/** What the codecs of messages have in common. */

import { type ByteReader, crc32, DecodeError, LogIndex, putU64, Term } from "../base/mod.ts";
import {
  decodeEntry,
  type EntryId,
  type Envelope,
  type LogEntry,
  type PeerMessage,
} from "../raft/mod.ts";

/** How one kind of message is written and read; `at` is behind the envelope. */
export interface MessageCodec<M extends PeerMessage> {
  readonly type: number;
  /** Length of the fields behind the envelope. */
  readonly ownBytes: number;
  write(message: M, buffer: Uint8Array, at: number): void;
  read(envelope: Envelope, fields: ByteReader, body: Uint8Array): M;
  /** Absent for kinds that have none. */
  readonly body?: BodyCodec<M>;
}

/** The part behind the fields, which grows with what a message carries. */
export interface BodyCodec<M extends PeerMessage> {
  /** Room that the receiver's memory has before the body. */
  readonly leadBytes: number;
  bytes(message: M): number;
  write(message: M, buffer: Uint8Array, at: number): void;
}

/** A codec for each kind of a union of messages. */
export type MessageCodecs<M extends PeerMessage> = {
  readonly [K in M["kind"]]: MessageCodec<Extract<M, { kind: K }>>;
};

/** A body that is the bytes of one property; their checksum is one of the fields. */
export function bytesBody<M extends PeerMessage>(
  bytesOf: (message: M) => Uint8Array,
): BodyCodec<M> {
  return {
    leadBytes: 0,
    bytes: (message) => bytesOf(message).length,
    write: (message, buffer, at) => buffer.set(bytesOf(message), at),
  };
}

/** A body of entries: their records, one after the other. */
export function entriesBody<
  M extends PeerMessage & { readonly entries: readonly LogEntry[] },
>(): BodyCodec<M> {
  return {
    leadBytes: 0,
    bytes: (message) => bytesOfEntries(message.entries),
    write: (message, buffer, at) => putEntries(buffer, at, message.entries),
  };
}

/** Throws `DecodeError` unless the checksum of `body` from `start` on is the one in the fields. */
export function verifyBody(what: string, fields: ByteReader, body: Uint8Array, start = 0): void {
  if (crc32(body, start) !== fields.u32()) {
    throw new DecodeError(`Cannot read ${what}: the payload checksum does not match`);
  }
}

function bytesOfEntries(entries: readonly LogEntry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.record.length;
  return bytes;
}

function putEntries(buffer: Uint8Array, at: number, entries: readonly LogEntry[]): void {
  let next = at;
  for (const { record } of entries) {
    buffer.set(record, next);
    next += record.length;
  }
}

/** `count` records that follow `prev`, or each other where it is not known, and nothing else. */
export function readEntries(
  prev: EntryId | undefined,
  count: number,
  body: Uint8Array,
): LogEntry[] {
  const entries: LogEntry[] = [];
  let at = 0;
  let before = prev;
  for (let i = 0; i < count; i++) {
    const entry = decodeEntry(body, at);
    if (
      before !== undefined && (entry.index !== before.index + 1 || entry.term < before.term)
    ) {
      throw new DecodeError(
        `Cannot read entries: entry ${entry.index} of term ${entry.term} follows ` +
          `entry ${before.index} of term ${before.term}`,
      );
    }
    entries.push(entry);
    at += entry.record.length;
    before = entry;
  }
  if (at !== body.length) {
    throw new DecodeError(`Cannot read entries: ${body.length - at} bytes left over`);
  }
  return entries;
}

export function putEntryId(buffer: Uint8Array, at: number, id: EntryId): void {
  putU64(buffer, at, id.term);
  putU64(buffer, at + 8, id.index);
}

export function readEntryId(fields: ByteReader): EntryId {
  return { term: Term(fields.u64()), index: LogIndex(fields.u64()) };
}

export function readFlag(fields: ByteReader): boolean {
  const byte = fields.u8();
  if (byte > 1) throw new DecodeError(`Cannot read flag: found ${byte}, expected 0 or 1`);
  return byte === 1;
}
