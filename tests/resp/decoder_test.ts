import { DecodeError, latin1FromBytes, Prng } from "../../src/base/mod.ts";
import {
  DECODER_LIMITS,
  decodeRequest,
  type DecoderLimits,
  Request,
  RequestDecoder,
} from "../../src/resp/mod.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { arrivals, truncations } from "../support/codec_cases.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Everything that a decoder gets out of a stream: argument lists, then the error if any. */
function decodeAll(
  chunks: readonly Uint8Array[],
  limits?: DecoderLimits,
  authenticated = true,
): { commands: string[][]; frames: string[]; error: string | undefined } {
  const decoder = new RequestDecoder(limits);
  decoder.authenticated = authenticated;
  const commands: string[][] = [];
  const frames: string[] = [];
  for (const chunk of chunks) {
    const lent = chunk.slice();
    decoder.push(lent);
    for (let step = decoder.next(); step !== "more"; step = decoder.next()) {
      if (step === "error") return { commands, frames, error: decoder.error };
      commands.push(decoder.request.texts());
      const request = decoder.request.copy();
      assert(request.length > 0);
      if (request.canonical) frames.push(latin1FromBytes(request.buffer));
    }
    decoder.keep();
    lent.fill(0x5a);
  }
  return { commands, frames, error: undefined };
}

const STREAMS: readonly { name: string; text: string; commands: string[][] }[] = [
  { name: "one command", text: "*1\r\n$4\r\nPING\r\n", commands: [["PING"]] },
  {
    name: "pipeline",
    text: "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    commands: [["SET", "k", "hello\r\nworld"], ["GET", ""]],
  },
  {
    name: "inline between arrays",
    text: "*1\r\n$4\r\nPING\r\nSET a \"x\\x41\\n\\\"\" 'it\\'s'\r\nget a\n*1\r\n$4\r\nQUIT\r\n",
    commands: [["PING"], ["SET", "a", 'xA\n"', "it's"], ["get", "a"], ["QUIT"]],
  },
  {
    name: "what is ignored",
    text: "*0\r\n*-1\r\n\r\n\n   \r\n*1\r\n$4\r\nPING\r\n",
    commands: [["PING"]],
  },
  { name: "every byte in a value", text: everyByte(), commands: [["SET", "k", allBytes()]] },
  {
    name: "wrong bytes behind lengths and values",
    text: "*2\rX$4\rYECHO__$1\r\nz\n\n*1\r\n$4\r\nPING\r\n",
    commands: [["ECHO", "z"], ["PING"]],
  },
];

function allBytes(): string {
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
}

function everyByte(): string {
  return `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$256\r\n${allBytes()}\r\n`;
}

Deno.test("requests are the same however the bytes arrive", () => {
  for (const stream of STREAMS) {
    for (const arrival of arrivals(bytes(stream.text))) {
      const { commands, error } = decodeAll(arrival.chunks);
      assertEquals(error, undefined, `${stream.name}, ${arrival.name}`);
      assertEquals(commands, stream.commands, `${stream.name}, ${arrival.name}`);
    }
  }
});

Deno.test("a stream cut short gives whole commands only, and waits", () => {
  for (const stream of STREAMS) {
    for (const cut of truncations(bytes(stream.text))) {
      const { commands, error } = decodeAll([cut.bytes]);
      assertEquals(error, undefined, `${stream.name}, ${cut.name}`);
      assertEquals(commands, stream.commands.slice(0, commands.length), cut.name);
    }
  }
});

Deno.test("a canonical frame reads back with decodeRequest, also inline and at an offset", () => {
  const { frames, commands } = decodeAll([bytes(STREAMS[2].text)]);
  assertEquals(frames.length, commands.length);
  const log = bytes("??" + frames.join(""));
  const request = new Request();
  let at = 2;
  for (const command of commands) {
    at = decodeRequest(log, at, request);
    assertEquals(request.texts(), command);
  }
  assertEquals(at, log.length);
});

