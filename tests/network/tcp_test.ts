/** What only real sockets show: hostile bytes on the port, churn, deaths, readers that do not read. */

import { ByteWriter, NodeId, Prng } from "../../src/base/mod.ts";
import { PREAMBLE } from "../../src/network/frame.ts";
import { TcpRaftNetwork } from "../../src/network/mod.ts";
import { PlatformError } from "../../src/platform/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { silentLogger } from "../../src/base/mod.ts";
import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
} from "../support/assert.ts";
import { appendOf, sampleMessages } from "./samples.ts";
import { meshed, TcpWorld, type TestNode } from "./world.ts";

const ONE = NodeId(1);
const TWO = NodeId(2);

async function withPair(
  run: (world: TcpWorld, one: TestNode, two: TestNode) => Promise<void>,
): Promise<void> {
  const world = new TcpWorld();
  try {
    const limits = { handshakeTimeoutMs: 300 };
    const one = await world.start({ id: 1, limits });
    const two = await world.start({ id: 2, limits });
    await world.until("both are connected", () => meshed([one, two]));
    await run(world, one, two);
  } finally {
    await world.close();
  }
}

/** Sends `bytes` and waits until the other side hangs up; returns what it said. */
async function poke(port: number, bytes: Uint8Array): Promise<number> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let received = 0;
  try {
    const writer = connection.writable.getWriter();
    await writer.write(bytes).catch(() => {});
    for await (const chunk of connection.readable) received += chunk.length;
  } catch {
    // A reset is a way of hanging up.
  }
  try {
    connection.close();
  } catch {
    // The stream has closed it.
  }
  return received;
}

Deno.test("E40: strangers on the peer port change nothing but counters", () =>
  withPair(async (world, one, two) => {
    const seed = 4040;
    const random = new Prng(seed);
    const text = new TextEncoder();
    const hostile: Uint8Array[] = [
      text.encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      text.encode("*1\r\n$4\r\nPING\r\n"),
      new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    ];
    for (let i = 0; i < 40; i++) {
      const out = new ByteWriter();
      if (i % 2 === 0) out.bytes(PREAMBLE);
      for (let left = random.between(300, 3000); left > 0; left--) out.u8(random.between(0, 255));
      hostile.push(out.view());
    }
    for (const bytes of hostile) {
      const received = await poke(one.network.listenPort, bytes);
      assert(received <= PREAMBLE.length, `seed ${seed}: a stranger got ${received} bytes`);
    }
    const stats = one.network.stats();
    assertEquals(stats.damagedFrames, hostile.length, `seed ${seed}`);
    assertEquals([stats.messagesReceived, stats.reconnects], [0, 0]);
    assertLess(one.lines.length, 5, one.lines.join("\n"));
    assert(meshed([one, two]), "the links are up");
    const messages = sampleMessages(TWO, ONE);
    for (const message of messages) two.network.send(message);
    two.network.flush();
    await world.until("messages pass", () => one.messages.length === messages.length);
    assertEquals([one.closed, two.closed], [[], []]);
  }));

Deno.test("200 connections that come and go leave the links up", () =>
  withPair(async (world, one, two) => {
    const port = one.network.listenPort;
    for (let round = 0; round < 4; round++) {
      const connections = await Promise.all(
        Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
      );
      for (const connection of connections) connection.close();
    }
    // These stay until their deadline.
    const stalled = await Promise.all(Array.from({ length: 5 }, () => poke(port, PREAMBLE)));
    assertEquals(stalled, Array(5).fill(PREAMBLE.length));
    assert(meshed([one, two]), "the links are up");
    two.network.send(sampleMessages(TWO, ONE)[0]);
    two.network.flush();
    await world.until("messages pass", () => one.messages.length === 1);
    assertEquals([one.closed, two.closed], [[], []]);
    assertEquals(one.network.stats().reconnects, 0);
  }));

