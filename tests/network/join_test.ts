/** How a process that is no member is taken in, and everything that can be wrong with it. */

import { ByteWriter, NodeId, Prng } from "../../src/base/mod.ts";
import {
  FRAME_HELLO,
  FRAME_JOIN,
  FRAME_JOIN_ANSWER,
  FRAME_PING,
  FRAME_PROOF,
  FRAME_REFUSED,
  FRAME_WELCOME,
  PREAMBLE,
  writeFrame,
} from "../../src/network/frame.ts";
import { encodeJoinRequest } from "../../src/network/join_codec.ts";
import {
  type JoinAnswer,
  joinCluster,
  type JoinRequest,
  writeMessage,
} from "../../src/network/mod.ts";
import type { Connection } from "../../src/platform/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertStringIncludes,
} from "../support/assert.ts";
import { sampleMessages } from "./samples.ts";
import { handshake, helloFor, proofOf, refusalOf, Stranger } from "./stranger.ts";
import {
  hostOf,
  meshed,
  type NodeOptions,
  TcpWorld,
  type TestNode,
  testProcess,
  VirtualTcpWorld,
} from "./world.ts";

const HOST = "10.0.0.77";
const REQUEST: JoinRequest = {
  raftAddress: `${HOST}:7379`,
  redisAddress: `${HOST}:6379`,
  as: "voter",
  featureLevel: 1,
};
const JOINED: JoinAnswer = {
  kind: "joined",
  clusterId: "test-cluster",
  nodeId: NodeId(4),
  members: new Uint8Array([7, 8, 9]),
};
const JOIN_HELLO = { purpose: "join", nodeId: 0, expectedId: 0, clusterId: "" } as const;

interface Asking {
  readonly secret?: string;
  readonly port?: number;
  readonly timeoutMs?: number;
  readonly request?: JoinRequest;
}

/** Asks node 1; the answer is filled in as time goes on. */
function ask(world: VirtualTcpWorld, asking: Asking = {}): { answer: JoinAnswer | undefined } {
  const asked: { answer: JoinAnswer | undefined } = { answer: undefined };
  const platform = { net: world.net.host(HOST), clock: world.clock, process: testProcess };
  void joinCluster(platform, {
    address: { hostname: hostOf(1), port: asking.port ?? 7379 },
    secret: new TextEncoder().encode(asking.secret ?? "secret"),
    request: asking.request ?? REQUEST,
    timeoutMs: asking.timeoutMs ?? 10_000,
  }).then((answer) => asked.answer = answer);
  return asked;
}

async function answered(world: VirtualTcpWorld, asking?: Asking): Promise<JoinAnswer> {
  const asked = ask(world, asking);
  await world.until("an answer", () => asked.answer !== undefined);
  return asked.answer!;
}

async function withNode(
  options: Partial<NodeOptions>,
  run: (world: VirtualTcpWorld, one: TestNode) => Promise<void>,
): Promise<void> {
  const world = new VirtualTcpWorld();
  const one = await world.start({ id: 1, peers: [], ...options });
  await run(world, one);
  await world.close();
  assertEquals(world.net.openOn(hostOf(1)), 0, "no connection is left behind");
  assertEquals(world.net.openOn(HOST), 0, "none of who asked either");
}

function assertAnswer(answer: JoinAnswer, kind: JoinAnswer["kind"], text: string): void {
  assertEquals(answer.kind, kind, JSON.stringify(answer));
  assert(answer.kind !== "joined", "it has a text");
  assertStringIncludes(answer.text, text);
}

Deno.test("a process that knows the secret is heard and answered", () => {
  const requests: JoinRequest[] = [];
  const onJoin = (request: JoinRequest) => {
    requests.push(request);
    return Promise.resolve(JOINED);
  };
  return withNode({ onJoin }, async (world, one) => {
    const request = { ...REQUEST, as: "learner", nodeId: NodeId(9), replaces: NodeId(3) } as const;
    assertEquals(await answered(world, { request }), JOINED);
    assertEquals(await answered(world), JOINED);
    assertEquals(requests, [request, REQUEST]);
    await world.clock.run(5000);
    assertEquals([one.ups, one.closed, one.hellos, one.messages], [[], [], [], []]);
    const { handshakesRefused, damagedFrames } = one.network.stats();
    assertEquals([handshakesRefused, damagedFrames], [0, 0]);
  });
});

