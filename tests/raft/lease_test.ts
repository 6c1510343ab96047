/** Reads by lease: when the leader may answer at once, and that nobody else can lead meanwhile. */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import type { Raft, RaftMessage } from "../../src/raft/mod.ts";
import { ELECTION_MIN_MS, HEARTBEAT_MS, id, makeRaft, propose, Stage } from "./lab/stage.ts";
import { deliver } from "./lab/stage.ts";
import { assert, assertEquals } from "../support/assert.ts";

const VOTERS = [1, 2, 3];
/** A lease is counted from when the heartbeat left and is a tenth shorter than the promise. */
const LEASE_MS = ELECTION_MIN_MS * 0.9;

function leaseStage(keepers: readonly number[] = VOTERS): Stage {
  const rafts = VOTERS.map((node) => makeRaft({ id: node, leaseReads: keepers.includes(node) }));
  const stage = stageAfterStart(rafts);
  stage.elect(1);
  stage.run(HEARTBEAT_MS);
  return stage;
}

/** What these nodes may have promised before they started is over. */
function stageAfterStart(rafts: Raft[]): Stage {
  const stage = new Stage(rafts);
  stage.nowMs = ELECTION_MIN_MS;
  for (const raft of rafts) raft.step({ kind: "tick", nowMs: stage.nowMs });
  return stage;
}

/** What node 1 answers at once, without a message. */
function readAlone(stage: Stage, readId: number): number | undefined {
  const carries = stage.carries;
  stage.carries = () => false;
  const leader = stage.raft(1);
  const before = leader.readsByLease;
  leader.step({ kind: "read", readId });
  const byLease = leader.readsByLease > before;
  stage.settle();
  stage.carries = carries;
  const read = stage.reads.find((one) => one.node === 1 && one.readId === readId);
  assertEquals(read !== undefined, byLease);
  return read?.index;
}

Deno.test("TestReadOnlyOptionLease: reads are answered at once while a majority's promises hold", () => {
  const stage = leaseStage();
  propose(stage.raft(1), "x");
  stage.settle();
  assertEquals(readAlone(stage, 1), stage.raft(1).commitIndex);
  // A follower's read needs one round trip to the leader and no round of heartbeats.
  const sentBefore = stage.sent.length;
  stage.raft(2).step({ kind: "read", readId: 1 });
  stage.settle();
  assertEquals(stage.sent.slice(sentBefore).map(({ kind }) => kind), [
    "readIndex",
    "readIndexReply",
  ]);
  assertEquals(stage.reads.at(-1), { node: 2, readId: 1, index: stage.raft(1).commitIndex });
});

Deno.test("a lease ends a tenth before the promises do", () => {
  const stage = leaseStage();
  const heartbeatMs = stage.raft(1).wakeAtMs - HEARTBEAT_MS;
  stage.carries = () => false;
  for (const [afterMs, held] of [[LEASE_MS - 1, true], [LEASE_MS, false]] as const) {
    for (let ms = stage.nowMs; ms < heartbeatMs + afterMs; ms += HEARTBEAT_MS) {
      stage.raft(1).step({ kind: "tick", nowMs: ms });
    }
    stage.nowMs = heartbeatMs + afterMs;
    stage.raft(1).step({ kind: "tick", nowMs: stage.nowMs });
    assertEquals(readAlone(stage, 100 + afterMs) !== undefined, held, `after ${afterMs} ms`);
  }
});

Deno.test("only voters that keep leases count, and they have to be a majority", () => {
  assert(readAlone(leaseStage([1, 2]), 1) !== undefined);
  assertEquals(readAlone(leaseStage([1]), 1), undefined);
  assertEquals(readAlone(leaseStage([2, 3]), 1), undefined, "the leader does not read by lease");
});

Deno.test("no lease before the term has committed an entry", () => {
  const stage = stageAfterStart(
    VOTERS.map((node) => makeRaft({ id: node, leaseReads: true })),
  );
  stage.carries = (message) => message.kind !== "appendEntriesReply";
  stage.elect(1);
  stage.run(HEARTBEAT_MS);
  assertEquals(readAlone(stage, 1), undefined);
  stage.carries = () => true;
  stage.run(2 * HEARTBEAT_MS);
  assert(readAlone(stage, 2) !== undefined);
});