Deno.test("a death is reported within milliseconds", () =>
  withPair(async (world, one, two) => {
    const startMs = performance.now();
    world.kill(two);
    await world.until("the death is reported", () => one.closed.length > 0);
    // Typically 2 ms; the bound leaves room for a busy machine and is far below any timer here.
    assertLess(performance.now() - startMs, 300);
  }));

/** A real process, so that SIGKILL is the kernel's. */
const CHILD = `
import { NodeId, silentLogger } from "${import.meta.resolve("../../src/base/mod.ts")}";
import { TcpRaftNetwork } from "${import.meta.resolve("../../src/network/mod.ts")}";
import { denoPlatform } from "${import.meta.resolve("../../src/platform/deno/mod.ts")}";
const peer = { id: NodeId(1), hostname: "127.0.0.1", port: Number(Deno.args[0]) };
const network = new TcpRaftNetwork({ ...denoPlatform(), logger: silentLogger }, {
  self: { id: NodeId(2), incarnation: 1, clusterId: "test-cluster", featureLevel: 1 },
  listen: { hostname: "127.0.0.1", port: 0 },
  peers: [peer],
  secret: new TextEncoder().encode("secret"),
  seed: 2,
});
await network.start({
  onMessage() {},
  onPeerHello() {},
  onPeerUp() {},
  onPeerClosed() {},
  onRefused() {},
  onJoin: () => Promise.reject(new Error("Cannot join: nobody asks")),
});
console.log(network.listenPort);
`;

Deno.test("SIGKILL of a peer's process is reported within milliseconds", async () => {
  const world = new TcpWorld();
  const one = await world.start({ id: 1 });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", CHILD, String(one.network.listenPort)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let ended = false;
  try {
    const [line] = await Array.fromAsync(firstChunk(child.stdout));
    const address = { id: TWO, hostname: "127.0.0.1", port: Number(line) };
    (one.network as TcpRaftNetwork).setPeer(address);
    await world.until("connected", () => one.network.isConnected(TWO));
    const startMs = performance.now();
    child.kill("SIGKILL");
    await world.until("the death is reported", () => one.closed.length > 0);
    assertLess(performance.now() - startMs, 500);
    await child.status;
    ended = true;
  } finally {
    if (!ended) {
      child.kill("SIGKILL");
      await child.status;
    }
    await world.close();
  }
});

async function* firstChunk(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  yield new TextDecoder().decode(value);
}

Deno.test("a reader that does not read fills a bounded queue, and the rest arrives later", () =>
  withPair(async (world, one, two) => {
    let sent = 0;
    // One turn of the event loop: nothing can be read meanwhile.
    while (one.network.send(appendOf(ONE, TWO, 1_000_000))) {
      sent++;
      one.network.flush();
      assertLess(sent, 200, "messages in the queue");
    }
    assertGreater(sent, 10);
    assertEquals(one.network.stats().messagesDropped, 1);
    await world.until("what was queued arrived", () => two.messages.length === sent);
    assertEquals(one.network.stats().reconnects, 0);
    assert(one.network.send(appendOf(ONE, TWO, 1000)), "there is room again");
  }));

Deno.test("a port in use is an error of start", () =>
  withPair(async (_world, one) => {
    const port = one.network.listenPort;
    const network = new TcpRaftNetwork({ ...denoPlatform(), logger: silentLogger }, {
      self: { id: NodeId(3), incarnation: 1, clusterId: "test-cluster", featureLevel: 1 },
      listen: { hostname: "127.0.0.1", port },
      peers: [],
      secret: new Uint8Array(0),
      seed: 3,
    });
    const start = () =>
      network.start({
        onMessage() {},
        onPeerHello() {},
        onPeerUp() {},
        onPeerClosed() {},
        onRefused() {},
        onJoin: () => Promise.reject(new Error("Cannot join: nobody asks")),
      });
    const error = await assertRejects(start, PlatformError);
    assertEquals(error.code, "EADDRINUSE");
    await network.close();
    assertGreaterOrEqual(port, 1);
  }));
