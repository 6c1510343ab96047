/** E35, E37, E38, E39: clients that use up descriptors, do not read, do not end, or send garbage. */

import { Prng } from "../../src/base/mod.ts";
import { assert, assertEquals, assertLess, assertStringIncludes } from "../support/assert.ts";
import { type TestNode, withCluster } from "../support/cluster.ts";
import { until, within } from "../support/wait.ts";
import { encodeCommand, WireClient } from "../support/wire_client.ts";

const openFilesMax = 64;

Deno.test("E35: clients that use up all descriptors stop neither the others nor the cluster", async () => {
  await withCluster({ nodes: 3, openFilesMax }, async (cluster) => {
    const leader = await cluster.leader();
    const { term } = await leader.status();
    const early = await leader.connect();
    const crowd: WireClient[] = [];
    try {
      // The backlog takes in what the process cannot accept.
      for (let i = 0; i < openFilesMax + 30; i++) crowd.push(await leader.connect());
      const answers = crowd.map((client) =>
        client.command("PING").then(
          (reply) => reply === "PONG" ? "served" : "refused",
          () => "closed",
        )
      );
      for (let i = 0; i < 50; i++) assertEquals(await early.call("INCR", "n"), i + 1);
      const pending = Symbol("pending");
      await Promise.resolve();
      const states = await Promise.all(
        answers.map((answer) => Promise.race([answer, Promise.resolve(pending)])),
      );
      assert(states.some((state) => state !== "served"), "all were served: nothing was used up");
      const follower = cluster.nodes.find((node) => node !== leader)!;
      assertEquals(await follower.withClient((client) => client.call("INCR", "n")), 51);
    } finally {
      for (const client of crowd) client.close();
      await Promise.all(crowd.map((client) => client.closed));
    }
    await until(
      "the leader serves new clients again",
      { withinMs: 10_000 },
      async () =>
        await leader.withClient((client) =>
          within("an answer", 1000, client.command("GET", "n"))
        ) === "51",
    );
    const status = await leader.status();
    assertEquals({ role: status.role, term: status.term }, { role: "leader", term });
    early.close();
  });
});

/** Resident memory, in bytes. */
async function residentBytes(node: TestNode): Promise<number> {
  const found = /^process_resident_memory_bytes(?:\{.*\})? (\d+)/m.exec(await node.metrics());
  assert(found !== null, "no resident memory in the metrics");
  return Number(found[1]);
}

async function latenciesMs(client: WireClient, count: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < count; i++) {
    const startMs = performance.now();
    await client.call("SET", `other:${i % 50}`, "x");
    latencies.push(performance.now() - startMs);
  }
  return latencies.sort((a, b) => a - b);
}

Deno.test("E37: a client that does not read loses its connection; the others notice nothing", async () => {
  const flags = ["--redis-output-bytes-max", "8mb"];
  await withCluster({ nodes: 3, flags }, async (cluster) => {
    const leader = await cluster.leader();
    await leader.withClient(async (other) => {
      const big = "x".repeat(1_000_000);
      await other.call("SET", "big", big);
      await latenciesMs(other, 200);
      const before = await latenciesMs(other, 400);
      const memoryBefore = await residentBytes(leader);
      const slow = await Deno.connect({ hostname: "127.0.0.1", port: leader.redisPort });
      try {
        const requests = encodeCommand(["CLIENT", "SETNAME", "slow"]) +
          encodeCommand(["GET", "big"]).repeat(400);
        await slow.write(new TextEncoder().encode(requests));
        const [during] = await Promise.all([
          latenciesMs(other, 400),
          until(
            "the slow client is disconnected",
            { withinMs: 20_000 },
            async () => !String(await other.call("CLIENT", "LIST")).includes("name=slow"),
          ),
        ]);
        const [p99Before, p99During] = [before, during].map((each) => each[395]);
        console.log(`E37: p99 ${p99Before.toFixed(1)} ms alone, ${p99During.toFixed(1)} ms beside`);
        // The floor is for a machine that runs other things too.
        assertLess(p99During, Math.max(2 * p99Before, 100));
        assertLess(await residentBytes(leader) - memoryBefore, 200_000_000);
      } finally {
        slow.close();
      }
      assertEquals(await other.call("STRLEN", "big"), big.length);
    });
  });
});