Deno.test("a frame with odd line ends is marked, so that the log gets a canonical one", () => {
  const decoder = new RequestDecoder();
  decoder.push(bytes("*1\r\n$4\r\nPING__"));
  assertEquals(decoder.next(), "request");
  assertEquals(decoder.request.canonical, false);
});

Deno.test("decodeRequest refuses every cut and every odd frame", () => {
  const frame = bytes("*2\r\n$4\r\nECHO\r\n$11\r\nhello world\r\n");
  const request = new Request();
  assertEquals(decodeRequest(frame, 0, request), frame.length);
  for (const cut of truncations(frame)) {
    assertThrows(() => decodeRequest(cut.bytes, 0, request), DecodeError);
  }
  const odd = [
    "PING\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*1\r\n$4\r\nPING__",
    "*1\r\n$\r\n\r\n",
    "*1\n$1\na\n",
  ];
  for (const text of odd) {
    assertThrows(() => decodeRequest(bytes(text), 0, request), DecodeError);
  }
});

const ERRORS: readonly [stream: string, error: string][] = [
  ["*2147483648\r\n", "invalid multibulk length"],
  ["*1048577\r\n", "invalid multibulk length"],
  ["*abc\r\n", "invalid multibulk length"],
  ["*+1\r\n", "invalid multibulk length"],
  ["*01\r\n", "invalid multibulk length"],
  ["*-0\r\n", "invalid multibulk length"],
  ["*\r\n", "invalid multibulk length"],
  ["* 1\r\n", "invalid multibulk length"],
  ["*9223372036854775808\r\n", "invalid multibulk length"],
  ["*18446744073709551616\r\n", "invalid multibulk length"],
  ["*1\r\n$-1\r\n", "invalid bulk length"],
  ["*1\r\n$536870913\r\n", "invalid bulk length"],
  ["*1\r\n$9223372036854775808\r\n", "invalid bulk length"],
  ["*1\r\n$04\r\n", "invalid bulk length"],
  ["*1\r\n$\r\n", "invalid bulk length"],
  ["*1\r\n:4\r\n", "expected '$', got ':'"],
  ["*1\r\n*1\r\n", "expected '$', got '*'"],
  ["*1\r\n\r\n", "expected '$', got '\r'"],
  ['SET k "open\r\n', "unbalanced quotes in request"],
  ["SET k 'open\r\n", "unbalanced quotes in request"],
  ['SET k "a"b\r\n', "unbalanced quotes in request"],
];

Deno.test("protocol errors, however the bytes arrive and after a valid command", () => {
  for (const [stream, error] of ERRORS) {
    for (const arrival of arrivals(bytes(`*1\r\n$4\r\nPING\r\n${stream}`))) {
      const result = decodeAll(arrival.chunks);
      assertEquals(result.commands, [["PING"]], `${stream}, ${arrival.name}`);
      assertEquals(result.error, error, `${JSON.stringify(stream)}, ${arrival.name}`);
    }
  }
});

Deno.test("64 kB without an end of line is an error in each place", () => {
  const filler = "1".repeat(65_537);
  assertEquals(decodeAll([bytes(filler)]).error, "too big inline request");
  assertEquals(decodeAll([bytes(`*${filler}`)]).error, "too big mbulk count string");
  assertEquals(decodeAll([bytes(`*1\r\n$${filler}`)]).error, "too big bulk count string");
  const arriving = Array.from({ length: 66 }, () => bytes("a".repeat(1000)));
  assertEquals(decodeAll(arriving).error, "too big inline request");
  assertEquals(decodeAll([bytes("a".repeat(65_535))]).error, undefined);
});

