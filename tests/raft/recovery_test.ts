/** Starts from a disk that lost something: the log's end, a snapshot, or the text of an entry. */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import type { Raft } from "../../src/raft/mod.ts";
import { configurationOf } from "./lab/members.ts";
import {
  askForVote,
  deliver,
  ELECTION_MAX_MS,
  entry,
  HEARTBEAT_MS,
  id,
  makeRaft,
  propose,
  settle,
  Stage,
} from "./lab/stage.ts";
import { assertEquals } from "../support/assert.ts";

function append(raft: Raft, term: number, prev: number, terms: number[], commitIndex: number) {
  return deliver(raft, {
    kind: "appendEntries",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(term),
    prev: id(prev === 0 ? 0 : 1, prev),
    entries: terms.map((entryTerm, at) => entry(entryTerm, prev + at + 1)),
    commitIndex: LogIndex(commitIndex),
  });
}

function heartbeat(raft: Raft, commitIndex: number) {
  return deliver(raft, {
    kind: "heartbeat",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(1),
    commitIndex: LogIndex(commitIndex),
    readRound: 0,
    wantsReply: true,
  });
}

function receiveSnapshot(raft: Raft, last: number) {
  const [from, term] = [NodeId(2), Term(1)];
  const configuration = configurationOf([1, 2, 3]);
  raft.step({ kind: "snapshotReceived", from, term, last: id(1, last), configuration });
}

function grants(raft: Raft, term: number): boolean {
  askForVote(raft, term, id(term - 1, 99));
  const reply = settle(raft).sent.find(({ kind }) => kind === "requestVoteReply");
  return reply?.kind === "requestVoteReply" && reply.granted;
}

Deno.test("a recovering node votes for nobody and does not campaign", () => {
  const raft = makeRaft({ logTerms: [1, 1], mayVote: false });
  assertEquals(raft.isRecovering, true);
  assertEquals(grants(raft, 2), false);
  for (let nowMs = 0; nowMs < 5 * ELECTION_MAX_MS; nowMs += HEARTBEAT_MS) {
    raft.step({ kind: "tick", nowMs });
    assertEquals(raft.role, "follower");
  }
});

Deno.test("an entry that an older leader committed does not end recovery: more may be committed", () => {
  const raft = makeRaft({ logTerms: [1], mayVote: false });
  append(raft, 2, 1, [1], 2);
  assertEquals([raft.commitIndex, raft.isRecovering], [2, true]);
  append(raft, 2, 2, [1, 2], 4);
  assertEquals([raft.commitIndex, raft.isRecovering], [4, false]);
  settle(raft);
  assertEquals(grants(raft, 3), true);
});

Deno.test("in the term of its start it needs all that its leader has told to be committed", () => {
  // It had acknowledged entries 2 to 4 of this term; its disk kept the first one.
  const raft = makeRaft({ logTerms: [1], mayVote: false });
  append(raft, 1, 1, [1, 1], 4);
  assertEquals([raft.commitIndex, raft.isRecovering], [3, true]);
  append(raft, 1, 3, [1], 4);
  assertEquals([raft.commitIndex, raft.isRecovering], [4, false]);
});

Deno.test("in the term of its start a snapshot behind what was told brings enough, without a new entry", () => {
  const raft = makeRaft({ logTerms: [1], mayVote: false });
  // Its log does not reach so far: all it learns is that three entries are committed.
  append(raft, 1, 3, [1], 3);
  assertEquals([raft.commitIndex, raft.isRecovering], [0, true]);
  receiveSnapshot(raft, 2);
  heartbeat(raft, 2);
  assertEquals([raft.commitIndex, raft.isRecovering], [2, true]);
  receiveSnapshot(raft, 4);
  heartbeat(raft, 4);
  assertEquals([raft.commitIndex, raft.isRecovering], [4, false]);
});

Deno.test("a recovering node trusts no commit index beyond what it has matched", () => {
  const raft = makeRaft({ logTerms: [1], mayVote: false });
  heartbeat(raft, 4);
  assertEquals([raft.commitIndex, raft.isRecovering], [0, true]);
});

Deno.test("a node whose snapshot is lost takes one though its log goes on behind it, and keeps the log", () => {
  const raft = makeRaft({ startIndex: 5, logTerms: [1, 1, 1], applied: 0 });
  assertEquals([raft.needsSnapshot, raft.logStart.index], [true, 5]);
  raft.step({ kind: "tick", nowMs: 5 * ELECTION_MAX_MS });
  raft.step({ kind: "tick", nowMs: 10 * ELECTION_MAX_MS });
  assertEquals(raft.role, "follower");
  const snapshot = (index: number) =>
    raft.step({
      kind: "snapshotReceived",
      from: NodeId(2),
      term: Term(1),
      last: id(1, index),
      configuration: configurationOf([1, 2, 3]),
    }).kind;
  assertEquals(snapshot(4), "ignored");
  assertEquals(snapshot(7), "done");
  const { ready } = settle(raft);
  assertEquals([ready.snapshot?.last, ready.entries.length], [id(1, 7), 0]);
  assertEquals([raft.needsSnapshot, raft.appliedIndex, raft.lastEntry.index], [false, 7, 8]);
});

Deno.test("a leader offers a snapshot to whoever says that it cannot go on without one", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  assertEquals(leader.step({ kind: "snapshotWanted", peer: NodeId(2) }).kind, "done");
  assertEquals(leader.takeReady().snapshots, [{ peer: NodeId(2) }]);
  assertEquals(leader.step({ kind: "snapshotWanted", peer: NodeId(9) }).kind, "ignored");
});

Deno.test("a leader whose entries come back from nobody offers a snapshot to whoever lacks them", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.carries = ({ to }) => to !== 3;
  for (const text of ["a", "b", "c"]) {
    propose(leader, text);
    stage.settle();
  }
  assertEquals(leader.step({ kind: "lost", through: LogIndex(3) }).kind, "done");
  stage.carries = () => true;
  stage.run(4 * HEARTBEAT_MS);
  const states = leader.progress().map(({ peer, state }) => [peer, state]);
  assertEquals(states, [[2, "replicate"], [3, "snapshot"]]);
});

Deno.test("a node with damaged entries does not campaign until they are repaired", () => {
  const raft = makeRaft({ logTerms: [1] });
  raft.step({ kind: "damaged" });
  let nowMs = 0;
  for (; nowMs < 5 * ELECTION_MAX_MS; nowMs += HEARTBEAT_MS) raft.step({ kind: "tick", nowMs });
  assertEquals(raft.role, "follower");
  raft.step({ kind: "repaired" });
  for (; nowMs < 10 * ELECTION_MAX_MS; nowMs += HEARTBEAT_MS) {
    if (raft.role === "follower") raft.step({ kind: "tick", nowMs });
  }
  assertEquals(raft.role, "preCandidate");
});