/** What a server has to say to a stream of bytes, as Redis 7.0.15 does (design, measured). */
interface Garbage {
  readonly send: string;
  /** The whole answer. `closes`: nothing after it, the connection ends. */
  readonly answer: string;
  readonly closes: boolean;
}

const PING = "*1\r\n$4\r\nPING\r\n";
const protocolError = (text: string) => `-ERR Protocol error: ${text}\r\n`;
const closing = (send: string, text: string): Garbage => ({
  send,
  answer: protocolError(text),
  closes: true,
});
const tolerated = (send: string, answer = ""): Garbage => ({
  send: send + PING,
  answer: `${answer}+PONG\r\n`,
  closes: false,
});

const corpus: readonly Garbage[] = [
  tolerated("*-1\r\n"),
  tolerated("*0\r\n"),
  tolerated("\r\n\r\n"),
  tolerated("PING\n", "+PONG\r\n"),
  tolerated("\n"),
  tolerated("  ping  \r\n", "+PONG\r\n"),
  tolerated("echo 'a\\'b' \r\n", "$3\r\na'b\r\n"),
  tolerated('echo "\\x41\\n"\r\n', "$2\r\nA\n\r\n"),
  tolerated(
    "*2\r\n$6\r\nnosuch\r\n$1\r\na\r\n",
    "-ERR unknown command 'nosuch', with args beginning with: 'a' \r\n",
  ),
  tolerated(
    "*1\r\n$7\r\nno\r\nsuc\r\n",
    "-ERR unknown command 'no  suc', with args beginning with: \r\n",
  ),
  tolerated("*1\r\n$3\r\nget\r\n", "-ERR wrong number of arguments for 'get' command\r\n"),
  tolerated("*2\r\n$5\r\nHELLO\r\n$1\r\n4\r\n", "-NOPROTO unsupported protocol version\r\n"),
  closing("*2147483648\r\n", "invalid multibulk length"),
  closing("*abc\r\n", "invalid multibulk length"),
  closing("*+1\r\n", "invalid multibulk length"),
  closing("*01\r\n", "invalid multibulk length"),
  closing("* 1\r\n", "invalid multibulk length"),
  closing("*9223372036854775808\r\n", "invalid multibulk length"),
  closing("*1\r\n$-1\r\n", "invalid bulk length"),
  closing("*1\r\n$536870913\r\n", "invalid bulk length"),
  closing("*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
  closing("*1\r\n:4\r\n", "expected '$', got ':'"),
  closing("*1\r\n*1\r\n", "expected '$', got '*'"),
  closing('set "a\r\n', "unbalanced quotes in request"),
  closing("x".repeat(70_000), "too big inline request"),
  closing("*" + "1".repeat(70_000), "too big mbulk count string"),
  closing("*1\r\n$" + "1".repeat(70_000), "too big bulk count string"),
  { send: "POST / HTTP/1.1\r\n", answer: "", closes: true },
  { send: "Host: example\r\n", answer: "", closes: true },
];

/** Sends chunks, each in a write of its own, and reads until `answer` is there or the end. */
async function exchange(
  node: TestNode,
  chunks: readonly string[],
  { answer, closes }: Garbage,
): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: node.redisPort });
  connection.setNoDelay(true);
  let received = "";
  try {
    for (const chunk of chunks) {
      const bytes = Uint8Array.from(chunk, (character) => character.charCodeAt(0));
      for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
    }
    const buffer = new Uint8Array(4096);
    while (closes || received.length < answer.length) {
      const count = await connection.read(buffer);
      if (count === null) break;
      received += new TextDecoder().decode(buffer.subarray(0, count));
    }
  } catch (error) {
    // A server that closes with input unread resets the connection.
    if (
      !(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe)
    ) {
      throw error;
    }
  } finally {
    connection.close();
  }
  return received;
}

Deno.test("E39: each malformed stream gets Redis's answer, whole and in pieces", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    for (const garbage of corpus) {
      const { send, answer } = garbage;
      const name = JSON.stringify(send.slice(0, 60));
      const cuts = send.length > 100
        ? [1, 40_000]
        : Array.from({ length: send.length - 1 }, (_, i) => i + 1);
      const arrivals = [[send], ...cuts.map((cut) => [send.slice(0, cut), send.slice(cut)])];
      for (const chunks of arrivals) {
        const received = await within(
          `an answer to ${name}`,
          5000,
          exchange(node, chunks, garbage),
        );
        assertEquals(received, answer, `${name} in pieces of ${chunks.map((c) => c.length)}`);
      }
      const behind = { ...garbage, answer: `+PONG\r\n${answer}` };
      const received = await within(name, 5000, exchange(node, [PING + send], behind));
      assertEquals(received, behind.answer, `${name} behind a command`);
    }
    assertEquals(await node.withClient((client) => client.call("PING")), "PONG");
  });
});