Deno.test("before authentication: ten arguments of 16 kB at most", () => {
  const refused = (text: string) => decodeAll([bytes(text)], undefined, false).error;
  assertEquals(refused("*11\r\n"), "unauthenticated multibulk length");
  assertEquals(refused("*10\r\n"), undefined);
  assertEquals(refused("*1\r\n$16385\r\n"), "unauthenticated bulk length");
  assertEquals(refused("*1\r\n$16384\r\n"), undefined);
  assertEquals(refused("*1\r\n$536870913\r\n"), "invalid bulk length");
});

Deno.test("a command above the size limit ends the stream without a word", () => {
  const limits = { ...DECODER_LIMITS, requestBytesMax: 1000 };
  assertEquals(decodeAll([bytes("*2\r\n$4\r\nECHO\r\n$980\r\n")], limits).error, "");
  assertEquals(decodeAll([bytes("*2\r\n$4\r\nECHO\r\n$970\r\n")], limits).error, undefined);
});

Deno.test("an announced length allocates nothing", () => {
  for (const stream of ["*1048576\r\n", "*1\r\n$536870912\r\n", "*1048576\r\n$500000000\r\nabc"]) {
    const decoder = new RequestDecoder();
    decoder.push(bytes(stream));
    assertEquals(decoder.next(), "more");
    decoder.keep();
    assert(decoder.heldBytes <= 2048, `${stream}: holds ${decoder.heldBytes} bytes`);
    assert(decoder.request.ranges.length <= 2);
  }
});

Deno.test("memory follows what was received and is let go afterwards", () => {
  const decoder = new RequestDecoder();
  const value = new Uint8Array(1_000_000).fill(97);
  decoder.push(bytes(`*2\r\n$4\r\nECHO\r\n$${value.length}\r\n`));
  assertEquals(decoder.next(), "more");
  decoder.keep();
  for (let at = 0; at < value.length; at += 10_000) {
    decoder.push(value.subarray(at, at + 10_000));
    assertEquals(decoder.next(), "more");
    decoder.keep();
    assert(decoder.heldBytes <= 2 * (at + 10_100) + 1024);
  }
  decoder.push(bytes("\r\n"));
  assertEquals(decoder.next(), "request");
  assertEquals(decoder.request.byteLength(1), value.length);
  assertEquals(decoder.next(), "more");
  decoder.keep();
  assertEquals(decoder.heldBytes <= 64 * 1024, true);
});

Deno.test("a million arguments byte by byte stay linear", () => {
  const decoder = new RequestDecoder();
  const count = 200_000;
  const all = bytes(`*${count}\r\n` + "$1\r\nx\r\n".repeat(count));
  const startedMs = performance.now();
  for (let at = 0; at < all.length; at += 7) {
    decoder.push(all.subarray(at, at + 7));
    const step = decoder.next();
    assertEquals(step, at + 7 >= all.length ? "request" : "more");
    decoder.keep();
  }
  assertEquals(decoder.request.length, count);
  assert(performance.now() - startedMs < 5000, "parsing was not linear");
});

Deno.test("fuzz: damaged streams never throw, hang or hold more than they were sent", () => {
  const seed = 20_261_122;
  const random = new Prng(seed);
  const sources = [...STREAMS.map((s) => s.text), ...ERRORS.map((e) => e[0])];
  const deadlineMs = performance.now() + 1500;
  for (let round = 0; performance.now() < deadlineMs; round++) {
    let text = "";
    for (let i = random.between(1, 4); i > 0; i--) text += random.pick(sources);
    const stream = bytes(text);
    for (let i = random.between(0, 6); i > 0; i--) {
      stream[random.between(0, stream.length - 1)] = random.chance(0.5)
        ? random.between(0, 255)
        : "\r\n*$-0123456789\"'\\ ".charCodeAt(random.between(0, 18));
    }
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const next = Math.min(stream.length, at + random.between(1, 40));
      chunks.push(stream.slice(at, next));
      at = next;
    }
    const split = decodeAll(chunks);
    const whole = decodeAll([stream]);
    assertEquals(split, whole, `seed ${seed}, round ${round}: ${JSON.stringify(text)}`);
  }
});
