/** Who gets a link and who does not, and what both sides are told (E29, N11). */

import { ByteReader, ByteWriter, DecodeError, NodeId } from "../../src/base/mod.ts";
import {
  FRAME_CHALLENGE,
  FRAME_CLOSING,
  FRAME_HELLO,
  FRAME_PROOF,
  FRAME_REFUSED,
  FRAME_WELCOME,
  PREAMBLE,
} from "../../src/network/frame.ts";
import { checkChallenge, checkHello, equalBytes, proofInput } from "../../src/network/handshake.ts";
import {
  decodeChallenge,
  decodeHello,
  decodeRefusal,
  encodeChallenge,
  encodeHello,
  encodeRefusal,
} from "../../src/network/handshake_codec.ts";
import { writeMessage } from "../../src/network/mod.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../support/assert.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";
import { sampleMessages } from "./samples.ts";
import { handshake, helloFor, proofOf, Stranger } from "./stranger.ts";
import { hostOf, meshed, type NodeOptions, testProcess, VirtualTcpWorld } from "./world.ts";

const HELLO = {
  versionMin: 1,
  versionMax: 3,
  purpose: "messages" as const,
  expectedId: 2,
  pingIntervalMs: 500,
  nonce: new Uint8Array(16).fill(5),
  nodeId: 1,
  incarnation: 2 ** 40,
  clusterId: "boote-ü",
  bootNonce: new Uint8Array(16).fill(9),
  featureLevel: 0x1234,
  address: { hostname: "node-1.example.org", port: 7379 },
};
const CHALLENGE = {
  version: 1,
  nonce: new Uint8Array(16).fill(6),
  nodeId: 2,
  incarnation: 7,
  clusterId: "boote-ü",
  bootNonce: new Uint8Array(16).fill(8),
  featureLevel: 1,
  address: { hostname: "::1", port: 1 },
};

Deno.test("handshake frames decode to what was encoded", () => {
  assertEquals(decodeHello(new ByteReader(encodeHello(HELLO))), HELLO);
  assertEquals(decodeChallenge(new ByteReader(encodeChallenge(CHALLENGE))), CHALLENGE);
  const refusal = { code: "wrongCluster", text: "Cannot: ü" } as const;
  assertEquals(decodeRefusal(new ByteReader(encodeRefusal(refusal))), refusal);
});

Deno.test("handshake fields cut short are refused", () => {
  for (const { bytes } of truncations(encodeHello(HELLO))) {
    assertThrows(() => decodeHello(new ByteReader(bytes)), DecodeError);
  }
  for (const { bytes } of truncations(encodeChallenge(CHALLENGE))) {
    assertThrows(() => decodeChallenge(new ByteReader(bytes)), DecodeError);
  }
});

Deno.test("every bit of hello and challenge is in the proof", () => {
  const key = new Uint8Array([1]);
  const hello = encodeHello(HELLO);
  const challenge = encodeChallenge(CHALLENGE);
  const proof = (h: Uint8Array, c: Uint8Array, role: "dialler" | "acceptor" = "dialler") =>
    testProcess.hmacSha256(key, proofInput(role, h, c));
  const right = proof(hello, challenge);
  assert(equalBytes(right, proof(hello, challenge)), "a proof is repeatable");
  assert(!equalBytes(right, proof(hello, challenge, "acceptor")), "roles differ");
  for (const { name, bytes } of bitFlips(hello)) {
    assert(!equalBytes(right, proof(bytes, challenge)), `hello, ${name}`);
  }
  for (const { name, bytes } of bitFlips(challenge)) {
    assert(!equalBytes(right, proof(hello, bytes)), `challenge, ${name}`);
  }
});

Deno.test("each mistake in a hello has its own refusal", () => {
  const self = { ...CHALLENGE };
  const cases: [Partial<Parameters<typeof checkHello>[0]>, string, string][] = [
    [{ versionMin: 2 }, "version", "speaks peer protocol 2 to 3, expected 1 to 1"],
    [{ purpose: undefined }, "purpose", "of a kind that this release does not know"],
    [{ purpose: "join", versionMin: 2 }, "version", "Cannot accept a node that wants to join"],
    [{ nodeId: 2 }, "ownId", "this node has that id itself"],
    [{ clusterId: "other" }, "wrongCluster", 'its cluster is "other", expected "boote-ü"'],
    [{ expectedId: 3 }, "wrongTarget", "it looks for node 3, this is node 2"],
  ];
  assertEquals(checkHello(HELLO, self), undefined);
  assertEquals(checkHello({ ...HELLO, purpose: "bulk" }, self), undefined);
  assertEquals(
    checkHello({ ...HELLO, purpose: "join", nodeId: 0, clusterId: "" }, self),
    undefined,
  );
  for (const [change, code, text] of cases) {
    const refusal = checkHello({ ...HELLO, ...change }, self);
    assertEquals(refusal?.code, code);
    assertStringIncludes(refusal!.text, text);
  }
});

