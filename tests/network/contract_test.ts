/** What every `RaftNetwork` must do, run on each implementation. */

import { NodeId } from "../../src/base/mod.ts";
import { MESSAGE_KINDS, messageFrameBytes } from "../../src/network/mod.ts";
import { type PeerMessage, RECORD_HEADER_BYTES } from "../../src/raft/mod.ts";
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertStringIncludes,
} from "../support/assert.ts";
import { appendOf, chunkOf, ofLink, sampleMessages } from "./samples.ts";
import {
  MemoryWorld,
  meshed,
  TcpWorld,
  type TestNode,
  VirtualTcpWorld,
  type World,
} from "./world.ts";

const ONE = NodeId(1);
const TWO = NodeId(2);

function contract(name: string, run: (world: World) => Promise<void>): void {
  for (
    const makeWorld of [
      () => new MemoryWorld(),
      () => new VirtualTcpWorld(),
      () => new TcpWorld("deno"),
      () => new TcpWorld("node"),
    ]
  ) {
    const world = makeWorld();
    Deno.test(`${world.name}: ${name}`, async () => {
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  }
}

async function pair(world: World): Promise<[TestNode, TestNode]> {
  const one = await world.start({ id: 1 });
  const two = await world.start({ id: 2 });
  await world.until("both are connected", () => meshed([one, two]));
  return [one, two];
}

function comparable(message: PeerMessage): unknown {
  return message.kind === "forwardedBatch"
    ? { ...message, record: message.record.slice(RECORD_HEADER_BYTES) }
    : message;
}

contract("every kind of message arrives once, equal and in order", async (world) => {
  const [one, two] = await pair(world);
  const messages = sampleMessages(ONE, TWO);
  for (const message of messages) assert(one.network.send(message), message.kind);
  one.network.flush();
  await world.until("all arrived", () => two.messages.length === messages.length);
  // In order on each of the two links.
  for (const bulk of [false, true]) {
    const got = ofLink(two.messages, bulk).map(comparable);
    assertEquals(got, ofLink(messages, bulk).map(comparable));
  }
  assertEquals(one.messages, []);
  const sent = one.network.stats();
  const received = two.network.stats();
  assertEquals(sent.messagesSent, messages.length);
  assertEquals(received.messagesReceived, messages.length);
  const bytes = messages.reduce((sum, message) => sum + messageFrameBytes(message), 0);
  assertGreaterOrEqual(sent.bytesSent, bytes);
  assertGreaterOrEqual(received.bytesReceived, bytes);
  for (const kind of MESSAGE_KINDS) {
    const count = messages.filter((message) => message.kind === kind).length;
    assertEquals([sent.sentByKind[kind], received.receivedByKind[kind]], [count, count], kind);
  }
});

contract("nothing leaves before flush", async (world) => {
  const [one, two] = await pair(world);
  const [message] = sampleMessages(ONE, TWO);
  one.network.send(message);
  two.network.send(sampleMessages(TWO, ONE)[0]);
  two.network.flush();
  await world.until("the flushed one arrived", () => one.messages.length === 1);
  assertEquals(two.messages, []);
  one.network.flush();
  await world.until("the other arrived", () => two.messages.length === 1);
});

contract(
  "a message for a peer that is not there is dropped and never comes late",
  async (world) => {
    const one = await world.start({ id: 1 });
    const early = sampleMessages(ONE, TWO)[0];
    assertEquals(one.network.send(early), false);
    one.network.flush();
    assertEquals(one.network.stats().messagesDropped, 1);
    assertEquals(one.network.isConnected(TWO), false);
    const two = await world.start({ id: 2 });
    await world.until("both are connected", () => meshed([one, two]));
    const late = sampleMessages(ONE, TWO)[1];
    assertEquals(one.network.send(late), true);
    one.network.flush();
    await world.until("a message arrived", () => two.messages.length > 0);
    assertEquals(two.messages, [late]);
  },
);

contract("a message to a stranger is dropped", async (world) => {
  const one = await world.start({ id: 1 });
  assertEquals(one.network.send(sampleMessages(ONE, NodeId(99))[0]), false);
  assertEquals(one.network.stats().messagesDropped, 1);
});

contract("three nodes reach each other, each is told once", async (world) => {
  const nodes = await Promise.all([1, 2, 3].map((id) => world.start({ id })));
  await world.until("all are connected", () => meshed(nodes));
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node).map(({ id }) => Number(id));
    assertEquals([...node.ups].sort(), others);
    for (const other of others) node.network.send(sampleMessages(node.id, NodeId(other))[0]);
    node.network.flush();
  }
  await world.until("all arrived", () => nodes.every(({ messages }) => messages.length === 2));
  for (const node of nodes) {
    for (const message of node.messages) assertEquals(message.to, node.id);
    assertEquals(node.network.stats().reconnects, 0);
  }
});

