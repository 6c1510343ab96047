/** Messages of every kind, with numbers large enough to need all their bytes. */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { isBulkKind } from "../../src/network/mod.ts";
import {
  type LogEntry,
  type PeerMessage,
  RECORD_HEADER_BYTES,
  recordWithPayload,
  sealEntry,
} from "../../src/raft/mod.ts";

const TERM = Term(2 ** 33 + 7);
const FIRST = 2 ** 34 + 1;

export function entriesOf(payloads: readonly Uint8Array[], first = FIRST): LogEntry[] {
  return payloads.map((payload, offset) =>
    sealEntry(recordWithPayload(payload), "command", TERM, LogIndex(first + offset))
  );
}

/** An append of one entry whose payload has `payloadBytes` bytes. */
export function appendOf(from: NodeId, to: NodeId, payloadBytes: number): PeerMessage {
  const payload = new Uint8Array(payloadBytes).map((_, at) => at * 31);
  return {
    kind: "appendEntries",
    from,
    to,
    term: TERM,
    prev: { term: TERM, index: LogIndex(FIRST - 1) },
    entries: entriesOf([payload]),
    commitIndex: LogIndex(FIRST - 1),
  };
}

/** A batch on its way to the leader. */
export function forwardOf(from: NodeId, to: NodeId, payload: Uint8Array): PeerMessage {
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  return { kind: "forwardedBatch", from, to, term: TERM, record };
}

/** A chunk of a snapshot: what travels on the bulk link. */
export function chunkOf(from: NodeId, to: NodeId, chunk: number, chunkBytes: number): PeerMessage {
  const bytes = new Uint8Array(chunkBytes).map((_, at) => at * 17 + chunk);
  const last = { term: TERM, index: LogIndex(FIRST) };
  return { kind: "snapshotChunk", from, to, term: TERM, last, chunk, bytes };
}

/** Those of one of the two links between nodes, which have an order among themselves. */
export function ofLink(messages: readonly PeerMessage[], bulk: boolean): PeerMessage[] {
  return messages.filter(({ kind }) => isBulkKind(kind) === bulk);
}

/** Every kind of message, in each of its shapes. */
export function sampleMessages(from = NodeId(1), to = NodeId(2 ** 32 - 2)): PeerMessage[] {
  const envelope = { from, to, term: TERM };
  const id = { term: Term(2 ** 33 + 1), index: LogIndex(FIRST) };
  const payloads = [new Uint8Array(0), new Uint8Array([1, 2, 3]), new TextEncoder().encode("SET")];
  const prev = { term: Term(1), index: LogIndex(FIRST - 1) };
  const commitIndex = LogIndex(2 ** 35);
  return [
    { kind: "requestVote", ...envelope, preVote: true, transfer: false, last: id },
    { kind: "requestVote", ...envelope, preVote: false, transfer: true, last: id },
    { kind: "requestVoteReply", ...envelope, preVote: true, granted: false },
    { kind: "requestVoteReply", ...envelope, preVote: false, granted: true },
    { kind: "appendEntries", ...envelope, prev, entries: [], commitIndex },
    { kind: "appendEntries", ...envelope, prev, entries: entriesOf(payloads), commitIndex },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(2 ** 36) },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(9), conflict: id },
    { kind: "heartbeat", ...envelope, commitIndex, readRound: 2 ** 37, wantsReply: true },
    { kind: "heartbeat", ...envelope, commitIndex, readRound: 0, wantsReply: false },
    { kind: "heartbeatReply", ...envelope, readRound: 2 ** 38, leaseMs: 0 },
    { kind: "heartbeatReply", ...envelope, readRound: 1, leaseMs: 3000 },
    { kind: "readIndex", ...envelope, readId: 2 ** 39 },
    { kind: "readIndexReply", ...envelope, readId: 5, index: LogIndex(7), clockMs: 1.7e12 },
    { kind: "readIndexReply", ...envelope, readId: 5, clockMs: 0 },
    { kind: "timeoutNow", ...envelope },
    forwardOf(from, to, new TextEncoder().encode("a batch of writes")),
    { kind: "snapshotOffer", ...envelope, last: id, manifest: payloads[2] },
    { kind: "snapshotRequest", ...envelope, last: id, chunk: 2 ** 31 + 1 },
    { kind: "snapshotChunk", ...envelope, last: id, chunk: 2 ** 31 + 1, bytes: payloads[2] },
    { kind: "snapshotEnd", ...envelope, last: id, outcome: "installed" },
    { kind: "snapshotEnd", ...envelope, last: id, outcome: "notNeeded" },
    { kind: "snapshotEnd", ...envelope, last: id, outcome: "failed" },
    { kind: "snapshotGone", ...envelope, last: id },
    {
      kind: "entriesRequest",
      ...envelope,
      requestId: 2 ** 40,
      first: id,
      last: { term: TERM, index: LogIndex(FIRST + 7) },
    },
    { kind: "entriesReply", ...envelope, requestId: 2 ** 40, entries: entriesOf(payloads) },
    { kind: "entriesReply", ...envelope, requestId: 1, entries: [] },
    { kind: "stateHash", ...envelope, index: LogIndex(2 ** 41), hash: "00000000fedcba98" },
    { kind: "stateHash", ...envelope, index: LogIndex(1), hash: "89abcdef00000001" },
    { kind: "memberChange", ...envelope, requestId: 2 ** 42, change: payloads[1] },
    { kind: "memberChangeReply", ...envelope, requestId: 2 ** 42, outcome: payloads[2] },
  ];
}
