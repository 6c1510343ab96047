/** Who is let in beside the known peers, who is turned away, and where peers are looked for. */

import { ByteWriter, NodeId, Prng, putU32 } from "../../src/base/mod.ts";
import {
  FRAME_HELLO,
  FRAME_PROOF,
  FRAME_REFUSED,
  FRAME_WELCOME,
  PREAMBLE,
  sealFrame,
  writeFrame,
} from "../../src/network/frame.ts";
import { assert, assertEquals, assertLess, assertStringIncludes } from "../support/assert.ts";
import { truncations } from "../support/codec_cases.ts";
import { sampleMessages } from "./samples.ts";
import { handshake, helloFor, proofOf, refusalOf, Stranger } from "./stranger.ts";
import { hostOf, meshed, VirtualTcpWorld } from "./world.ts";

Deno.test("of processes that this node was not told of, only so many are let in at a time", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, peers: [], limits: { learnedPeersMax: 2 } });
  const [seven, eight] = [await Stranger.dial(world), await Stranger.dial(world)];
  for (const [nodeId, stranger] of [[7, seven], [8, eight]] as const) {
    assertEquals((await handshake(world, stranger, helloFor({ nodeId }))).type, FRAME_WELCOME);
  }
  const third = await handshake(world, await Stranger.dial(world), helloFor({ nodeId: 9 }));
  assertEquals([third.type, refusalOf(third).code], [FRAME_REFUSED, "tooManyPeers"]);
  assertStringIncludes(refusalOf(third).text, "Cannot accept node 9: it is no member");
  // One that it is told of has its place.
  one.network.setPeer({ id: NodeId(9), hostname: "10.0.0.66", port: 7379 });
  const told = await handshake(world, await Stranger.dial(world), helloFor({ nodeId: 9 }));
  assertEquals(told.type, FRAME_WELCOME);
  seven.hangUp();
  await world.until("its end is reported", () => one.closed.length === 1);
  const later = await handshake(world, await Stranger.dial(world), helloFor({ nodeId: 10 }));
  assertEquals(later.type, FRAME_WELCOME, "the place of the one that left is free");
  assertEquals(one.closed, [7]);
  await world.close();
});

Deno.test("a process that was learned and left is not dialled any more", async () => {
  const world = new VirtualTcpWorld();
  await world.start({ id: 1, peers: [] });
  const stranger = await Stranger.dial(world);
  await handshake(world, stranger, helloFor({ nodeId: 7 }));
  const dials = () => world.net.dials.filter(({ to }) => to === "10.0.0.66").length;
  await world.clock.run(5000);
  assert(dials() > 0, "it is called back where it says");
  stranger.hangUp();
  await world.clock.run(100);
  const before = dials();
  await world.clock.run(10_000);
  assertEquals(dials(), before);
  await world.close();
});

Deno.test("RedisRaft 382: a peer that moved is found where it says, though this node was told another place", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, peers: [] });
  one.network.setPeer({ id: NodeId(2), hostname: "10.0.0.99", port: 7379 });
  await world.clock.run(10_000);
  const startMs = world.clock.nowMs();
  const two = await world.start({ id: 2, peers: [1] });
  await world.until("both are connected", () => meshed([one, two]));
  assertLess(world.clock.nowMs() - startMs, 1100);
  assertEquals(one.hellos[0].raftAddress, `${hostOf(2)}:7379`);
  await world.close();
});

Deno.test("a peer that says a place where it is not is found where this node was told", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, peers: [2] });
  const two = await world.start({ id: 2, peers: [1], advertise: "10.0.0.99:7379" });
  await world.until("both are connected", () => meshed([one, two]));
  world.net.cut(hostOf(1), hostOf(2));
  world.net.cut(hostOf(2), hostOf(1));
  await world.until("the partition is noticed", () => !one.network.isConnected(NodeId(2)));
  world.net.heal();
  await world.until("both are connected", () => meshed([one, two]));
  assertEquals(one.hellos[0].raftAddress, "10.0.0.99:7379");
  await world.close();
});

Deno.test("only who knows the secret is told that a node was removed", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  one.network.removePeer(NodeId(2));
  const guesser = await Stranger.dial(world);
  guesser.send(PREAMBLE);
  guesser.sendFrame(FRAME_HELLO, helloFor());
  await world.until("a challenge", () => guesser.frames.length === 1);
  guesser.sendFrame(FRAME_PROOF, new Uint8Array(32));
  await world.until("an answer", () => guesser.frames.length === 2);
  assertEquals(refusalOf(guesser.frames[1]).code, "wrongSecret");
  const answer = await handshake(world, await Stranger.dial(world), helloFor());
  assertEquals(refusalOf(answer).code, "removed");
  assertStringIncludes(refusalOf(answer).text, "start a node there with an empty data directory");
  assertEquals([one.hellos, one.ups, one.closed], [[], [], []]);
  await world.close();
});