Deno.test("an answer may be large, and may be a refusal with a text of any length", async () => {
  const answers: JoinAnswer[] = [
    { ...JOINED, members: new Uint8Array(300_000).fill(7) },
    { kind: "refused", text: `Cannot add node 4: ${"x".repeat(5000)}` },
    { kind: "tryAgain", text: "The cluster has no leader" },
  ];
  for (const answer of answers) {
    const onJoin = () => Promise.resolve(answer);
    await withNode({ onJoin }, async (world) => {
      assertEquals(await answered(world), answer);
    });
  }
});

Deno.test("another secret is refused, and both sides say so", () =>
  withNode({}, async (world, one) => {
    const text = `Cannot join through ${hostOf(1)}:7379: it has another secret; set raft.secret`;
    assertAnswer(await answered(world, { secret: "wrong" }), "refused", text);
    assertAnswer(await answered(world, { secret: "" }), "refused", text);
    assertEquals(one.network.stats().handshakesRefused, 2);
    const lines = one.lines.filter((line) => line.startsWith("Refused a peer"));
    assertEquals(lines.length, 1, "one line for the same reason");
    assertStringIncludes(lines[0], "Cannot accept a node that wants to join");
  }));

Deno.test("a program that is too old for the cluster is told so", () =>
  withNode({}, async (world, one) => {
    one.network.setFeatureLevel(2);
    assertAnswer(await answered(world), "refused", "feature level 1 at most, the cluster uses 2");
  }));

Deno.test("nobody listens there", () =>
  withNode({}, async (world) => {
    const answer = await answered(world, { port: 7380 });
    assertAnswer(answer, "tryAgain", `Cannot join through ${hostOf(1)}:7380: nothing listens`);
  }));

Deno.test("no answer to the dial: who asks is told in time", () =>
  withNode({}, async (world) => {
    world.net.cut(HOST, hostOf(1));
    const startMs = world.clock.nowMs();
    const answer = await answered(world, { timeoutMs: 1000 });
    assertAnswer(answer, "tryAgain", "no answer");
    assertLessOrEqual(world.clock.nowMs() - startMs, 1001);
    world.net.heal();
    await world.clock.run(2000);
  }));

/** Something that is no member listens where node 1 would. */
async function withListener(
  onConnection: (connection: Connection) => void,
  run: (world: VirtualTcpWorld) => Promise<void>,
): Promise<void> {
  const world = new VirtualTcpWorld();
  const options = { hostname: hostOf(1), port: 7379, onConnection, onError: () => {} };
  await world.net.host(hostOf(1)).listen(options);
  await run(world);
  await world.clock.run(3000);
  assertEquals(world.net.openOn(HOST), 0, "who asked has left");
}

function saying(bytes: Uint8Array): (connection: Connection) => void {
  return (connection) => {
    connection.start({ onData: () => {}, onClosed: () => {} });
    connection.output.bytes(bytes);
    connection.flush();
  };
}

Deno.test("what answers is no Logboat", async () => {
  const text = new TextEncoder();
  const hostile = [
    text.encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
    text.encode("-ERR unknown command 'LOGBOAT'\r\n"),
    new Uint8Array([0x15, 3, 1, 0, 2, 2, 70]),
    text.encode("LOGBOOT\n"),
  ];
  for (const bytes of hostile) {
    await withListener(saying(bytes), async (world) => {
      const answer = await answered(world);
      assertAnswer(answer, "refused", "no member of a Logboat cluster; give the raft address");
    });
  }
});

Deno.test("what answers says nothing, or hangs up", async () => {
  await withListener(saying(PREAMBLE), async (world) => {
    assertAnswer(await answered(world, { timeoutMs: 700 }), "tryAgain", "check that a member");
  });
  const hangUp = (connection: Connection) => connection.close();
  await withListener(hangUp, async (world) => {
    assertAnswer(await answered(world), "tryAgain", "closed without an answer");
  });
});

Deno.test("a cluster that does not decide: who asks is told in time, by either side", async () => {
  const never = () => new Promise<JoinAnswer>(() => {});
  await withNode({ onJoin: never }, async (world) => {
    const answer = await answered(world, { timeoutMs: 1500 });
    assertAnswer(answer, "tryAgain", "no answer within 1500 ms; the cluster may have no leader");
    assertAnswer(answer, "tryAgain", "may have been added all the same");
  });
  await withNode({ onJoin: never, limits: { joinTimeoutMs: 3000 } }, async (world) => {
    assertAnswer(await answered(world), "tryAgain", "The cluster has not decided in time");
  });
});

