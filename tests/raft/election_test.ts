/** Elections, as scenarios named after the thesis (§3.4, §3.6.1, §4.2.3, §6.2, §9.6). */

import { NodeId, Term } from "../../src/base/mod.ts";
import type { RequestVoteArg } from "../../src/raft/mod.ts";
import {
  deliver,
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  entry,
  id,
  makeRaft,
  propose,
  settle,
  Stage,
} from "./lab/stage.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

function vote(from: number, term: number, last = id(0, 0), extra = {}): RequestVoteArg {
  return {
    kind: "requestVote",
    from: NodeId(from),
    to: NodeId(1),
    term: Term(term),
    preVote: false,
    transfer: false,
    last,
    ...extra,
  };
}

Deno.test("single voter: elects itself at the first tick and counts itself only after its sync", () => {
  const raft = makeRaft({ voters: [1] });
  raft.step({ kind: "tick", nowMs: 0 });
  assertEquals(raft.role, "leader");
  const ready = raft.takeReady();
  assertEquals(ready.hardState, { term: Term(1), votedFor: NodeId(1) });
  assertEquals(raft.commitIndex, 0);
  raft.step({ kind: "persisted", number: ready.number });
  assertEquals(raft.commitIndex, 1);
});

Deno.test("§3.4: vote requests leave only after the candidate's own vote is durable", () => {
  const raft = makeRaft();
  raft.step({ kind: "tick", nowMs: ELECTION_MIN_MS });
  raft.step({ kind: "tick", nowMs: ELECTION_MAX_MS });
  const preVotes = settle(raft).ready.messages;
  assertEquals(preVotes.map((m) => [m.kind, m.to, m.term]), [
    ["requestVote", 2, 1],
    ["requestVote", 3, 1],
  ]);
  assertEquals(raft.term, 0, "a pre-vote changes no term");
  deliver(raft, {
    kind: "requestVoteReply",
    from: NodeId(2),
    to: NodeId(1),
    term: Term(1),
    preVote: true,
    granted: true,
  });
  assertEquals(raft.role, "candidate");
  const ready = raft.takeReady();
  assertEquals(ready.messages, []);
  assertEquals(ready.hardState, { term: Term(1), votedFor: NodeId(1) });
  assertEquals(ready.messagesAfterPersist.length, 2);
});

Deno.test("§3.4: one vote a term, given again to the same candidate, kept over a restart", () => {
  const raft = makeRaft();
  deliver(raft, vote(2, 5));
  const { ready } = settle(raft);
  assertEquals(ready.hardState, { term: Term(5), votedFor: NodeId(2) });
  assertEquals(ready.messages, []);
  for (const [from, granted] of [[3, false], [2, true]] as const) {
    deliver(raft, vote(from, 5));
    const reply = settle(raft).sent[0];
    assert(reply.kind === "requestVoteReply" && reply.granted === granted, `node ${from}`);
  }
  const restarted = makeRaft({ term: 5, votedFor: 2 });
  deliver(restarted, vote(3, 5));
  const reply = settle(restarted).sent[0];
  assert(reply.kind === "requestVoteReply" && !reply.granted);
});

Deno.test("§3.6.1: a vote needs a log that is at least as complete", () => {
  const cases = [
    { last: id(2, 2), granted: false },
    { last: id(1, 9), granted: false },
    { last: id(2, 3), granted: true },
    { last: id(3, 1), granted: true },
  ];
  for (const preVote of [false, true]) {
    for (const { last, granted } of cases) {
      const raft = makeRaft({ logTerms: [1, 1, 2] });
      deliver(raft, vote(2, 4, last, { preVote }));
      const reply = settle(raft).sent[0];
      assert(reply.kind === "requestVoteReply");
      assertEquals(reply.granted, granted, JSON.stringify({ last, preVote }));
    }
  }
});

Deno.test("§4.2.3: a follower that hears its leader leaves vote requests unheard", () => {
  const stage = Stage.of(3);
  stage.elect(2);
  const raft = stage.raft(1);
  assertEquals(deliver(raft, vote(3, 9, id(9, 9))).kind, "ignored");
  assertEquals(raft.term, stage.raft(2).term);
  deliver(raft, vote(3, 9, id(9, 9), { preVote: true }));
  const reply = raft.takeReady().messages[0];
  assert(reply.kind === "requestVoteReply" && !reply.granted);
  assertEquals(deliver(raft, vote(3, 9, id(9, 9), { transfer: true })).kind, "done");
  assertEquals(raft.term, 9, "a transfer overrides the lease");
});