contract("a death is reported once, a return connects again", async (world) => {
  const [one, two] = await pair(world);
  world.kill(two);
  await world.until("the death is reported", () => one.closed.length > 0);
  await world.until("the link is down", () => !one.network.isConnected(TWO));
  assertEquals(one.network.send(sampleMessages(ONE, TWO)[0]), false);
  const again = await world.start({ id: 2, incarnation: 2 });
  await world.until("both are connected", () => meshed([one, again]));
  assertEquals(one.closed, [2]);
  assertEquals(one.ups, [2, 2]);
  assertEquals(one.network.stats().reconnects, 1);
  assertEquals(two.closed, []);
  one.network.send(sampleMessages(ONE, TWO)[0]);
  one.network.flush();
  await world.until("a message arrived", () => again.messages.length === 1);
  assertEquals(two.messages, []);
});

contract("what was flushed before close arrives; only the others are told", async (world) => {
  const [one, two] = await pair(world);
  const count = 200;
  for (let i = 0; i < count; i++) two.network.send(appendOf(TWO, ONE, i));
  two.network.flush();
  let closed = false;
  void two.network.close().then(() => closed = true);
  await world.until("all arrived", () => one.messages.length === count);
  await world.until("the end is reported", () => one.closed.length === 1);
  await world.until("close resolves", () => closed);
  assertEquals(two.closed, []);
});

contract(
  "what is large arrives in order; a death with all links up is one death",
  async (world) => {
    const [one, two] = await pair(world);
    for (let chunk = 0; chunk < 20; chunk++) {
      assert(one.network.send(chunkOf(ONE, TWO, chunk, 100_000)), `chunk ${chunk}`);
      assert(two.network.send(chunkOf(TWO, ONE, chunk, chunk)), `chunk ${chunk} back`);
      one.network.flush();
      two.network.flush();
    }
    await world.until("all arrived", () => two.messages.length + one.messages.length === 40);
    const numbers = ({ messages }: TestNode) =>
      messages.map((message) => message.kind === "snapshotChunk" ? message.chunk : -1);
    const rising = Array.from({ length: 20 }, (_, chunk) => chunk);
    assertEquals([numbers(one), numbers(two)], [rising, rising]);
    assertEquals(one.network.stats().sentByKind.snapshotChunk, 20);
    assertEquals([one.ups, one.closed], [[2], []]);
    world.kill(two);
    await world.until("the death is reported", () => one.closed.length > 0);
    await world.until("the link is down", () => !one.network.isConnected(TWO));
    assertEquals(one.network.send(chunkOf(ONE, TWO, 1, 1)), false);
    const again = await world.start({ id: 2, incarnation: 2 });
    await world.until("both are connected", () => meshed([one, again]));
    assert(one.network.send(chunkOf(ONE, TWO, 7, 7)), "a chunk for the next process");
    one.network.flush();
    await world.until("it arrived", () => again.messages.length === 1);
    assertEquals(one.closed, [2]);
  },
);

contract("large and many messages arrive in order", async (world) => {
  const [one, two] = await pair(world);
  const sizes = Array.from({ length: 1000 }, (_, i) => i % 100 === 0 ? 300_000 : i);
  for (let next = 0; next < sizes.length;) {
    for (let burst = 0; burst < 50; burst++) {
      assert(one.network.send(appendOf(ONE, TWO, sizes[next++])), `message ${next}`);
    }
    one.network.flush();
    await world.until("most arrived", () => two.messages.length >= next - 100);
  }
  await world.until("all arrived", () => two.messages.length === sizes.length);
  const got = two.messages.map((message) =>
    message.kind === "appendEntries" ? message.entries[0].record.length - RECORD_HEADER_BYTES : -1
  );
  assertEquals(got, sizes);
});

