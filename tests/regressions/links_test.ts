/** Links and messages that have stopped or crashed other Raft stores for Redis. */

import { LogIndex, NodeId, Prng, Term } from "../../src/base/mod.ts";
import type { RaftMessage } from "../../src/raft/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { entry, id, makeRaft, settle } from "../raft/lab/stage.ts";
import { sampleMessages } from "../network/samples.ts";
import { hostOf, meshed, TcpWorld, type TestNode, VirtualTcpWorld } from "../network/world.ts";
import { type Answer, send, VirtualCluster } from "../node/virtual_cluster.ts";

Deno.test("RedisRaft 21: writes that wait do not hold up votes and heartbeats: ten idle minutes, no error", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const { term } = leader.node.raft;
  const answers: Answer[] = [];
  const ask = () => {
    for (const { node } of cluster.live.values()) {
      answers.push(send(node.openLane(), "INCR", "n"), send(node.openLane(), "GET", "n"));
    }
  };
  // Nothing is answered for longer than an election takes: no disk syncs.
  let release = () => {};
  const until = new Promise<void>((resolve) => release = resolve);
  for (const disk of cluster.disks.values()) {
    disk.fault = ({ kind }) => kind === "sync" ? { kind: "hang", until } : undefined;
  }
  for (let step = 0; step < 150; step++) {
    ask();
    await cluster.clock.run(10);
    for (const { node } of cluster.live.values()) {
      assertEquals(node.raft.leaderId, leader.node.options.id, `after ${step * 10} ms`);
    }
  }
  for (const disk of cluster.disks.values()) disk.fault = undefined;
  release();
  for (let step = 0; step < 200; step++) {
    ask();
    await cluster.clock.run(3000);
  }
  assertEquals(answers.filter(({ text }) => text === undefined || text.startsWith("!")), []);
  for (const { node } of cluster.live.values()) assertEquals(node.raft.term, term);
});

/** Whether everything that node 2 sends arrives at node 1, in order. */
async function exchange(world: TcpWorld | VirtualTcpWorld, one: TestNode, two: TestNode) {
  const before = one.messages.length;
  const messages = sampleMessages(two.id, one.id).filter(({ kind }) => kind === "heartbeat");
  for (const message of messages) two.network.send(message);
  two.network.flush();
  await world.until("messages pass", () => one.messages.length >= before + messages.length);
}

for (const adapter of ["deno", "node"] as const) {
  Deno.test(`RedisRaft 49: peers that come and go at any moment, on ${adapter}`, async () => {
    const world = new TcpWorld(adapter);
    const one = await world.start({ id: 1, peers: [2] });
    const prng = new Prng(1);
    for (let round = 1; round <= 25; round++) {
      const two = await world.start({ id: 2, incarnation: round, peers: [1] });
      // While it dials, during its handshakes, with the links up, with messages under way.
      if (round % 5 !== 0) {
        await new Promise((resolve) => setTimeout(resolve, prng.between(0, 8)));
      } else {
        await world.until("both are connected", () => meshed([one, two]));
        for (const message of sampleMessages(two.id, one.id)) two.network.send(message);
        two.network.flush();
      }
      if (round % 2 === 0) world.kill(two);
      else await two.network.close();
    }
    const last = await world.start({ id: 2, incarnation: 26, peers: [1] });
    await world.until("both are connected", () => meshed([one, last]));
    await exchange(world, one, last);
    assert(one.closed.length >= 5, `node 1 heard of ${one.closed.length} ends`);
    await world.close();
  });
}

Deno.test("RedisRaft 50: a connection that ends at any step of coming up, on either side", async () => {
  for (const side of [1, 2]) {
    for (const how of ["close", "destroy", "damage"] as const) {
      let pieces = Infinity;
      for (let at = 1; at <= pieces; at++) {
        const world = new VirtualTcpWorld();
        let piece = 0;
        world.net.onPiece = (bytes) => {
          if (++piece !== at) return;
          if (how === "damage") bytes[bytes.length >> 1] ^= 16;
          else for (const connection of world.accepted.get(hostOf(side)) ?? []) connection[how]();
        };
        const one = await world.start({ id: 1, peers: [2] });
        const two = await world.start({ id: 2, peers: [1] });
        await world.until(`links are up: ${side} ${how} ${at}`, () => meshed([one, two]));
        if (pieces === Infinity) await world.clock.run(5);
        // What it takes without a fault, and some more.
        if (at === 1) pieces = piece + 5;
        await world.clock.run(3000);
        assert(meshed([one, two]), `${side} ${how} ${at}: the links stay up`);
        await exchange(world, one, two);
        await exchange(world, two, one);
        // A link for each direction, and nothing that was left behind.
        assertEquals(world.net.openOn(hostOf(1)), 2, `${side} ${how} ${at}`);
        await world.close();
      }
      assert(pieces > 8, `found only ${pieces} steps`);
    }
  }
});

