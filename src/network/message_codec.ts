/**
 * Every message as a frame. All messages have fields of a fixed length: sender (4 bytes), receiver
 * (4), term (8), then their own. Entries travel as the records that the sender holds, byte for byte
 * (architecture D2). A type keeps its number for ever.
 */

import {
  assert,
  ByteReader,
  crc32,
  DecodeError,
  LogIndex,
  type NodeId,
  putU32,
  putU64,
  Term,
} from "../base/mod.ts";
import type { OutputBuffer } from "../platform/mod.ts";
import {
  decodeEntry,
  type EntryId,
  type LogEntry,
  type PeerMessage,
  RECORD_HEADER_BYTES,
} from "../raft/mod.ts";
import { type Frame, FRAME_HEAD_BYTES, openFrame, sealFrame } from "./frame.ts";

const ENVELOPE_BYTES = 16;

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** How one kind of message is written and read; `at` is behind the envelope. */
interface MessageCodec<M extends PeerMessage> {
  readonly type: number;
  /** Length of the fields behind the envelope. */
  readonly ownBytes: number;
  write(message: M, buffer: Uint8Array, at: number): void;
  read(envelope: Envelope, fields: ByteReader, body: Uint8Array): M;
}

type Kind = PeerMessage["kind"];
type MessageOf<K extends Kind> = Extract<PeerMessage, { kind: K }>;

const CODECS: { readonly [K in Kind]: MessageCodec<MessageOf<K>> } = {
  requestVote: {
    type: 1,
    ownBytes: 18,
    write(message, buffer, at) {
      buffer[at] = Number(message.preVote);
      buffer[at + 1] = Number(message.transfer);
      putEntryId(buffer, at + 2, message.last);
    },
    read: ({ from, to, term }, fields) => ({
      kind: "requestVote",
      from,
      to,
      term,
      preVote: readFlag(fields),
      transfer: readFlag(fields),
      last: readEntryId(fields),
    }),
  },
  requestVoteReply: {
    type: 2,
    ownBytes: 2,
    write(message, buffer, at) {
      buffer[at] = Number(message.preVote);
      buffer[at + 1] = Number(message.granted);
    },
    read: ({ from, to, term }, fields) => ({
      kind: "requestVoteReply",
      from,
      to,
      term,
      preVote: readFlag(fields),
      granted: readFlag(fields),
    }),
  },
  appendEntries: {
    type: 3,
    ownBytes: 28,
    write(message, buffer, at) {
      putEntryId(buffer, at, message.prev);
      putU64(buffer, at + 16, message.commitIndex);
      putU32(buffer, at + 24, message.entries.length);
    },
    read({ from, to, term }, fields, body) {
      const prev = readEntryId(fields);
      const commitIndex = LogIndex(fields.u64());
      const entries = readEntries(prev, fields.u32(), body);
      return { kind: "appendEntries", from, to, term, prev, entries, commitIndex };
    },
  },
  appendEntriesReply: {
    type: 4,
    ownBytes: 25,
    write(message, buffer, at) {
      putU64(buffer, at, message.index);
      buffer[at + 8] = Number(message.conflict !== undefined);
      putEntryId(buffer, at + 9, message.conflict ?? NO_ENTRY);
    },
    read({ from, to, term }, fields) {
      const index = LogIndex(fields.u64());
      const rejected = readFlag(fields);
      const conflict = readEntryId(fields);
      return rejected
        ? { kind: "appendEntriesReply", from, to, term, index, conflict }
        : { kind: "appendEntriesReply", from, to, term, index };
    },
  },
  heartbeat: {
    type: 5,
    ownBytes: 17,
    write(message, buffer, at) {
      putU64(buffer, at, message.commitIndex);
      putU64(buffer, at + 8, message.readRound);
      buffer[at + 16] = Number(message.wantsReply);
    },
    read: ({ from, to, term }, fields) => ({
      kind: "heartbeat",
      from,
      to,
      term,
      commitIndex: LogIndex(fields.u64()),
      readRound: fields.u64(),
      wantsReply: readFlag(fields),
    }),
  },
  heartbeatReply: {
    type: 6,
    ownBytes: 8,
    write: (message, buffer, at) => putU64(buffer, at, message.readRound),
    read: ({ from, to, term }, fields) => ({
      kind: "heartbeatReply",
      from,
      to,
      term,
      readRound: fields.u64(),
    }),
  },
  readIndex: {
    type: 7,
    ownBytes: 8,
    write: (message, buffer, at) => putU64(buffer, at, message.readId),
    read: ({ from, to, term }, fields) => ({
      kind: "readIndex",
      from,
      to,
      term,
      readId: fields.u64(),
    }),
  },
  readIndexReply: {
    type: 8,
    ownBytes: 25,
    write(message, buffer, at) {
      putU64(buffer, at, message.readId);
      putU64(buffer, at + 8, message.clockMs);
      buffer[at + 16] = Number(message.index !== undefined);
      putU64(buffer, at + 17, message.index ?? 0);
    },
    read({ from, to, term }, fields) {
      const readId = fields.u64();
      const clockMs = fields.u64();
      const served = readFlag(fields);
      const index = LogIndex(fields.u64());
      return served
        ? { kind: "readIndexReply", from, to, term, readId, index, clockMs }
        : { kind: "readIndexReply", from, to, term, readId, clockMs };
    },
  },
  timeoutNow: {
    type: 9,
    ownBytes: 0,
    write() {},
    read: ({ from, to, term }) => ({ kind: "timeoutNow", from, to, term }),
  },
  forwardedBatch: {
    type: 10,
    ownBytes: 4,
    write: (message, buffer, at) => putU32(buffer, at, crc32(message.record, RECORD_HEADER_BYTES)),
    read({ from, to, term }, fields, body) {
      if (body.length === 0) {
        throw new DecodeError("Cannot read forwarded batch: found no bytes, expected a payload");
      }
      if (crc32(body, RECORD_HEADER_BYTES) !== fields.u32()) {
        throw new DecodeError("Cannot read forwarded batch: the payload checksum does not match");
      }
      return { kind: "forwardedBatch", from, to, term, record: body };
    },
  },
};

