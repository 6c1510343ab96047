/** Promises leave only for what the disk has. */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { PersistQueue } from "../../src/node/persist_queue.ts";
import {
  type AppendEntriesReply,
  type LogEntry,
  type PeerMessage,
  type Ready,
  recordWithPayload,
  sealEntry,
} from "../../src/raft/mod.ts";
import type { PersistBatch } from "../../src/storage/mod.ts";
import { assertEquals } from "../support/assert.ts";

const [ME, OLD_LEADER, NEW_LEADER] = [NodeId(1), NodeId(2), NodeId(3)];

function entry(index: number, term: number): LogEntry {
  const record = recordWithPayload(new Uint8Array([index]));
  return sealEntry(record, "command", Term(term), LogIndex(index));
}

function acknowledgement(to: NodeId, term: number, index: number): AppendEntriesReply {
  return { kind: "appendEntriesReply", from: ME, to, term: Term(term), index: LogIndex(index) };
}

function ready(number: number, entries: LogEntry[], promised: AppendEntriesReply[]): Ready {
  return {
    number,
    snapshot: undefined,
    hardState: undefined,
    entries,
    messages: [],
    messagesAfterPersist: promised,
    commitIndex: LogIndex(0),
    reads: [],
    fetches: [],
    snapshots: [],
  };
}

Deno.test("persist queue: entries replaced before they are written are not acknowledged", async () => {
  const batches: PersistBatch[] = [];
  const sent: PeerMessage[] = [];
  const release: (() => void)[] = [];
  const target = {
    persist(batch: PersistBatch): Promise<void> {
      batches.push(batch);
      return new Promise((resolve) => release.push(resolve));
    },
  };
  const handler = {
    raft: { term: Term(0) },
    onPersisted: (_number: number, messages: readonly PeerMessage[]) => sent.push(...messages),
    onPersistFailed: (error: unknown) => {
      throw error;
    },
  };
  const queue = new PersistQueue(target, handler, () => 0);
  queue.add(ready(1, [entry(1, 1)], [acknowledgement(OLD_LEADER, 1, 1)]));
  queue.start();
  queue.add(ready(2, [entry(2, 1)], [acknowledgement(OLD_LEADER, 1, 2)]));
  queue.add(ready(3, [entry(3, 1)], [acknowledgement(OLD_LEADER, 1, 3)]));
  queue.add(ready(4, [entry(3, 2)], [acknowledgement(NEW_LEADER, 2, 3)]));
  release.shift()!();
  await Promise.resolve().then(() => {});
  queue.start();
  release.shift()!();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(batches[1].entries.map(({ index, term }) => [index, term]), [[2, 1], [3, 2]]);
  assertEquals(sent, [
    acknowledgement(OLD_LEADER, 1, 1),
    acknowledgement(OLD_LEADER, 1, 2),
    acknowledgement(NEW_LEADER, 2, 3),
  ]);
});
