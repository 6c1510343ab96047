/** A node whose disk has no room for entries: it votes, and leads nobody. */

import { NodeId, Term } from "../../src/base/mod.ts";
import type { Raft, RaftMessage } from "../../src/raft/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { configurationOf } from "./lab/members.ts";
import {
  askForVote,
  deliver,
  ELECTION_MAX_MS,
  entry,
  HEARTBEAT_MS,
  id,
  makeRaft,
} from "./lab/stage.ts";

function append(raft: Raft, term: number, prev: [number, number], terms: number[]): void {
  deliver(raft, {
    kind: "appendEntries",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(term),
    prev: id(...prev),
    entries: terms.map((entryTerm, at) => entry(entryTerm, prev[1] + at + 1)),
    commitIndex: id(0, 0).index,
  });
}

function heartbeat(raft: Raft, term: number): readonly RaftMessage[] {
  deliver(raft, {
    kind: "heartbeat",
    from: NodeId(3),
    to: NodeId(1),
    term: Term(term),
    commitIndex: id(0, 0).index,
    readRound: 1,
    wantsReply: true,
  });
  return raft.takeReady().messages;
}

/** Whether it votes for node 3, whose log ends in `last`. */
function grants(raft: Raft, term: number, last: [number, number]): boolean {
  askForVote(raft, term, id(...last));
  const reply = raft.takeReady().messagesAfterPersist
    .find(({ kind }) => kind === "requestVoteReply");
  return reply?.kind === "requestVoteReply" && reply.granted;
}

Deno.test("E21: a node without room does not campaign, not even when asked to", () => {
  const raft = makeRaft({ logTerms: [1] });
  raft.step({ kind: "diskRoom", hasRoom: false });
  let nowMs = 0;
  for (; nowMs < 5 * ELECTION_MAX_MS; nowMs += HEARTBEAT_MS) raft.step({ kind: "tick", nowMs });
  assertEquals(raft.role, "follower");
  heartbeat(raft, 1);
  const asked = deliver(raft, {
    kind: "timeoutNow",
    from: NodeId(3),
    to: NodeId(1),
    term: Term(1),
  });
  assertEquals([asked.kind, raft.role], ["ignored", "follower"]);
  raft.step({ kind: "diskRoom", hasRoom: true });
  for (; nowMs < 10 * ELECTION_MAX_MS; nowMs += HEARTBEAT_MS) {
    if (raft.role === "follower") raft.step({ kind: "tick", nowMs });
  }
  assertEquals(raft.role, "preCandidate");
});

Deno.test("E21: what is not durable keeps nobody from being elected while there is no room", () => {
  for (const hasRoom of [true, false]) {
    const raft = makeRaft({ logTerms: [1, 1] });
    append(raft, 1, [1, 2], [1, 1]);
    raft.takeReady();
    raft.step({ kind: "diskRoom", hasRoom });
    assertEquals(grants(raft, 2, [1, 1]), false, "without an entry that is durable here");
    assertEquals(grants(raft, 3, [1, 3]), !hasRoom, "without an entry that is not");
    assertEquals(grants(raft, 4, [1, 4]), true, "with everything");
  }
});

Deno.test("E21: behind a snapshot that is not durable yet everything counts", () => {
  const raft = makeRaft({ logTerms: [1, 1] });
  const last = id(1, 7);
  const configuration = configurationOf([1, 2, 3]);
  raft.step({ kind: "snapshotReceived", from: NodeId(2), term: Term(1), last, configuration });
  raft.takeReady();
  raft.step({ kind: "diskRoom", hasRoom: false });
  assertEquals(grants(raft, 2, [1, 2]), false);
  assertEquals(grants(raft, 3, [1, 6]), false);
  assertEquals(grants(raft, 4, [1, 7]), true);
});

Deno.test("E21: a term that is durable ahead of entries is answered in, and they stay unpromised", () => {
  const raft = makeRaft({ logTerms: [1] });
  append(raft, 1, [1, 1], [1]);
  const first = raft.takeReady();
  assertEquals(first.messagesAfterPersist.map(({ kind }) => kind), ["appendEntriesReply"]);
  assertEquals(grants(raft, 2, [1, 2]), true);
  assertEquals(heartbeat(raft, 2), [], "the term is not durable");
  raft.step({ kind: "persisted", number: first.number + 1, part: "hardState" });
  assertEquals(heartbeat(raft, 2).map(({ kind }) => kind), ["heartbeatReply"]);
  raft.step({ kind: "diskRoom", hasRoom: false });
  assertEquals(grants(raft, 3, [1, 1]), true, "entry 2 is not durable");
  raft.step({ kind: "persisted", number: first.number });
  assertEquals(grants(raft, 4, [1, 1]), false, "now it is");
  raft.step({ kind: "persisted", number: first.number + 1 });
});
