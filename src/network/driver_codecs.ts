/** How the messages of the drivers are written and read. A type keeps its number for ever. */

import { type ByteReader, crc32, DecodeError, LogIndex, putU32, putU64 } from "../base/mod.ts";
import {
  type DriverMessage,
  RECORD_HEADER_BYTES,
  type SnapshotTransferOutcome,
} from "../raft/mod.ts";
import {
  bytesBody,
  entriesBody,
  type MessageCodecs,
  putEntryId,
  readEntries,
  readEntryId,
  verifyBody,
} from "./codec_parts.ts";

const OUTCOMES: readonly SnapshotTransferOutcome[] = ["installed", "notNeeded", "failed"];
const HASH_DIGITS = 16;

export const DRIVER_CODECS: MessageCodecs<DriverMessage> = {
  forwardedBatch: {
    type: 10,
    ownBytes: 4,
    write: (message, buffer, at) => putU32(buffer, at, crc32(message.record, RECORD_HEADER_BYTES)),
    read({ from, to, term }, fields, body) {
      if (body.length === 0) {
        throw new DecodeError("Cannot read forwarded batch: found no bytes, expected a payload");
      }
      verifyBody("forwarded batch", fields, body, RECORD_HEADER_BYTES);
      return { kind: "forwardedBatch", from, to, term, record: body };
    },
    body: {
      leadBytes: RECORD_HEADER_BYTES,
      bytes: ({ record }) => record.length - RECORD_HEADER_BYTES,
      write: ({ record }, buffer, at) => buffer.set(record.subarray(RECORD_HEADER_BYTES), at),
    },
  },
  snapshotOffer: {
    type: 11,
    ownBytes: 20,
    write(message, buffer, at) {
      putEntryId(buffer, at, message.last);
      putU32(buffer, at + 16, crc32(message.manifest));
    },
    read({ from, to, term }, fields, body) {
      const last = readEntryId(fields);
      verifyBody("snapshot offer", fields, body);
      return { kind: "snapshotOffer", from, to, term, last, manifest: body };
    },
    body: bytesBody(({ manifest }) => manifest),
  },
  snapshotRequest: {
    type: 12,
    ownBytes: 20,
    write(message, buffer, at) {
      putEntryId(buffer, at, message.last);
      putU32(buffer, at + 16, message.chunk);
    },
    read({ from, to, term }, fields) {
      const last = readEntryId(fields);
      return { kind: "snapshotRequest", from, to, term, last, chunk: fields.u32() };
    },
  },
  snapshotChunk: {
    type: 13,
    ownBytes: 24,
    write(message, buffer, at) {
      putEntryId(buffer, at, message.last);
      putU32(buffer, at + 16, message.chunk);
      putU32(buffer, at + 20, crc32(message.bytes));
    },
    read({ from, to, term }, fields, body) {
      const last = readEntryId(fields);
      const chunk = fields.u32();
      verifyBody("snapshot chunk", fields, body);
      return { kind: "snapshotChunk", from, to, term, last, chunk, bytes: body };
    },
    body: bytesBody(({ bytes }) => bytes),
  },
  snapshotEnd: {
    type: 14,
    ownBytes: 17,
    write(message, buffer, at) {
      putEntryId(buffer, at, message.last);
      buffer[at + 16] = OUTCOMES.indexOf(message.outcome);
    },
    read({ from, to, term }, fields) {
      const last = readEntryId(fields);
      const number = fields.u8();
      const outcome = OUTCOMES[number];
      if (outcome === undefined) {
        throw new DecodeError(`Cannot read end of snapshot: ${number} is no outcome`);
      }
      return { kind: "snapshotEnd", from, to, term, last, outcome };
    },
  },
  snapshotGone: {
    type: 15,
    ownBytes: 16,
    write: (message, buffer, at) => putEntryId(buffer, at, message.last),
    read: ({ from, to, term }, fields) => ({
      kind: "snapshotGone",
      from,
      to,
      term,
      last: readEntryId(fields),
    }),
  },
  entriesRequest: {
    type: 16,
    ownBytes: 40,
    write(message, buffer, at) {
      putU64(buffer, at, message.requestId);
      putEntryId(buffer, at + 8, message.first);
      putEntryId(buffer, at + 24, message.last);
    },
    read({ from, to, term }, fields) {
      const requestId = fields.u64();
      const first = readEntryId(fields);
      const last = readEntryId(fields);
      if (first.index < 1 || last.index < first.index || last.term < first.term) {
        throw new DecodeError(
          `Cannot read request for entries: entry ${last.index} of term ${last.term} ` +
            `does not come after entry ${first.index} of term ${first.term}`,
        );
      }
      return { kind: "entriesRequest", from, to, term, requestId, first, last };
    },
  },
  entriesReply: {
    type: 17,
    ownBytes: 12,
    write(message, buffer, at) {
      putU64(buffer, at, message.requestId);
      putU32(buffer, at + 8, message.entries.length);
    },
    read({ from, to, term }, fields, body) {
      const requestId = fields.u64();
      const entries = readEntries(undefined, fields.u32(), body);
      return { kind: "entriesReply", from, to, term, requestId, entries };
    },
    body: entriesBody(),
  },
  stateHash: {
    type: 18,
    ownBytes: 16,
    write(message, buffer, at) {
      putU64(buffer, at, message.index);
      const half = HASH_DIGITS / 2;
      putU32(buffer, at + 8, Number.parseInt(message.hash.slice(0, half), 16));
      putU32(buffer, at + 12, Number.parseInt(message.hash.slice(half), 16));
    },
    read({ from, to, term }, fields) {
      const index = LogIndex(fields.u64());
      return { kind: "stateHash", from, to, term, index, hash: readDigits(fields) };
    },
  },
  memberChange: {
    type: 19,
    ownBytes: 12,
    write(message, buffer, at) {
      putU64(buffer, at, message.requestId);
      putU32(buffer, at + 8, crc32(message.change));
    },
    read({ from, to, term }, fields, body) {
      const requestId = fields.u64();
      verifyBody("change of members", fields, body);
      return { kind: "memberChange", from, to, term, requestId, change: body };
    },
    body: bytesBody(({ change }) => change),
  },
  memberChangeReply: {
    type: 20,
    ownBytes: 12,
    write(message, buffer, at) {
      putU64(buffer, at, message.requestId);
      putU32(buffer, at + 8, crc32(message.outcome));
    },
    read({ from, to, term }, fields, body) {
      const requestId = fields.u64();
      verifyBody("answer to a change of members", fields, body);
      return { kind: "memberChangeReply", from, to, term, requestId, outcome: body };
    },
    body: bytesBody(({ outcome }) => outcome),
  },
};

function readDigits(fields: ByteReader): string {
  const high = fields.u32().toString(16);
  const low = fields.u32().toString(16);
  return high.padStart(HASH_DIGITS / 2, "0") + low.padStart(HASH_DIGITS / 2, "0");
}
