/** Links under faults that need a clock of their own: silence, cuts, full queues, damage. */

import { ByteWriter, DecodeError, LogIndex, NodeId, Prng, Term } from "../../src/base/mod.ts";
import {
  FRAME_HEAD_BYTES,
  FRAME_HELLO,
  FRAME_PROOF,
  FRAME_WELCOME,
} from "../../src/network/frame.ts";
import { messageFrameBytes, writeMessage } from "../../src/network/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
  assertRejects,
} from "../support/assert.ts";
import { appendOf, ofLink, sampleMessages } from "./samples.ts";
import { handshake, helloFor, Stranger } from "./stranger.ts";
import { hostOf, meshed, type NodeOptions, type TestNode, VirtualTcpWorld } from "./world.ts";

const ONE = NodeId(1);
const TWO = NodeId(2);

function heartbeat(from: NodeId, to: NodeId, round: number): PeerMessage {
  const envelope = { from, to, term: Term(1) };
  const commitIndex = LogIndex(1);
  return { kind: "heartbeat", ...envelope, commitIndex, readRound: round, wantsReply: true };
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

Deno.test("E13: a silent partition is noticed within four ping intervals, and is no death", () =>
  withPair(undefined, async (world, one, two) => {
    await world.clock.run(60_000);
    assert(meshed([one, two]), "an idle link stays up for a minute");
    assertEquals(one.network.stats().silentLinks, 0);
    const cutMs = world.clock.nowMs();
    world.net.cut(hostOf(1), hostOf(2));
    world.net.cut(hostOf(2), hostOf(1));
    await world.until("node 1 notices", () => !one.network.isConnected(TWO));
    await world.until("node 2 notices", () => !two.network.isConnected(ONE));
    assertLessOrEqual(world.clock.nowMs() - cutMs, 4 * 500);
    assertGreaterOrEqual(world.clock.nowMs() - cutMs, 2 * 500);
    await world.clock.run(30_000);
    world.net.heal();
    const healMs = world.clock.nowMs();
    await world.until("both are connected", () => meshed([one, two]));
    assertLess(world.clock.nowMs() - healMs, 3500);
    await world.clock.run(5000);
    assertEquals([one.closed, two.closed], [[], []]);
    assertEquals(one.network.stats().reconnects, 1);
    assertGreaterOrEqual(one.network.stats().silentLinks, 1);
    assertEquals(world.net.openOn(hostOf(1)), 2, "no connection is left behind");
  }));

Deno.test("N5: a way that is open in one direction only is noticed, and is no death", () =>
  withPair(undefined, async (world, one, two) => {
    world.net.cut(hostOf(2), hostOf(1));
    await world.until("node 1 hears no answers", () => !one.network.isConnected(TWO));
    await world.until("node 2 hears no answers", () => !two.network.isConnected(ONE));
    await world.clock.run(10_000);
    world.net.heal();
    await world.until("both are connected", () => meshed([one, two]));
    assertEquals([one.closed, two.closed], [[], []]);
  }));

Deno.test("a large frame on a slow line is not silence", () =>
  withPair({ pingIntervalMs: 100 }, async (world, one, two) => {
    world.net.pieceMs = 50;
    assert(one.network.send(appendOf(ONE, TWO, 2_000_000)), "the append is queued");
    one.network.flush();
    await world.until("it arrived", () => two.messages.length === 1);
    assertEquals(one.network.stats().silentLinks + two.network.stats().silentLinks, 0);
    assertEquals(one.network.stats().reconnects, 0);
  }));

Deno.test("dials pause longer and longer, never in step, and at most a second", async () => {
  const world = new VirtualTcpWorld();
  await world.start({ id: 1 });
  await world.clock.run(20_000);
  const times = world.net.dials.filter(({ to }) => to === hostOf(2)).map(({ atMs }) => atMs);
  const pauses = times.slice(1).map((atMs, i) => atMs - times[i]);
  assertLessOrEqual(pauses[0], 21);
  for (const [i, pause] of pauses.entries()) {
    const fullMs = Math.min(1000, 20 * 2 ** i);
    assertGreaterOrEqual(pause, fullMs / 2, `pause ${i}`);
    assertLessOrEqual(pause, fullMs + 1, `pause ${i}`);
  }
  const late = pauses.slice(6);
  assertGreaterOrEqual(late.length, 15);
  assertGreaterOrEqual(new Set(late).size, 10, "pauses differ");
  await world.close();
});

Deno.test("a peer that dials is dialled back at once", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  await world.clock.run(30_000);
  const startMs = world.clock.nowMs();
  await world.start({ id: 2 });
  await world.until("node 1 can send", () => one.network.isConnected(TWO));
  assertLess(world.clock.nowMs() - startMs, 5);
  await world.close();
});