Deno.test("a member that dies before it answers", () =>
  withNode({ onJoin: () => new Promise(() => {}) }, async (world, one) => {
    const asked = ask(world);
    await world.clock.run(100);
    world.kill(one);
    await world.until("an answer", () => asked.answer !== undefined);
    assertAnswer(asked.answer!, "tryAgain", "went away before it answered");
  }));

Deno.test("who asks and leaves takes no place; of too many the last is told to wait", () => {
  const waiting: ((answer: JoinAnswer) => void)[] = [];
  const onJoin = () => new Promise<JoinAnswer>((resolve) => waiting.push(resolve));
  return withNode({ onJoin, limits: { joinsMax: 2 } }, async (world) => {
    for (let i = 0; i < 5; i++) {
      assertAnswer(await answered(world, { timeoutMs: 50 }), "tryAgain", "no answer within 50 ms");
      // Its connection has ended here too.
      await world.clock.run(10);
    }
    assertEquals(waiting.length, 5);
    const asked = [ask(world), ask(world)];
    await world.until("both are heard", () => waiting.length === 7);
    assertAnswer(await answered(world), "tryAgain", "2 other nodes are joining just now");
    for (const resolve of waiting) resolve(JOINED);
    await world.until("both are answered", () => asked.every(({ answer }) => answer !== undefined));
    assertEquals(asked.map(({ answer }) => answer), [JOINED, JOINED]);
  });
});

/** Node 1 with a peer, a stranger's bytes, and proof that nothing came of them. */
async function harmless(
  name: string,
  poke: (world: VirtualTcpWorld) => Promise<Stranger>,
): Promise<void> {
  const world = new VirtualTcpWorld();
  let joins = 0;
  const onJoin = () => {
    joins++;
    return Promise.resolve(JOINED);
  };
  const one = await world.start({ id: 1, onJoin });
  const two = await world.start({ id: 2 });
  await world.until("both are connected", () => meshed([one, two]));
  const stranger = await poke(world);
  await world.until(`${name}: dropped`, () => stranger.closed);
  const stats = one.network.stats();
  assertEquals(stats.damagedFrames + stats.handshakesRefused, 1, name);
  assertEquals([joins, one.messages, one.closed], [0, [], []], name);
  assert(!stranger.frames.some(({ type }) => type === FRAME_JOIN_ANSWER), name);
  assert(meshed([one, two]), `${name}: the links are up`);
  two.network.send(sampleMessages(NodeId(2), NodeId(1))[0]);
  two.network.flush();
  await world.until("messages pass", () => one.messages.length === 1);
  await world.close();
}

function frameOf(type: number, fields: Uint8Array, body?: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  writeFrame(out, type, fields, body);
  return out.view().slice();
}

Deno.test("E40: whoever has not proven the secret cannot ask to join", async () => {
  const fields = encodeJoinRequest(REQUEST);
  await harmless("at once", async (world) => {
    const stranger = await Stranger.dial(world);
    stranger.send(PREAMBLE);
    stranger.sendFrame(FRAME_JOIN, fields);
    return stranger;
  });
  await harmless("after a hello", async (world) => {
    const stranger = await Stranger.dial(world);
    stranger.send(PREAMBLE);
    stranger.sendFrame(FRAME_HELLO, helloFor(JOIN_HELLO));
    await world.until("a challenge", () => stranger.frames.length === 1);
    stranger.sendFrame(FRAME_JOIN, fields);
    return stranger;
  });
  await harmless("with a guess", async (world) => {
    const stranger = await Stranger.dial(world);
    stranger.send(PREAMBLE);
    stranger.sendFrame(FRAME_HELLO, helloFor(JOIN_HELLO));
    await world.until("a challenge", () => stranger.frames.length === 1);
    stranger.sendFrame(FRAME_PROOF, new Uint8Array(32).fill(1));
    stranger.sendFrame(FRAME_JOIN, fields);
    await world.until("an answer", () => stranger.frames.length === 2);
    assertEquals(stranger.frames[1].type, FRAME_REFUSED);
    assertEquals(refusalOf(stranger.frames[1]).code, "wrongSecret");
    return stranger;
  });
});

