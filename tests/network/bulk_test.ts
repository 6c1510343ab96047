/** The link for what is large: it comes when needed, goes when idle, and holds nobody up (D11). */

import { ByteWriter, LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { FRAME_REFUSED, FRAME_WELCOME } from "../../src/network/frame.ts";
import { messageFrameBytes, writeMessage } from "../../src/network/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertStringIncludes,
} from "../support/assert.ts";
import { chunkOf } from "./samples.ts";
import { handshake, helloFor, refusalOf, Stranger } from "./stranger.ts";
import { hostOf, meshed, type NodeOptions, type TestNode, VirtualTcpWorld } from "./world.ts";

const ONE = NodeId(1);
const TWO = NodeId(2);

function heartbeat(readRound: number): PeerMessage {
  const envelope = { from: ONE, to: TWO, term: Term(1) };
  const rest = { commitIndex: LogIndex(1), readRound, wantsReply: true };
  return { kind: "heartbeat", ...envelope, ...rest } as PeerMessage;
}

async function withPair(
  limits: NodeOptions["limits"],
  run: (world: VirtualTcpWorld, one: TestNode, two: TestNode) => Promise<void>,
): Promise<void> {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, limits });
  const two = await world.start({ id: 2, limits });
  await world.until("both are connected", () => meshed([one, two]));
  await run(world, one, two);
  await world.close();
}

const chunks = ({ messages }: TestNode) =>
  messages.filter(({ kind }) => kind === "snapshotChunk").length;
const dialsOf = (world: VirtualTcpWorld) =>
  world.net.dials.filter(({ from, to }) => from === hostOf(1) && to === hostOf(2)).length;

/** How long heartbeats take, one each 20 ms of virtual time. */
async function heartbeatDelays(
  world: VirtualTcpWorld,
  one: TestNode,
  two: TestNode,
  count: number,
) {
  const delays: number[] = [];
  for (let round = 1; round <= count; round++) {
    const sentMs = world.clock.nowMs();
    const heard = two.messages.filter(({ kind }) => kind === "heartbeat").length;
    assert(one.network.send(heartbeat(round)), "the heartbeat is queued");
    one.network.flush();
    const arrived = () => two.messages.filter(({ kind }) => kind === "heartbeat").length > heard;
    await world.until("a heartbeat", arrived);
    delays.push(world.clock.nowMs() - sentMs);
    await world.clock.run(20);
  }
  return delays;
}

Deno.test("there is no bulk link before something large is sent, and none when it was idle", () =>
  withPair({ bulkIdleMs: 5000 }, async (world, one, two) => {
    await world.clock.run(5000);
    const before = dialsOf(world);
    assertEquals(world.net.openOn(hostOf(1)), 2);
    for (let chunk = 0; chunk < 3; chunk++) {
      assert(one.network.send(chunkOf(ONE, TWO, chunk, 1000)), `chunk ${chunk}`);
      one.network.flush();
      await world.until("it arrived", () => chunks(two) === chunk + 1);
      await world.clock.run(3000);
    }
    assertEquals([dialsOf(world) - before, world.net.openOn(hostOf(1))], [1, 3]);
    await world.clock.run(10_001);
    assertEquals(world.net.openOn(hostOf(1)), 2, "the idle link is closed");
    assert(one.network.send(chunkOf(ONE, TWO, 3, 1000)), "a chunk later");
    one.network.flush();
    await world.until("it arrived", () => chunks(two) === 4);
    assertEquals(dialsOf(world) - before, 2);
    assertEquals([one.closed, two.closed, one.ups, two.ups], [[], [], [2], [1]]);
    assertEquals(one.network.stats().reconnects, 0);
  }));

Deno.test("a slow reader of what is large does not delay a heartbeat", () =>
  withPair({ bulkQueueBytesMax: 1_000_000 }, async (world, one, two) => {
    const usual = await heartbeatDelays(world, one, two, 20);
    one.network.send(chunkOf(ONE, TWO, 0, 1000));
    await world.until("a bulk link", () => chunks(two) === 1);
    const bulk = world.accepted.get(hostOf(2))!.at(-1)!;
    bulk.pause();
    let sent = 0;
    while (one.network.send(chunkOf(ONE, TWO, sent, 100_000))) {
      one.network.flush();
      assertLess(++sent, 100, "chunks in a bounded queue");
    }
    assertEquals(sent, Math.floor(1_000_000 / messageFrameBytes(chunkOf(ONE, TWO, 0, 100_000))));
    const delays = await heartbeatDelays(world, one, two, 40);
    assertEquals(chunks(two), 1, "nothing large has arrived");
    assertLessOrEqual(Math.max(...delays), Math.max(...usual));
    bulk.resume();
    await world.until("what was queued arrived", () => chunks(two) === sent + 1);
    assertEquals([one.closed, two.closed], [[], []]);
  }));