Deno.test("a full queue drops appends, then heartbeats too; what was queued arrives", () =>
  withPair({ queueBytesMax: 10_000, queueReserveBytes: 200 }, async (world, one, two) => {
    world.net.cut(hostOf(1), hostOf(2));
    let appends = 0;
    while (one.network.send(appendOf(ONE, TWO, 1000))) appends++;
    one.network.flush();
    const appendBytes = messageFrameBytes(appendOf(ONE, TWO, 1000));
    assertEquals(appends, Math.floor(10_000 / appendBytes));
    let heartbeats = 0;
    while (one.network.send(heartbeat(ONE, TWO, heartbeats))) heartbeats++;
    one.network.flush();
    assertGreaterOrEqual(heartbeats, 4);
    assertEquals(one.network.stats().messagesDropped, 2);
    assertEquals(one.network.stats().messagesSent, appends + heartbeats);
    world.net.heal();
    await world.until("all arrived", () => two.messages.length === appends + heartbeats);
    assertEquals(
      two.messages.map(({ kind }) => kind),
      [...Array(appends).fill("appendEntries"), ...Array(heartbeats).fill("heartbeat")],
    );
    assert(one.network.send(appendOf(ONE, TWO, 1000)), "there is room again");
  }));

Deno.test("one message larger than the queue passes when the queue is empty", () =>
  withPair({ queueBytesMax: 10_000 }, async (world, one, two) => {
    assert(one.network.send(appendOf(ONE, TWO, 50_000)), "the large one");
    assert(!one.network.send(appendOf(ONE, TWO, 10)), "nothing behind it");
    one.network.flush();
    await world.until("it arrived", () => two.messages.length === 1);
  }));

Deno.test("a message above the frame limit is dropped here and said once", () =>
  withPair({ frameBytesMax: 10_000 }, async (world, one, two) => {
    for (let i = 0; i < 3; i++) assert(!one.network.send(appendOf(ONE, TWO, 10_000)), `${i}`);
    assertEquals(one.network.stats().messagesDropped, 3);
    assertEquals(one.lines.filter((line) => line.startsWith("Cannot send")).length, 1);
    await world.clock.run(1000);
    assert(meshed([one, two]), "the link stays up");
  }));

Deno.test("bytes that come in pieces of any size make the same messages", async () => {
  for (const chunkBytesMax of [1, 7, 53]) {
    await withPair(undefined, async (world, one, two) => {
      world.net.chunkBytesMax = chunkBytesMax;
      const messages = sampleMessages(ONE, TWO).filter(({ kind }) => kind !== "forwardedBatch");
      for (const message of messages) one.network.send(message);
      one.network.flush();
      await world.until("all arrived", () => two.messages.length === messages.length);
      for (const bulk of [false, true]) {
        assertEquals(ofLink(two.messages, bulk), ofLink(messages, bulk));
      }
    });
  }
});