Deno.test("no lease after a pause, after a suspend, or in a term in which a transfer began", () => {
  const paused = leaseStage();
  paused.raft(1).step({ kind: "tick", nowMs: paused.nowMs + 2 * HEARTBEAT_MS + 1 });
  assertEquals(readAlone(paused, 1), undefined, "paused");

  const suspended = leaseStage();
  suspended.raft(1).step({ kind: "suspended" });
  assertEquals(readAlone(suspended, 1), undefined, "suspended");
  suspended.run(2 * HEARTBEAT_MS);
  assert(readAlone(suspended, 2) !== undefined, "asked again since");

  const transferring = leaseStage();
  transferring.carries = (message) => message.kind !== "timeoutNow";
  transferring.raft(1).step({ kind: "transfer", to: NodeId(2) });
  transferring.run(ELECTION_MIN_MS + 2 * HEARTBEAT_MS);
  assertEquals([transferring.raft(1).role, transferring.raft(1).isTransferring], ["leader", false]);
  assertEquals(readAlone(transferring, 1), undefined, "it began to hand over in this term");
});

Deno.test("answers from before a suspend are no promises after it, though the same is asked again", () => {
  const stage = leaseStage();
  const leader = stage.raft(1);
  // A round of reads begins, and its answers stay on their way.
  leader.step({ kind: "suspended" });
  const late: RaftMessage[] = [];
  stage.carries = (message) => {
    if (message.kind === "heartbeatReply") late.push(message);
    return message.kind !== "heartbeatReply";
  };
  leader.step({ kind: "read", readId: 1 });
  stage.settle();
  assertEquals(late.map(({ from }) => from), [2, 3]);
  stage.carries = () => false;
  leader.step({ kind: "suspended" });
  // The heartbeat that is due asks the same again.
  stage.nowMs += HEARTBEAT_MS;
  leader.step({ kind: "tick", nowMs: stage.nowMs });
  stage.settle();
  for (const message of late) deliver(leader, message);
  stage.settle();
  assertEquals(readAlone(stage, 2), undefined);
});

Deno.test("a voter keeps its promise when the leader's connection closes, and after a restart", () => {
  const stage = leaseStage();
  const follower = stage.raft(2);
  const vote = (term: number, transfer = false) => ({
    kind: "requestVote" as const,
    from: NodeId(3),
    to: NodeId(2),
    term: Term(term),
    preVote: false,
    transfer,
    last: id(9, 9),
  });
  follower.step({ kind: "peerClosed", peer: NodeId(1) });
  assert(follower.wakeAtMs >= stage.nowMs + ELECTION_MIN_MS - HEARTBEAT_MS, "no quick election");
  assertEquals(deliver(follower, vote(5)).kind, "ignored");
  assertEquals(follower.term, 1);

  const restarted = makeRaft({ id: 2, leaseReads: true, logTerms: [1] });
  restarted.step({ kind: "tick", nowMs: ELECTION_MIN_MS - 1 });
  assertEquals(deliver(restarted, vote(1)).kind, "done");
  assertEquals([restarted.votedFor, deliver(restarted, vote(2)).kind], [undefined, "ignored"]);
  assertEquals(restarted.role, "follower");
  restarted.step({ kind: "tick", nowMs: ELECTION_MIN_MS });
  deliver(restarted, vote(2));
  assertEquals(restarted.votedFor, 3);

  deliver(follower, vote(6, true));
  assertEquals(follower.votedFor, 3, "a transfer is what the leader wants");
});

Deno.test("forget_leader_read_only_lease_based: whoever does not know a leader reads nothing", () => {
  const stage = leaseStage();
  stage.raft(2).step({ kind: "peerClosed", peer: NodeId(1) });
  assertEquals(stage.raft(2).step({ kind: "read", readId: 1 }), {
    kind: "refused",
    reason: "noLeader",
  });
});

Deno.test("a cluster of one reads at once, and leads at once after a restart", () => {
  const raft = makeRaft({ voters: [1], leaseReads: true, logTerms: [1, 1] });
  raft.step({ kind: "tick", nowMs: 1 });
  assertEquals(raft.role, "leader");
  raft.step({ kind: "persisted", number: raft.takeReady().number });
  raft.step({ kind: "read", readId: 1 });
  assertEquals(raft.takeReady().reads, [{ readId: 1, index: LogIndex(3), clockMs: 0 }]);
});