Deno.test("the dialler checks who answered", () => {
  assertEquals(checkChallenge(CHALLENGE, HELLO), undefined);
  assertEquals(checkChallenge({ ...CHALLENGE, version: 4 }, HELLO)?.code, "version");
  assertEquals(checkChallenge({ ...CHALLENGE, clusterId: "x" }, HELLO)?.code, "wrongCluster");
  assertEquals(checkChallenge({ ...CHALLENGE, nodeId: 3 }, HELLO)?.code, "wrongTarget");
});

/** Node 1 is right, node 2 has a mistake: node 2 is told `code`, and each side has one line. */
async function refusedPair(mistake: Partial<NodeOptions>, code: string, text: string) {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const two = await world.start({ id: 2, ...mistake });
  await world.until("node 2 is refused", () => two.refusals.length > 0);
  await world.clock.run(10_000);
  for (const refusal of two.refusals) {
    assertEquals([refusal.peer, refusal.code], [1, code]);
    assertStringIncludes(refusal.text, text);
  }
  assert(two.refusals.length > 3, `tries again: ${two.refusals.length} refusals`);
  assert(two.refusals.length < 30, `but not often: ${two.refusals.length} refusals`);
  const told = two.lines.filter((line) => line.startsWith("No link to node 1: Cannot accept"));
  assertEquals(told.length, 1, two.lines.join("\n"));
  const refusalsLogged = one.lines.filter((line) => line.startsWith("Refused a peer"));
  assertEquals(refusalsLogged.length, 1, one.lines.join("\n"));
  assert(one.network.stats().handshakesRefused > 0, "node 1 counts refusals");
  assert(two.network.stats().handshakesRefused > 0, "node 2 counts refusals");
  assertEquals([one.ups, two.ups, one.closed, two.closed], [[], [], [], []]);
  await world.close();
}

Deno.test("another cluster is refused on both sides", () =>
  refusedPair({ clusterId: "other" }, "wrongCluster", 'its cluster is "other"'));

Deno.test("another secret is refused on both sides", () =>
  refusedPair({ secret: "wrong" }, "wrongSecret", "proof of the shared secret does not match"));

Deno.test("no secret does not match a secret", () =>
  refusedPair({ secret: "" }, "wrongSecret", "give all nodes the same raft secret"));

Deno.test("two nodes without a secret connect", async () => {
  const world = new VirtualTcpWorld();
  const nodes = [
    await world.start({ id: 1, secret: "" }),
    await world.start({ id: 2, secret: "" }),
  ];
  await world.until("both are connected", () => meshed(nodes));
  await world.close();
});

Deno.test("a recorded handshake does not work a second time", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const hello = helloFor();
  const first = await Stranger.dial(world);
  assertEquals((await handshake(world, first, hello)).type, FRAME_WELCOME);
  const replay = await Stranger.dial(world);
  replay.send(PREAMBLE);
  replay.sendFrame(FRAME_HELLO, hello);
  await world.until("a challenge", () => replay.frames.length === 1);
  replay.sendFrame(FRAME_PROOF, proofOf(hello, first.frames[0].fields));
  const out = new ByteWriter();
  for (const message of sampleMessages(NodeId(2), NodeId(1))) writeMessage(out, message);
  replay.send(out.view().slice());
  await world.until("the replay is dropped", () => replay.closed);
  const refused = replay.frames[1];
  assertEquals(refused.type, FRAME_REFUSED);
  assertEquals(decodeRefusal(new ByteReader(refused.fields)).code, "wrongSecret");
  assertEquals(one.messages, []);
  assertEquals(first.closed, false);
  await world.close();
});

Deno.test("whoever sends before proving is dropped and delivers nothing", async () => {
  const message = sampleMessages(NodeId(2), NodeId(1))[0];
  for (const withHello of [false, true]) {
    const world = new VirtualTcpWorld();
    const one = await world.start({ id: 1 });
    const stranger = await Stranger.dial(world);
    stranger.send(PREAMBLE);
    if (withHello) stranger.sendFrame(FRAME_HELLO, helloFor());
    const out = new ByteWriter();
    writeMessage(out, message);
    stranger.send(out.view().slice());
    await world.until("the connection is dropped", () => stranger.closed);
    assertEquals(one.messages, []);
    assertEquals(one.network.stats().damagedFrames, 1);
    await world.close();
  }
});

Deno.test("a handshake that stalls is dropped at its deadline", async () => {
  const world = new VirtualTcpWorld();
  await world.start({ id: 1 });
  const silent = await Stranger.dial(world);
  const half = await Stranger.dial(world);
  half.send(PREAMBLE);
  half.sendFrame(FRAME_HELLO, helloFor());
  await world.clock.run(1900);
  assertEquals([silent.closed, half.closed], [false, false]);
  await world.clock.run(200);
  assertEquals([silent.closed, half.closed], [true, true]);
  await world.close();
});