Deno.test("§4.2.3: the lease ends after the shortest election timeout", () => {
  const stage = Stage.of(3);
  stage.elect(2);
  stage.nowMs += ELECTION_MIN_MS - 1;
  const raft = stage.raft(1);
  raft.step({ kind: "tick", nowMs: stage.nowMs });
  assertEquals(deliver(raft, vote(3, 9, id(9, 9))).kind, "ignored");
  raft.step({ kind: "tick", nowMs: stage.nowMs + 1 });
  assertEquals(deliver(raft, vote(3, 9, id(9, 9))).kind, "done");
});

Deno.test("§9.6: an isolated node raises no term and does not disturb when it comes back", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  const { term } = leader;
  stage.isolate(3);
  stage.run(10 * ELECTION_MAX_MS);
  assertEquals(stage.raft(3).term, term);
  propose(leader, "meanwhile");
  stage.settle();
  stage.isolate(undefined);
  stage.run(ELECTION_MAX_MS);
  assertEquals(stage.rafts.map((raft) => raft.role), ["leader", "follower", "follower"]);
  assertEquals(stage.rafts.map((raft) => raft.term), [term, term, term]);
  assertEquals(stage.raft(3).commitIndex, leader.commitIndex);
});

Deno.test("§6.2: a leader that hears no majority steps down within two election timeouts", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  stage.carries = (message) => message.to !== 1;
  stage.run(2 * ELECTION_MIN_MS + 100);
  assertEquals(leader.role, "follower");
});

Deno.test("a leader whose process was stopped too long steps down at the first tick", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  leader.step({ kind: "tick", nowMs: stage.nowMs + ELECTION_MAX_MS });
  assertEquals(leader.role, "follower");
});

Deno.test("a follower whose process was stopped waits again instead of campaigning", () => {
  const stage = Stage.of(3);
  stage.elect(1);
  const follower = stage.raft(2);
  follower.step({ kind: "tick", nowMs: stage.nowMs + 60_000 });
  assertEquals(follower.role, "follower");
  follower.step({ kind: "tick", nowMs: stage.nowMs + 60_000 + ELECTION_MIN_MS - 1 });
  assertEquals(follower.role, "follower");
});

Deno.test("a candidate with a newer term that nobody follows is freed by the leader", () => {
  const stage = Stage.of(3);
  stage.elect(1);
  const stuck = makeRaft({ id: 3, term: 7, logTerms: [1] });
  stage.rafts[2] = stuck;
  stuck.step({ kind: "tick", nowMs: stage.nowMs });
  stage.run(4 * ELECTION_MAX_MS);
  const leaders = stage.rafts.filter((raft) => raft.role === "leader");
  assertEquals(leaders.length, 1);
  assert(leaders[0].term >= 8);
  assertEquals(stuck.leaderId, leaders[0].leaderId);
});

Deno.test("a stranger is heard, as this node may be behind; a removed member is not", () => {
  const raft = makeRaft({ removed: [8] });
  assertEquals(deliver(raft, vote(8, 4)), {
    kind: "ignored",
    reason: "from a removed member",
  });
  assertEquals(raft.term, 0);
  assertEquals(deliver(raft, vote(9, 4)).kind, "done");
  assertEquals([raft.term, raft.votedFor], [4, 9]);
});

Deno.test("two leaders of one term are an assertion", () => {
  const raft = makeRaft();
  const append = (from: number) => ({
    kind: "appendEntries" as const,
    from: NodeId(from),
    to: NodeId(1),
    term: Term(4),
    prev: id(0, 0),
    entries: [entry(4, 1)],
    commitIndex: id(0, 0).index,
  });
  deliver(raft, append(2));
  assertThrows(() => deliver(raft, append(3)), Error, "leads term 4 too");
});

Deno.test("a node outside the voters learns and never campaigns", () => {
  const raft = makeRaft({ id: 4 });
  assertEquals([raft.role, raft.isVoter], ["learner", false]);
  for (let nowMs = 0; nowMs < 20_000; nowMs += 500) raft.step({ kind: "tick", nowMs });
  assertEquals([raft.role, raft.hasReady()], ["learner", false]);
});

Deno.test("D9: stepDown ends leading, sends nothing more as leader and waits before campaigning", () => {
  const stage = Stage.of(3);
  const leader = stage.elect(1);
  leader.step({ kind: "tick", nowMs: stage.nowMs + 100 });
  propose(leader, "never sent");
  leader.step({ kind: "stepDown", reason: "the disk hangs" });
  assertEquals(leader.role, "follower");
  assertEquals(leader.takeReady().messages, []);
  for (let ms = 100; ms < ELECTION_MAX_MS; ms += 50) {
    leader.step({ kind: "tick", nowMs: stage.nowMs + 100 + ms });
    assertEquals(leader.role, "follower");
  }
});
