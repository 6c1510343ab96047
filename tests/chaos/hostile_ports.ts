/** E40: strangers on the peer and admin ports, with garbage, forgeries and replays. */

import { Prng } from "../../src/base/mod.ts";
import { assert, assertEquals, assertLess } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { within } from "../support/wait.ts";
import { withArena } from "./arena.ts";
import { isConnected, residentBytes } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** A node hangs up on a stranger within its handshake timeout of 2 s. */
const HANG_UP_MS = 5000;
/** The admin listener gives a request 10 s. */
const ADMIN_HANG_UP_MS = 15_000;
const GROWTH_BYTES_MAX = 150_000_000;

const text = new TextEncoder();

/** The start of a TLS handshake. */
const TLS_HELLO = Uint8Array.of(0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4, 3, 3, ...Array(64).fill(7));

/** Sends bytes, and reads to the end, which the node must make. Gives what it said. */
async function exchange(
  where: { hostname: string; port: number },
  bytes: Uint8Array,
  withinMs: number,
): Promise<Uint8Array> {
  const connection = await Deno.connect(where);
  const received: number[] = [];
  const drained = async () => {
    const buffer = new Uint8Array(4096);
    try {
      for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
      for (let count; (count = await connection.read(buffer)) !== null;) {
        received.push(...buffer.subarray(0, count));
      }
    } catch (error) {
      const gone = error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BrokenPipe;
      if (!gone) throw error;
    }
  };
  try {
    const shown = new TextDecoder("latin1").decode(bytes.subarray(0, 40));
    await within(`the end after ${JSON.stringify(shown)}`, withinMs, drained());
  } finally {
    connection.close();
  }
  return Uint8Array.from(received);
}

/** A handshake with bits flipped, bytes left out or a length that promises too much. */
function mutated(random: Prng, handshake: Uint8Array): Uint8Array {
  const bytes = handshake.slice();
  for (let i = random.between(1, 4); i > 0; i--) {
    const at = random.between(0, bytes.length - 1);
    bytes[at] = random.chance(0.5) ? bytes[at] ^ 1 << random.between(0, 7) : 0xff;
  }
  return random.chance(0.3) ? bytes.slice(0, random.between(1, bytes.length)) : bytes;
}

function randomBytes(random: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.between(0, 255));
}

async function strangeSum(node: TestNode): Promise<number> {
  const { network } = await node.status();
  return network.handshakesRefused + network.damagedFrames;
}

async function strangersAtPeerPort(context: ScenarioContext): Promise<void> {
  await withArena(context, { proxied: true }, async (arena) => {
    const leader = await arena.cluster.leader();
    const { term } = await leader.status();
    const before = await residentBytes(leader);
    const strangeBefore = await strangeSum(leader);
    const where = { hostname: leader.clientHost, port: leader.raftPort };
    // What other members said to the leader when they dialled it: a recording to play again.
    const recorded = arena.proxies.recordings.filter(({ to }) => to === leader.id)
      .map(({ bytes }) => bytes);
    assert(recorded.length > 0 && recorded[0].length > 16, "no handshake was recorded");
    const rounds = context.long ? 2000 : 60;
    const streams: Uint8Array[] = [
      text.encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      text.encode("*1\r\n$4\r\nPING\r\n"),
      TLS_HELLO,
      new Uint8Array(100_000).fill(0xff),
      ...recorded,
      ...Array.from({ length: rounds }, () => mutated(context.random, recorded[0])),
      ...Array.from(
        { length: rounds },
        () => randomBytes(context.random, context.random.between(1, 3000)),
      ),
    ];
    for (let at = 0; at < streams.length; at += 20) {
      const some = streams.slice(at, at + 20);
      await Promise.all(some.map((bytes) => exchange(where, bytes, HANG_UP_MS)));
    }
    await arena.progress(300);
    arena.fired("strangers", streams.length);
    arena.fired("counted as refused or damaged", await strangeSum(leader) - strangeBefore);
    const grownBytes = await residentBytes(leader) - before;
    assertLess(grownBytes, GROWTH_BYTES_MAX, "memory of the leader");
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    for (const other of arena.others(leader)) assert(await isConnected(leader, other));
    for (const node of arena.nodes) assertEquals(arena.load.problemsOf(node, 0), []);
  });
}

const ADMIN_REQUESTS: readonly { readonly send: string; readonly status: RegExp }[] = [
  { send: "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", status: /40[13]/ },
  {
    send: "POST /api/v1/transfer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    status: /40[13]/,
  },
  { send: "BREW /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", status: /40[0135]/ },
  { send: "GET /healthz HTTP/9.9\r\n\r\n", status: /[45]\d\d/ },
  { send: `GET /${"x".repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, status: /4\d\d/ },
  {
    send:
      "POST /api/v1/transfer HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    status: /4\d\d/,
  },
  { send: "\x16\x03\x01\x00\xc8", status: /4\d\d/ },
];

async function assertAnswered(
  where: { hostname: string; port: number },
  { send, status }: (typeof ADMIN_REQUESTS)[number],
): Promise<void> {
  const bytes = await exchange(where, text.encode(send), ADMIN_HANG_UP_MS);
  const reply = new TextDecoder("latin1").decode(bytes);
  // A node may also hang up without a word.
  const code = /^HTTP\/1\.\d (\d+)/.exec(reply)?.[1] ?? "400";
  assert(status.test(code), `${JSON.stringify(send.slice(0, 60))}: ${reply.slice(0, 200)}`);
}

async function strangersAtAdminPort(context: ScenarioContext): Promise<void> {
  await withArena(context, {}, async (arena) => {
    const leader = await arena.cluster.leader();
    const { term } = await leader.status();
    const where = { hostname: leader.clientHost, port: leader.adminPort };
    // Half a request, many times over: each gets its time, none holds up the others.
    const half = text.encode("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    const waiting = Array.from({ length: 30 }, () => exchange(where, half, ADMIN_HANG_UP_MS));
    const random = Array.from(
      { length: context.long ? 500 : 60 },
      () => exchange(where, randomBytes(context.random, 200), ADMIN_HANG_UP_MS),
    );
    const answered = ADMIN_REQUESTS.map((request) => assertAnswered(where, request));
    await arena.progress(100);
    assertEquals((await leader.readiness()).status, 200);
    await Promise.all([...answered, ...waiting, ...random]);
    await arena.progress(200);
    arena.fired("strange requests", ADMIN_REQUESTS.length + waiting.length + random.length);
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    for (const node of arena.nodes) assertEquals(arena.load.problemsOf(node, 0), []);
  });
}

export const hostilePorts: readonly Scenario[] = [
  {
    name: "E40",
    title: "garbage, forgeries and replays on the peer port change nothing",
    quick: true,
    run: strangersAtPeerPort,
  },
  {
    name: "E40b",
    title: "garbage and half requests on the admin port change nothing",
    run: strangersAtAdminPort,
  },
];
