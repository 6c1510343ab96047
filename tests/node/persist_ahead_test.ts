/** The order in which a node's promises reach the disk and leave, also while the disk is full. */

import { NodeId, Term } from "../../src/base/mod.ts";
import { PersistQueue } from "../../src/node/persist_queue.ts";
import type { HardState, LogEntry, PeerMessage, RaftMessage, Ready } from "../../src/raft/mod.ts";
import { type PersistBatch, StorageError } from "../../src/storage/mod.ts";
import { entry, id } from "../raft/lab/stage.ts";
import { assertEquals } from "../support/assert.ts";

const ONE = NodeId(1);
const TWO = NodeId(2);

/** A disk that does each call when told, and a handler that writes down what it hears. */
class Bench {
  readonly events: string[] = [];
  readonly calls: PromiseWithResolvers<void>[] = [];
  retry: (() => void) | undefined;
  readonly queue: PersistQueue;
  /** The core's. */
  term = Term(1);
  #number = 0;

  constructor() {
    const target = { persist: (batch: PersistBatch) => this.#persist(batch) };
    this.queue = new PersistQueue(target, {
      raft: this,
      onPersisted: (number, messages, part) =>
        this.#note(part === undefined ? `persisted ${number}` : `hard state ${number}`, messages),
      onPersistFailed: (_error, retry) => this.retry = retry,
    }, () => 0);
  }

  add(hardState: HardState | undefined, entries: LogEntry[], messages: RaftMessage[]): void {
    this.term = hardState?.term ?? this.term;
    this.queue.add(
      {
        number: ++this.#number,
        snapshot: undefined,
        hardState,
        entries,
        messages: [],
        messagesAfterPersist: messages,
        commitIndex: id(0, 0).index,
        reads: [],
        fetches: [],
        snapshots: [],
      } satisfies Ready,
    );
    this.queue.start();
  }

  /** The oldest call that waits ends. */
  async end(error?: StorageError): Promise<void> {
    const call = this.calls.shift()!;
    if (error === undefined) call.resolve();
    else call.reject(error);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #persist({ hardState, entries }: PersistBatch): Promise<void> {
    const state = hardState === undefined ? "" : ` term ${hardState.term}`;
    this.events.push(`writes${state} [${entries.map(({ index }) => index)}]`);
    const call = Promise.withResolvers<void>();
    this.calls.push(call);
    return call.promise;
  }

  #note(what: string, messages: readonly PeerMessage[]): void {
    this.events.push(`${what}: ${messages.map(({ kind, term }) => `${kind} ${term}`).join(", ")}`);
    this.queue.start();
  }
}

const hardState = (term: number): HardState => ({ term: Term(term), votedFor: TWO });
const vote = (term: number): RaftMessage => ({
  kind: "requestVoteReply",
  from: ONE,
  to: TWO,
  term: Term(term),
  preVote: false,
  granted: true,
});
const acknowledgement = (term: number): RaftMessage => ({
  kind: "appendEntriesReply",
  from: ONE,
  to: TWO,
  term: Term(term),
  index: entry(1, 1).index,
});
const full = () => new StorageError("full", "no room");

Deno.test("E21: votes leave ahead of entries that find no room, acknowledgements do not", async () => {
  const bench = new Bench();
  bench.add(hardState(1), [entry(1, 1)], [vote(1), acknowledgement(1)]);
  bench.add(hardState(2), [entry(2, 2)], [vote(2), acknowledgement(2)]);
  await bench.end(full());
  await bench.end();
  // A term that comes later goes ahead, too.
  bench.add(hardState(3), [], [vote(3), acknowledgement(3)]);
  await bench.end();
  bench.retry!();
  await Promise.resolve();
  await bench.end();
  await bench.end();
  assertEquals(bench.events, [
    "writes term 1 [1]",
    "writes term 2 []",
    "hard state 2: requestVoteReply 1, requestVoteReply 2",
    "writes term 3 []",
    "hard state 3: requestVoteReply 3",
    "writes [1]",
    // What is acknowledged now would go to leaders of older terms.
    "persisted 1: ",
    "writes [2]",
    "persisted 3: appendEntriesReply 3",
  ]);
});

Deno.test("E21: a retry waits for the term that is being written ahead, and never undoes it", async () => {
  const bench = new Bench();
  bench.add(hardState(1), [entry(1, 1)], [acknowledgement(1)]);
  bench.add(hardState(2), [], [vote(2)]);
  await bench.end(full());
  bench.retry!();
  assertEquals(bench.calls.length, 1, "the term alone is being written");
  await bench.end();
  await bench.end();
  assertEquals(bench.events, [
    "writes term 1 [1]",
    "writes term 2 []",
    "hard state 2: requestVoteReply 2",
    "writes [1]",
    "persisted 1: ",
    "persisted 2: ",
  ]);
});

Deno.test("an error that is not a full disk lets nothing out, and nothing more is written", async () => {
  const bench = new Bench();
  bench.add(hardState(1), [entry(1, 1)], [vote(1)]);
  bench.add(hardState(2), [], [vote(2)]);
  await bench.end(new StorageError("failed", "the disk failed"));
  assertEquals(bench.events, ["writes term 1 [1]"]);
});