Deno.test("a node that is removed during its handshake gets no link", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const stranger = await Stranger.dial(world);
  const hello = helloFor();
  stranger.send(PREAMBLE);
  stranger.sendFrame(FRAME_HELLO, hello);
  await world.until("a challenge", () => stranger.frames.length === 1);
  one.network.removePeer(NodeId(2));
  stranger.sendFrame(FRAME_PROOF, proofOf(hello, stranger.frames[0].fields));
  await world.until("an answer", () => stranger.frames.length === 2);
  assertEquals(refusalOf(stranger.frames[1]).code, "removed");
  assertEquals(one.hellos, []);
  await world.close();
});

/** A world with two connected nodes, to which whatever strangers send must make no difference. */
async function unmoved(
  run: (world: VirtualTcpWorld, damaged: () => number, refused: () => number) => Promise<void>,
): Promise<void> {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, peers: [3] });
  const three = await world.start({ id: 3, peers: [1] });
  await world.until("both are connected", () => meshed([one, three]));
  const before = [one.ups, one.hellos].map((list) => list.length);
  const stats = () => one.network.stats();
  await run(world, () => stats().damagedFrames, () => stats().handshakesRefused);
  assertEquals([one.ups, one.hellos].map((list) => list.length), before);
  assertEquals([one.closed, one.messages, one.refusals], [[], [], []]);
  assertEquals([stats().messagesReceived, stats().reconnects], [0, 0]);
  assert(meshed([one, three]), "the links are up");
  three.network.send(sampleMessages(three.id, one.id)[0]);
  three.network.flush();
  await world.until("messages pass", () => one.messages.length === 1);
  await world.close();
}

Deno.test("E40: a hello with any bit flipped, or cut short, is dropped and counted", () =>
  unmoved(async (world, damaged) => {
    const seed = 4042;
    const random = new Prng(seed);
    const out = new ByteWriter();
    writeFrame(out, FRAME_HELLO, helloFor());
    const whole = out.view().slice();
    for (let at = 0; at < whole.length; at++) {
      const stranger = await Stranger.dial(world);
      const bytes = whole.slice();
      bytes[at] ^= 1 << random.between(0, 7);
      stranger.send(PREAMBLE);
      stranger.send(bytes);
      // Enough behind it, so that a longer frame that the damage announces is there too.
      stranger.send(new Uint8Array(1100));
      await world.until(`seed ${seed}, byte ${at}: dropped`, () => stranger.closed);
      assertEquals([damaged(), stranger.frames.length], [at + 1, 0], `seed ${seed}, byte ${at}`);
    }
    const before = damaged();
    let cuts = 0;
    for (const { name, bytes } of truncations(helloFor())) {
      // Fields that are too short in a frame that is whole.
      const stranger = await Stranger.dial(world);
      stranger.send(PREAMBLE);
      stranger.sendFrame(FRAME_HELLO, bytes);
      await world.until(`${name}: dropped`, () => stranger.closed);
      assertEquals(damaged() - before, ++cuts, name);
    }
  }));

Deno.test("E40: a hello that was changed on its way does not fit its proof", () =>
  unmoved(async (world, damaged, refused) => {
    const seed = 4043;
    const random = new Prng(seed);
    const hello = helloFor();
    for (let at = 0; at < hello.length; at++) {
      const changed = hello.slice();
      changed[at] ^= 1 << random.between(0, 7);
      const stranger = await Stranger.dial(world);
      const before = damaged() + refused();
      stranger.send(PREAMBLE);
      stranger.sendFrame(FRAME_HELLO, changed);
      await world.until("an answer", () => stranger.closed || stranger.frames.length > 0);
      if (!stranger.closed && stranger.frames[0].type !== FRAME_REFUSED) {
        stranger.sendFrame(FRAME_PROOF, proofOf(hello, stranger.frames[0].fields));
      }
      await world.until(`seed ${seed}, byte ${at}: dropped`, () => stranger.closed);
      assertEquals(damaged() + refused(), before + 1, `seed ${seed}, byte ${at}`);
      assert(!stranger.frames.some(({ type }) => type === FRAME_WELCOME), `byte ${at}`);
    }
  }));

Deno.test("E40: before the proof no frame may be large, whatever it says that it is", () =>
  unmoved(async (world, damaged) => {
    for (const bytesMax of [2000, 64 * 1024 * 1024, 0xffff_ffff]) {
      const stranger = await Stranger.dial(world);
      const out = new ByteWriter();
      const fields = helloFor();
      writeFrame(out, FRAME_HELLO, fields);
      putU32(out.buffer, 4, bytesMax);
      sealFrame(out.buffer, 0, fields.length);
      const before = damaged();
      stranger.send(PREAMBLE);
      stranger.send(out.view());
      await world.until(`${bytesMax} bytes: dropped`, () => stranger.closed);
      assertEquals([damaged() - before, stranger.frames.length], [1, 0]);
    }
  }));