Deno.test("N10: a damaged link delivers nothing wrong, is counted and comes back", () =>
  withPair(undefined, async (world, one, two) => {
    const seed = 40;
    const random = new Prng(seed);
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      let armed = true;
      world.net.onPiece = (bytes, from) => {
        if (!armed || from !== hostOf(1) || bytes.length < 100) return;
        armed = false;
        bytes[random.between(0, bytes.length - 1)] ^= 1 << random.between(0, 7);
      };
      const messages = Array.from({ length: 5 }, (_, i) => appendOf(ONE, TWO, 100 + i));
      two.messages.length = 0;
      for (const message of messages) assert(one.network.send(message), `round ${round}`);
      one.network.flush();
      await world.until(
        "the damage is seen",
        () => two.network.stats().damagedFrames === round + 1,
      );
      const got = two.messages.length;
      assertLess(got, messages.length, `seed ${seed}, round ${round}`);
      assertEquals(two.messages, messages.slice(0, got), `seed ${seed}, round ${round}`);
      await world.until("node 1 notices", () => !one.network.isConnected(TWO));
      await world.until("both are connected", () => meshed([one, two]));
    }
    assertEquals([one.closed, two.closed], [[], []]);
    assertEquals(one.network.stats().reconnects, rounds);
  }));

Deno.test("E40, N11: a peer that sends what it must not is dropped", async () => {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  const bad: [string, (out: ByteWriter) => void][] = [
    ["another sender", (out) => writeMessage(out, heartbeat(NodeId(3), ONE, 1))],
    ["another receiver", (out) => writeMessage(out, heartbeat(TWO, NodeId(3), 1))],
    ["this node as sender", (out) => writeMessage(out, heartbeat(ONE, ONE, 1))],
    ["an empty head", (out) => out.bytes(head)],
    ["above the limit", (out) => writeMessage(out, appendOf(TWO, ONE, 100_000))],
  ];
  for (const [name, write] of bad) {
    const world = new VirtualTcpWorld();
    const one = await world.start({ id: 1, limits: { frameBytesMax: 50_000 } });
    const stranger = await Stranger.dial(world);
    assertEquals((await handshake(world, stranger, helloFor())).type, FRAME_WELCOME);
    const out = new ByteWriter();
    write(out);
    writeMessage(out, heartbeat(TWO, ONE, 2));
    stranger.send(out.view().slice());
    await world.until(`${name}: dropped`, () => stranger.closed);
    assertEquals([one.network.stats().damagedFrames, one.messages.length], [1, 0], name);
    assertEquals(one.closed, [], name);
    await world.close();
  }
});

Deno.test("E40: frames of a handshake have no place on a link that is up", async () => {
  for (const type of [FRAME_HELLO, FRAME_PROOF, FRAME_WELCOME, 200]) {
    const world = new VirtualTcpWorld();
    const one = await world.start({ id: 1 });
    const stranger = await Stranger.dial(world);
    await handshake(world, stranger, helloFor());
    stranger.sendFrame(type, helloFor());
    await world.until(`type ${type} is dropped`, () => stranger.closed);
    assertEquals(one.network.stats().damagedFrames, 1);
    await world.close();
  }
});

Deno.test("what a handler throws is not taken for damage", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const two = await world.start({
    id: 2,
    onMessage: () => {
      throw new DecodeError("thrown by the handler");
    },
  });
  await world.until("both are connected", () => meshed([one, two]));
  one.network.send(heartbeat(ONE, TWO, 1));
  one.network.flush();
  await assertRejects(() => world.clock.run(100), DecodeError, "thrown by the handler");
  assertEquals(two.network.stats().damagedFrames, 0);
  await world.close();
});

Deno.test("close leaves no connection and no dial behind", () =>
  withPair(undefined, async (world, one, two) => {
    let closed = false;
    void one.network.close().then(() => closed = true);
    await world.until("close resolves", () => closed);
    assertEquals(world.net.openOn(hostOf(1)), 0);
    const dials = world.net.dials.filter(({ from }) => from === hostOf(1)).length;
    await world.clock.run(10_000);
    assertEquals(world.net.dials.filter(({ from }) => from === hostOf(1)).length, dials);
    assertEquals([one.closed, two.closed], [[], [1]]);
    assertEquals(one.network.send(heartbeat(ONE, TWO, 1)), false);
  }));