Deno.test("a bulk link that is stuck is dropped, is no death, and comes back when needed", () =>
  withPair(undefined, async (world, one, two) => {
    one.network.send(chunkOf(ONE, TWO, 0, 1000));
    await world.until("a bulk link", () => chunks(two) === 1);
    world.accepted.get(hostOf(2))!.at(-1)!.pause();
    assert(one.network.send(chunkOf(ONE, TWO, 1, 100_000)), "a chunk");
    one.network.flush();
    const delays = await heartbeatDelays(world, one, two, 200);
    assertLess(Math.max(...delays), 2);
    assertEquals(one.network.stats().silentLinks, 1);
    assert(meshed([one, two]), "the links for messages are up");
    assert(one.network.send(chunkOf(ONE, TWO, 2, 1000)), "a chunk on a new link");
    one.network.flush();
    await world.until("it arrived", () => chunks(two) === 2);
    assertEquals([one.closed, two.closed, one.ups, two.ups], [[], [], [2], [1]]);
  }));

Deno.test("the end of a bulk link, whoever closes it and how, is no death", async () => {
  await withPair(undefined, async (world, one, two) => {
    one.network.send(chunkOf(ONE, TWO, 0, 1000));
    await world.until("a bulk link", () => chunks(two) === 1);
    world.accepted.get(hostOf(2))!.at(-1)!.destroy();
    await world.clock.run(100);
    assert(one.network.send(chunkOf(ONE, TWO, 1, 1000)), "a chunk on a new link");
    await world.until("it arrived", () => chunks(two) === 2);
    assertEquals([one.closed, two.closed, one.ups, two.ups], [[], [], [2], [1]]);
  });
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const [messages, bulk] = [await Stranger.dial(world), await Stranger.dial(world)];
  await handshake(world, messages, helloFor());
  await handshake(world, bulk, helloFor({ purpose: "bulk" }));
  bulk.hangUp();
  await world.clock.run(100);
  assertEquals([bulk.closed, messages.closed, one.closed], [true, false, []]);
  messages.hangUp();
  await world.until("the end of the process is reported", () => one.closed.length === 1);
  await world.close();
});

Deno.test("after a failed dial what is large is dropped for a moment, not forever", () =>
  withPair(undefined, async (world, one, two) => {
    world.net.onPiece = (bytes, from, to) => {
      // The hello of the bulk link alone is damaged: it is the only frame of its size to node 2.
      if (from === hostOf(1) && to === hostOf(2) && bytes.length > 60) bytes[9] = 0xff;
    };
    assert(one.network.send(chunkOf(ONE, TWO, 0, 1000)), "queued until the link is there");
    await world.until("the failure", () => two.network.stats().damagedFrames > 0);
    await world.clock.run(1);
    assertEquals(one.network.send(chunkOf(ONE, TWO, 1, 1000)), false);
    assertEquals(one.network.stats().messagesDropped, 2);
    world.net.onPiece = () => {};
    await world.clock.run(2000);
    assert(one.network.send(chunkOf(ONE, TWO, 2, 1000)), "the next one");
    await world.until("it arrived", () => chunks(two) === 1);
    assertEquals([one.closed, two.closed], [[], []]);
  }));

Deno.test("E40: what belongs on the other link is damage", async () => {
  for (const [purpose, message] of [["bulk", "heartbeat"], ["messages", "chunk"]] as const) {
    const world = new VirtualTcpWorld();
    const one = await world.start({ id: 1 });
    const first = await Stranger.dial(world);
    assertEquals((await handshake(world, first, helloFor())).type, FRAME_WELCOME);
    const stranger = await Stranger.dial(world);
    assertEquals((await handshake(world, stranger, helloFor({ purpose }))).type, FRAME_WELCOME);
    const out = new ByteWriter();
    writeMessage(
      out,
      message === "chunk" ? chunkOf(TWO, ONE, 0, 10) : { ...heartbeat(1), from: TWO, to: ONE },
    );
    stranger.send(out.view().slice());
    await world.until(`${message} on ${purpose}: dropped`, () => stranger.closed);
    assertEquals([one.network.stats().damagedFrames, one.messages.length], [1, 0]);
    assertEquals(one.closed, []);
    await world.close();
  }
});

Deno.test("a bulk link of a process that has no other link is refused", async () => {
  const world = new VirtualTcpWorld();
  await world.start({ id: 1, peers: [] });
  const stranger = await Stranger.dial(world);
  const answer = await handshake(world, stranger, helloFor({ purpose: "bulk" }));
  assertEquals(answer.type, FRAME_REFUSED);
  assertEquals(refusalOf(answer).code, "purpose");
  assertStringIncludes(refusalOf(answer).text, "expected one for messages first");
  await world.close();
});

Deno.test("large messages fill their own queue, and no other", () =>
  withPair({ bulkQueueBytesMax: 10_000, queueBytesMax: 10_000 }, async (world, one, two) => {
    one.network.send(chunkOf(ONE, TWO, 0, 1000));
    await world.until("a bulk link", () => chunks(two) === 1);
    world.net.cut(hostOf(1), hostOf(2));
    let sent = 1;
    while (one.network.send(chunkOf(ONE, TWO, sent, 1000))) sent++;
    assertGreater(sent, 5);
    assert(one.network.send(heartbeat(1)), "a heartbeat has room");
    one.network.flush();
    world.net.heal();
    await world.until("all arrived", () => two.messages.length === sent + 1);
  }));
