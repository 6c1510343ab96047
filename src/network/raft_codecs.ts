/** How the messages of the core are written and read. A type keeps its number for ever. */

import { LogIndex, putU32, putU64, Term } from "../base/mod.ts";
import type { EntryId, RaftMessage } from "../raft/mod.ts";
import {
  entriesBody,
  type MessageCodecs,
  putEntryId,
  readEntries,
  readEntryId,
  readFlag,
} from "./codec_parts.ts";

const NO_ENTRY: EntryId = { term: Term(0), index: LogIndex(0) };

export const RAFT_CODECS: MessageCodecs<RaftMessage> = {
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
    body: entriesBody(),
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
    ownBytes: 12,
    write(message, buffer, at) {
      putU64(buffer, at, message.readRound);
      putU32(buffer, at + 8, message.leaseMs);
    },
    read: ({ from, to, term }, fields) => ({
      kind: "heartbeatReply",
      from,
      to,
      term,
      readRound: fields.u64(),
      leaseMs: fields.u32(),
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
};