Deno.test("of too many handshakes the oldest is dropped", async () => {
  const world = new VirtualTcpWorld();
  await world.start({ id: 1, limits: { handshakesMax: 4 } });
  const strangers: Stranger[] = [];
  for (let i = 0; i < 5; i++) strangers.push(await Stranger.dial(world));
  await world.until("one is dropped", () => strangers.some(({ closed }) => closed));
  assertEquals(strangers.map(({ closed }) => closed), [true, false, false, false, false]);
  const two = await world.start({ id: 2 });
  await world.until("a peer connects meanwhile", () => two.ups.length === 1);
  await world.close();
});

Deno.test("E29: a copied data directory is refused, the first keeps its links", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const two = await world.start({ id: 2, incarnation: 5 });
  await world.until("both are connected", () => meshed([one, two]));
  const cases: [number, string][] = [[5, "duplicateNode"], [4, "olderIncarnation"]];
  for (const [incarnation, code] of cases) {
    const copy = await Stranger.dial(world);
    const answer = await handshake(world, copy, helloFor({ incarnation }));
    assertEquals(answer.type, FRAME_REFUSED);
    assertEquals(decodeRefusal(new ByteReader(answer.fields)).code, code);
  }
  assertEquals(one.lines.filter((line) => line.includes("copied data directory")).length, 1);
  assert(meshed([one, two]), "the first keeps its links");
  assertEquals([one.closed, two.closed], [[], []]);
  await world.close();
});

Deno.test("a newer incarnation replaces what is left of the older one", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const two = await world.start({ id: 2, incarnation: 5 });
  await world.until("both are connected", () => meshed([one, two]));
  // The host of node 2 loses its power: nothing is closed. It comes back with a new process.
  world.net.cut(hostOf(2), hostOf(1));
  world.kill(two);
  await world.clock.run(1);
  world.net.heal();
  const newer = await world.start({ id: 2, incarnation: 6 });
  assert(one.network.isConnected(NodeId(2)), "node 1 has not noticed");
  await world.until("node 2 is back", () => newer.ups.length === 1);
  await world.clock.runUntil(() => one.ups.length === 2, 10);
  assert(meshed([one, newer]), "both are connected");
  const message = sampleMessages(NodeId(1), NodeId(2))[0];
  one.network.send(message);
  one.network.flush();
  await world.until("a message arrives", () => newer.messages.length === 1);
  assertEquals(one.closed, [2]);
  const old = await Stranger.dial(world);
  const answer = await handshake(world, old, helloFor({ incarnation: 5 }));
  assertEquals(decodeRefusal(new ByteReader(answer.fields)).code, "olderIncarnation");
  await world.close();
});

Deno.test("a peer that dials again gives up its first connection, and did not die", async () => {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1 });
  const first = await Stranger.dial(world);
  assertEquals((await handshake(world, first, helloFor())).type, FRAME_WELCOME);
  const second = await Stranger.dial(world);
  assertEquals((await handshake(world, second, helloFor())).type, FRAME_WELCOME);
  await world.until("the first is closed", () => first.closed);
  assertEquals(first.frames.at(-1)?.type, FRAME_CLOSING);
  assertEquals([second.closed, one.closed], [false, []]);
  await world.close();
});

/** An acceptor that has the right name but not the secret: it answers with what `answer` says. */
async function impostor(answer: (proof: Uint8Array) => { type: number; fields: Uint8Array }) {
  const world = new VirtualTcpWorld();
  const links: Stranger[] = [];
  await world.net.host(hostOf(2)).listen({
    hostname: hostOf(2),
    port: 7379,
    onConnection: (connection) => links.push(new Stranger(connection)),
    onError: () => {},
  });
  const one = await world.start({ id: 1 });
  await world.until("a hello", () => links.at(0)?.frames.length === 1);
  const [link] = links;
  link.send(PREAMBLE);
  const challenge = { ...CHALLENGE, nodeId: 2, clusterId: "test-cluster" };
  link.sendFrame(FRAME_CHALLENGE, encodeChallenge(challenge));
  await world.until("a proof", () => link.frames.length === 2);
  assertEquals(link.frames[1].type, FRAME_PROOF);
  const { type, fields } = answer(link.frames[1].fields);
  link.sendFrame(type, fields);
  await world.until("node 1 leaves", () => link.closed);
  assertEquals([one.ups, one.closed], [[], []]);
  assertEquals(one.network.isConnected(NodeId(2)), false);
  await world.close();
  return one;
}

Deno.test("an acceptor that cannot prove the secret gets no link", async () => {
  const guess = await impostor(() => ({ type: FRAME_WELCOME, fields: new Uint8Array(32) }));
  assertEquals(guess.network.stats().handshakesRefused, 1);
  const mirror = await impostor((proof) => ({ type: FRAME_WELCOME, fields: proof }));
  assertEquals(mirror.network.stats().handshakesRefused, 1);
  const short = await impostor(() => ({ type: FRAME_WELCOME, fields: new Uint8Array(31) }));
  assertEquals(short.network.stats().damagedFrames, 1);
});