/** Messages of every kind, as any sender may say them. */
function messagesOf(from: number, term: number): RaftMessage[] {
  const envelope = { from: NodeId(from), to: NodeId(1), term: Term(term) };
  const last = id(Math.max(1, term - 1), 3);
  const messages: RaftMessage[] = [
    { kind: "heartbeat", ...envelope, commitIndex: LogIndex(2), readRound: 7, wantsReply: true },
    { kind: "heartbeatReply", ...envelope, readRound: 1e6, leaseMs: 500 },
    { kind: "readIndex", ...envelope, readId: 3 },
    { kind: "readIndexReply", ...envelope, readId: 3, index: LogIndex(2), clockMs: 5 },
    { kind: "readIndexReply", ...envelope, readId: 3, clockMs: 0 },
    { kind: "timeoutNow", ...envelope },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(900) },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(3) },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(3), conflict: id(1, 1) },
    { kind: "appendEntriesReply", ...envelope, index: LogIndex(900), conflict: id(9, 800) },
    {
      kind: "appendEntries",
      ...envelope,
      prev: id(1, 2),
      entries: [entry(1, 3)],
      commitIndex: LogIndex(900),
    },
    {
      kind: "appendEntries",
      ...envelope,
      prev: id(9, 700),
      entries: [],
      commitIndex: LogIndex(900),
    },
  ];
  for (const preVote of [true, false]) {
    messages.push({ kind: "requestVote", ...envelope, preVote, transfer: !preVote, last });
    for (const granted of [true, false]) {
      messages.push({ kind: "requestVoteReply", ...envelope, preVote, granted });
    }
  }
  return messages;
}

const OF_LEADERS = new Set<RaftMessage["kind"]>(["heartbeat", "appendEntries", "timeoutNow"]);

Deno.test("RedisRaft 643 to 651: every message, from anybody, of any term, in every role", () => {
  const roles = ["follower", "preCandidate", "candidate", "leader", "learner"] as const;
  let handled = 0;
  for (const role of roles) {
    // Members, a stranger, one that was removed, and this node itself.
    for (const from of [2, 3, 77, 9, 1]) {
      for (const term of [0, 1, 2, 3, 50]) {
        for (const [at, message] of messagesOf(from, term).entries()) {
          const raft = inRole(role);
          // Two leaders of one term, which only a broken peer can be, have a test of their own.
          if (role === "leader" && term === raft.term && OF_LEADERS.has(message.kind)) continue;
          const before = { commit: raft.commitIndex, term: raft.term };
          raft.step({ kind: "message", message });
          raft.step({ kind: "peerClosed", peer: NodeId(from) });
          raft.step({ kind: "message", message: { ...message } });
          for (let turn = 0; turn < 3; turn++) settle(raft);
          raft.step({ kind: "tick", nowMs: 5001 });
          settle(raft);
          const name = `${role}: ${message.kind} ${at} of node ${from}, term ${term}`;
          assert(raft.commitIndex <= Math.max(3, before.commit), name);
          assert(raft.term >= before.term, name);
          handled++;
        }
      }
    }
  }
  assertEquals(handled > 1800, true, `${handled}`);
});

/** Node 1 of three in term 2, with three entries; 9 was removed. */
function inRole(role: "follower" | "preCandidate" | "candidate" | "leader" | "learner") {
  const voters = role === "learner" ? [2, 3, 4] : [1, 2, 3];
  const term = role === "candidate" || role === "leader" ? 1 : 2;
  const raft = makeRaft({ id: 1, voters, removed: [9], term, logTerms: [1, 1, 1] });
  for (let nowMs = 0; nowMs < 4000 && raft.role === "follower"; nowMs += 100) {
    if (role === "follower") break;
    raft.step({ kind: "tick", nowMs });
  }
  raft.step({ kind: "tick", nowMs: 4000 });
  settle(raft);
  const reply = (preVote: boolean, of: number) =>
    raft.step({
      kind: "message",
      message: {
        kind: "requestVoteReply",
        from: NodeId(2),
        to: NodeId(1),
        term: Term(of),
        preVote,
        granted: true,
      },
    });
  if (role === "candidate" || role === "leader") reply(true, 2);
  settle(raft);
  if (role === "leader") reply(false, 2);
  settle(raft);
  assertEquals(raft.role, role);
  assertEquals(Number(raft.term), 2);
  return raft;
}