Deno.test("E40: a recorded join does not work a second time, nor for another purpose", async () => {
  const first = helloFor(JOIN_HELLO);
  for (const hello of [first, helloFor({ purpose: "messages" })]) {
    await harmless("a replay", async (world) => {
      const recorded = await Stranger.dial(world);
      assertEquals((await handshake(world, recorded, first)).type, FRAME_WELCOME);
      recorded.hangUp();
      const stranger = await Stranger.dial(world);
      stranger.send(PREAMBLE);
      stranger.sendFrame(FRAME_HELLO, hello);
      await world.until("a challenge", () => stranger.frames.length === 1);
      stranger.sendFrame(FRAME_PROOF, proofOf(first, recorded.frames[0].fields));
      stranger.sendFrame(FRAME_JOIN, encodeJoinRequest(REQUEST));
      await world.until("an answer", () => stranger.frames.length === 2);
      assertEquals(refusalOf(stranger.frames[1]).code, "wrongSecret");
      return stranger;
    });
  }
});

Deno.test("E40: a hello without a node id is for joins alone", async () => {
  for (const purpose of ["messages", "bulk"] as const) {
    await harmless(purpose, async (world) => {
      const stranger = await Stranger.dial(world);
      stranger.send(PREAMBLE);
      stranger.sendFrame(FRAME_HELLO, helloFor({ nodeId: 0, purpose }));
      return stranger;
    });
  }
});

Deno.test("E40: what is no request on a join is damage, and nothing is held for it", async () => {
  const fields = encodeJoinRequest(REQUEST);
  for (const message of sampleMessages(NodeId(2), NodeId(1))) {
    const bytes = new ByteWriter();
    await harmless(message.kind, async (world) => {
      const stranger = await joiner(world);
      writeMessage(bytes, message);
      stranger.send(bytes.view().slice());
      return stranger;
    });
  }
  const wrong: [string, Uint8Array][] = [
    ["a ping", frameOf(FRAME_PING, new Uint8Array(0))],
    ["an answer", frameOf(FRAME_JOIN_ANSWER, fields)],
    ["a second hello", frameOf(FRAME_HELLO, helloFor())],
    ["a body", frameOf(FRAME_JOIN, fields, new Uint8Array(10))],
    ["a large body", frameOf(FRAME_JOIN, fields, new Uint8Array(2_000_000)).slice(0, 2000)],
    ["a request cut short", frameOf(FRAME_JOIN, fields.slice(0, -1))],
    ["a byte too many", frameOf(FRAME_JOIN, new Uint8Array([...fields, 0]))],
    ["a strange frame", frameOf(200, fields)],
  ];
  const seed = 4041;
  const random = new Prng(seed);
  for (let round = 0; round < 40; round++) {
    const bytes = frameOf(FRAME_JOIN, fields);
    bytes[random.between(0, bytes.length - 1)] ^= 1 << random.between(0, 7);
    // Enough behind it, so that a longer frame that the damage announces is there too.
    const out = new ByteWriter();
    out.bytes(bytes);
    for (let left = 1100; left > 0; left--) out.u8(random.between(0, 255));
    wrong.push([`seed ${seed}, round ${round}`, out.view().slice()]);
  }
  for (const [name, bytes] of wrong) {
    await harmless(name, async (world) => {
      const stranger = await joiner(world);
      stranger.send(bytes);
      return stranger;
    });
  }
});

/** Through the handshake of a join, and silent. */
async function joiner(world: VirtualTcpWorld): Promise<Stranger> {
  const stranger = await Stranger.dial(world);
  const answer = await handshake(world, stranger, helloFor(JOIN_HELLO));
  assertEquals(answer.type, FRAME_WELCOME);
  return stranger;
}

Deno.test("who proves the secret and asks nothing is dropped in time", () =>
  withNode({}, async (world) => {
    const stranger = await joiner(world);
    await world.clock.run(2100);
    assertEquals(stranger.closed, true);
  }));

Deno.test("a join over real sockets, on each adapter", async () => {
  for (const adapter of ["deno", "node"] as const) {
    const world = new TcpWorld(adapter);
    try {
      const onJoin = () => Promise.resolve(JOINED);
      const one = await world.start({ id: 1, peers: [], onJoin });
      const startMs = performance.now();
      const answer = await joinCluster(denoPlatform(), {
        address: world.addressOf(one),
        secret: new TextEncoder().encode("secret"),
        request: REQUEST,
        timeoutMs: 5000,
      });
      assertEquals(answer, JOINED);
      assertLess(performance.now() - startMs, 1000);
    } finally {
      await world.close();
    }
  }
});