const fuzzRounds = 400;

Deno.test("E39: mutated streams neither crash, hang nor fill the server", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    const seed = 39;
    const random = new Prng(seed);
    const control = await node.connect();
    await control.call("SET", "control", "here");
    const valid = [
      ["SET", "a", "value"],
      ["GET", "a"],
      ["MULTI"],
      ["HSET", "h", "f", "v"],
      ["EXEC"],
      ["MGET", "a", "b", "c"],
      ["HELLO", "3"],
      ["SCAN", "0", "COUNT", "10"],
    ].map((args) => encodeCommand(args));
    const memoryBefore = await residentBytes(node);
    for (let round = 0; round < fuzzRounds; round++) {
      const stream = mutated(random, valid);
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: node.redisPort });
      try {
        await connection.write(stream);
        // Half the clients go away at once, with their answers unread.
        if (random.chance(0.5)) {
          await connection.closeWrite();
          const what = `seed ${seed}, round ${round}: the end of the connection`;
          await within(what, 5000, drain(connection));
        }
      } catch (error) {
        const expected = error instanceof Deno.errors.ConnectionReset ||
          error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.NotConnected;
        if (!expected) throw error;
      } finally {
        connection.close();
      }
      const what = `seed ${seed}, round ${round}: an answer to another client`;
      assertEquals(await within(what, 5000, control.command("GET", "control")), "here");
    }
    assertEquals(node.process!.status, undefined);
    assertLess(await residentBytes(node) - memoryBefore, 150_000_000);
    await until(
      "all connections are gone",
      { withinMs: 10_000 },
      async () => /^connected_clients:1\r$/m.test(String(await control.call("INFO", "clients"))),
    );
    control.close();
    await control.closed;
  });
});

async function drain(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(16_384);
  while (await connection.read(buffer) !== null);
}

/** Some valid commands with a few bytes changed, left out, doubled or made huge. */
function mutated(random: Prng, valid: readonly string[]): Uint8Array<ArrayBuffer> {
  let text = Array.from({ length: random.between(1, 6) }, () => random.pick(valid)).join("");
  for (let i = random.between(1, 5); i > 0; i--) {
    const at = random.between(0, text.length - 1);
    const [head, tail] = [text.slice(0, at), text.slice(at + 1)];
    text = random.pick([
      () => head + String.fromCharCode(random.between(0, 255)) + tail,
      () => head + tail,
      () => head + text[at] + text[at] + tail,
      () => head + random.pick(["$", "*", ":", "-", "\r\n", "\0", "999999999", "-1"]) + tail,
    ])();
  }
  // Nothing that would empty the store or end the server can come out of these commands.
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

Deno.test("E38: a client that goes, or is cut off, while it sends a request to the admin endpoint ends nothing", async () => {
  const options = { nodes: 1, flags: ["--admin-request-timeout-ms", "500"] };
  await withCluster(options, async (cluster) => {
    const [{ adminPort }] = cluster.nodes;
    const request = "POST /api/v1/transfer HTTP/1.1\r\nHost: localhost\r\n" +
      "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    const begin = async () => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: adminPort });
      await connection.write(new TextEncoder().encode(request));
      return connection;
    };
    for (let i = 0; i < 3; i++) (await begin()).close();
    const halves = await begin();
    await halves.closeWrite();
    const slow = await begin();
    const answer = await within("the slow one is cut off", 10_000, textOf(slow));
    assertStringIncludes(answer, "408");
    await within("the half one is closed", 10_000, textOf(halves));
    const status = await cluster.nodes[0].status();
    assertEquals([status.role, status.incarnation], ["leader", 1]);
  });
});

/** What arrives until the end; a reset counts as one. */
async function textOf(connection: Deno.Conn): Promise<string> {
  return await new Response(connection.readable).text().catch(() => "");
}