/** Every kind of message, in the order of their numbers. */
export const MESSAGE_KINDS: readonly Kind[] = Object.keys(CODECS) as Kind[];

const NO_ENTRY: EntryId = { term: Term(0), index: LogIndex(0) };
const BY_TYPE: readonly (MessageCodec<PeerMessage> | undefined)[] = codecsByType();

function codecsByType(): (MessageCodec<PeerMessage> | undefined)[] {
  const byType: (MessageCodec<PeerMessage> | undefined)[] = [];
  for (const kind of MESSAGE_KINDS) {
    const codec = codecOf(kind);
    assert(byType[codec.type] === undefined, `Cannot use type ${codec.type} twice: ${kind}`);
    byType[codec.type] = codec;
  }
  return byType;
}

/** The table pairs each kind with the codec of its own messages, which the compiler cannot see. */
function codecOf(kind: Kind): MessageCodec<PeerMessage> {
  return CODECS[kind] as unknown as MessageCodec<PeerMessage>;
}

/** Room before the body that a type wants in memory: a batch gets its record header there. */
export function bodyLeadBytes(type: number): number {
  return type === CODECS.forwardedBatch.type ? RECORD_HEADER_BYTES : 0;
}

/** True for messages that grow with the load; all others fit in a few dozen bytes. */
export function isBulky(message: PeerMessage): boolean {
  return message.kind === "forwardedBatch" ||
    (message.kind === "appendEntries" && message.entries.length > 0);
}

/** Length in bytes of the frame that `writeMessage` makes. */
export function messageFrameBytes(message: PeerMessage): number {
  return FRAME_HEAD_BYTES + ENVELOPE_BYTES + codecOf(message.kind).ownBytes + bodyBytes(message);
}

function bodyBytes(message: PeerMessage): number {
  if (message.kind === "forwardedBatch") return message.record.length - RECORD_HEADER_BYTES;
  let bytes = 0;
  if (message.kind === "appendEntries") {
    for (const entry of message.entries) bytes += entry.record.length;
  }
  return bytes;
}

/** Writes `message` as one frame. Numbers must be safe integers >= 0 and a batch not empty. */
export function writeMessage(output: OutputBuffer, message: PeerMessage): void {
  const codec = codecOf(message.kind);
  const fieldsBytes = ENVELOPE_BYTES + codec.ownBytes;
  const start = openFrame(output, codec.type, fieldsBytes, bodyBytes(message));
  const buffer = output.buffer;
  const fieldsAt = start + FRAME_HEAD_BYTES;
  putU32(buffer, fieldsAt, message.from);
  putU32(buffer, fieldsAt + 4, message.to);
  putU64(buffer, fieldsAt + 8, message.term);
  codec.write(message, buffer, fieldsAt + ENVELOPE_BYTES);
  sealFrame(buffer, start, fieldsBytes);
  let at = fieldsAt + fieldsBytes;
  if (message.kind === "appendEntries") {
    for (const { record } of message.entries) {
      buffer.set(record, at);
      at += record.length;
    }
  } else if (message.kind === "forwardedBatch") {
    buffer.set(message.record.subarray(RECORD_HEADER_BYTES), at);
  }
}

/**
 * Reads the message in a frame that came over the link from `from` to `to`, and verifies its body.
 * Throws `DecodeError` when the type is not known, sender or receiver are others, or anything is
 * short, left over or damaged.
 */
export function readMessage(frame: Frame, from: NodeId, to: NodeId): PeerMessage {
  const codec = BY_TYPE[frame.type];
  if (codec === undefined) {
    throw new DecodeError(`Cannot read frame: ${frame.type} is no type of message`);
  }
  const fields = frame.fields;
  const sender = fields.u32();
  const receiver = fields.u32();
  if (sender !== from || receiver !== to) {
    throw new DecodeError(
      `Cannot accept message: it goes from ${sender} to ${receiver}, expected ${from} to ${to}`,
    );
  }
  const mayHaveBody = codec === BY_TYPE[CODECS.appendEntries.type] ||
    codec === BY_TYPE[CODECS.forwardedBatch.type];
  if (!mayHaveBody && frame.body.length > 0) {
    throw new DecodeError(`Cannot read frame of type ${frame.type}: it has a body, expected none`);
  }
  const message = codec.read({ from, to, term: Term(fields.u64()) }, fields, frame.body);
  fields.expectEnd();
  return message;
}

function readEntries(prev: EntryId, count: number, body: Uint8Array): LogEntry[] {
  const entries: LogEntry[] = [];
  let at = 0;
  let before = prev;
  for (let i = 0; i < count; i++) {
    const entry = decodeEntry(body, at);
    if (entry.index !== before.index + 1 || entry.term < before.term) {
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

function putEntryId(buffer: Uint8Array, at: number, id: EntryId): void {
  putU64(buffer, at, id.term);
  putU64(buffer, at + 8, id.index);
}

function readEntryId(fields: ByteReader): EntryId {
  return { term: Term(fields.u64()), index: LogIndex(fields.u64()) };
}

function readFlag(fields: ByteReader): boolean {
  const byte = fields.u8();
  if (byte > 1) throw new DecodeError(`Cannot read flag: found ${byte}, expected 0 or 1`);
  return byte === 1;
}