contract("a process tells where it wants to be dialled, before it is up", async (world) => {
  const one = await world.start({ id: 1 });
  const two = await world.start({ id: 2, featureLevel: 3 });
  await world.until("both are connected", () => meshed([one, two]));
  const { hostname, port } = world.addressOf(two);
  const { peer, raftAddress, featureLevel } = one.hellos[0];
  assertEquals([peer, raftAddress, featureLevel], [2, `${hostname}:${port}`, 3]);
  assertEquals(two.hellos[0].featureLevel, 1);
});

contract("a process that this node does not know is taken in and called back", async (world) => {
  const one = await world.start({ id: 1, peers: [] });
  const nine = await world.start({ id: 9, peers: [1] });
  await world.until("both are connected", () => meshed([one, nine]));
  assertEquals(one.hellos[0].peer, 9);
  one.network.send(sampleMessages(ONE, nine.id)[0]);
  nine.network.send(sampleMessages(nine.id, ONE)[1]);
  one.network.flush();
  nine.network.flush();
  await world.until("both heard", () => one.messages.length + nine.messages.length === 2);
  assertEquals([one.refusals, nine.refusals], [[], []]);
  world.kill(nine);
  await world.until("its death is reported", () => one.closed.length > 0);
  assertEquals(one.closed, [9]);
});

contract("a peer that is set later is connected", async (world) => {
  const one = await world.start({ id: 1, peers: [] });
  const two = await world.start({ id: 2, peers: [] });
  one.network.setPeer(world.addressOf(two));
  await world.until("both are connected", () => meshed([one, two]));
  one.network.setPeer(world.addressOf(two));
  one.network.send(sampleMessages(ONE, TWO)[0]);
  one.network.flush();
  await world.until("a message arrived", () => two.messages.length === 1);
  assertEquals([one.ups, one.closed], [[2], []]);
});

contract("a removed peer gets what was flushed, then is refused until it is set", async (world) => {
  const [one, two] = await pair(world);
  one.network.send(sampleMessages(ONE, TWO)[0]);
  one.network.flush();
  one.network.removePeer(TWO);
  await world.until("node 2 is refused", () => two.refusals.length > 0);
  assertEquals([two.refusals[0].peer, two.refusals[0].code], [1, "removed"]);
  assertEquals(two.messages.length, 1);
  assertEquals([one.network.isConnected(TWO), two.network.isConnected(ONE)], [false, false]);
  assertEquals(one.network.send(sampleMessages(ONE, TWO)[0]), false);
  assertEquals([one.closed, two.closed], [[], []]);
  assertEquals([one.ups, two.ups], [[2], [1]]);
  one.network.setPeer(world.addressOf(two));
  await world.until("both are connected", () => meshed([one, two]));
});

contract("tombstones are refused, these and no others", async (world) => {
  const nodes = await Promise.all([1, 2, 3].map((id) => world.start({ id })));
  const [one, two, three] = nodes;
  await world.until("all are connected", () => meshed(nodes));
  one.network.setRemoved([TWO, NodeId(3)]);
  await world.until("2 is refused", () => two.refusals.length > 0);
  await world.until("3 is refused", () => three.refusals.length > 0);
  one.network.setRemoved([TWO]);
  three.network.setPeer(world.addressOf(one));
  await world.until("1 and 3 are connected", () => meshed([one, three]));
  assertEquals(two.network.isConnected(ONE), false);
  assertEquals(two.refusals.at(-1)?.code, "removed");
  assert(meshed([two, three]), "the other two did not part");
  assertEquals(nodes.flatMap(({ closed }) => closed), []);
});

contract("a program that is too old for the cluster is told so", async (world) => {
  const one = await world.start({ id: 1, featureLevel: 3 });
  one.network.setFeatureLevel(2);
  const two = await world.start({ id: 2, featureLevel: 1 });
  await world.until("node 2 is refused", () => two.refusals.length > 0);
  const [{ peer, code, text }] = two.refusals;
  assertEquals([peer, code], [1, "featureLevel"]);
  assertStringIncludes(text, "feature level 1");
  assertEquals([one.ups, two.ups], [[], []]);
  const three = await world.start({ id: 3, featureLevel: 2 });
  await world.until("node 3 is connected", () => meshed([one, three]));
});
