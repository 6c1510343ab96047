import { ByteWriter, DecodeError, NodeId, Prng } from "../../src/base/mod.ts";
import {
  MESSAGE_KINDS,
  messageFrameBytes,
  readMessage,
  writeMessage,
} from "../../src/network/mod.ts";
import { PREAMBLE } from "../../src/network/frame.ts";
import { FrameAssembler } from "../../src/network/frame_assembler.ts";
import { bodyLeadBytes } from "../../src/network/message_codec.ts";
import { type PeerMessage, RECORD_HEADER_BYTES } from "../../src/raft/mod.ts";
import { assert, assertEquals, assertLess, assertThrows } from "../support/assert.ts";
import { arrivals, bitFlips, truncations } from "../support/codec_cases.ts";
import { appendOf, forwardOf, sampleMessages } from "./samples.ts";

const FROM = NodeId(1);
const TO = NodeId(2 ** 32 - 2);

function streamOf(messages: readonly PeerMessage[]): Uint8Array {
  const out = new ByteWriter();
  out.bytes(PREAMBLE);
  for (const message of messages) writeMessage(out, message);
  return out.view().slice();
}

/** What arrives; chunks are overwritten after use, as the platform may do. */
function received(
  chunks: readonly Uint8Array[],
  from = FROM,
  to = TO,
  frameBytesMax = 64 * 1024 * 1024,
): PeerMessage[] {
  const assembler = new FrameAssembler(bodyLeadBytes);
  assembler.frameBytesMax = frameBytesMax;
  const messages: PeerMessage[] = [];
  for (const chunk of chunks) {
    const borrowed = chunk.slice();
    assembler.feed(borrowed);
    for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) {
      messages.push(readMessage(frame, from, to));
    }
    borrowed.fill(0xee);
  }
  return messages;
}

/** The payload of a batch alone matters: its header room is filled in later. */
function comparable(messages: readonly PeerMessage[]): unknown[] {
  return messages.map((message) =>
    message.kind === "forwardedBatch"
      ? { ...message, record: message.record.slice(RECORD_HEADER_BYTES) }
      : message
  );
}

Deno.test("the samples hold every kind of message", () => {
  assertEquals(new Set(sampleMessages().map(({ kind }) => kind)), new Set(MESSAGE_KINDS));
});

Deno.test("messages arrive equal, however the stream is cut", () => {
  const messages = sampleMessages();
  for (const { name, chunks } of arrivals(streamOf(messages))) {
    assertEquals(comparable(received(chunks)), comparable(messages), name);
  }
});

Deno.test("a frame has the announced length", () => {
  for (const message of sampleMessages()) {
    assertEquals(messageFrameBytes(message), streamOf([message]).length - PREAMBLE.length);
  }
});

Deno.test("a stream cut short delivers whole messages only", () => {
  const messages = sampleMessages();
  for (const { name, bytes } of truncations(streamOf(messages))) {
    const got = received([bytes]);
    assertLess(got.length, messages.length, name);
    assertEquals(comparable(got), comparable(messages.slice(0, got.length)), name);
  }
});

Deno.test("no single flipped bit delivers a wrong message", () => {
  for (const message of sampleMessages()) {
    for (const { name, bytes } of bitFlips(streamOf([message]))) {
      let got: PeerMessage[] = [];
      try {
        got = received([bytes]);
      } catch (error) {
        assert(error instanceof DecodeError, `${message.kind}, ${name}: ${error}`);
      }
      assertEquals(got, [], `${message.kind}, ${name}`);
    }
  }
});

Deno.test("garbage never delivers anything and never fails otherwise than as DecodeError", () => {
  const seed = 20_261_122;
  const random = new Prng(seed);
  const stream = streamOf(sampleMessages());
  for (let round = 0; round < 2000; round++) {
    const bytes = stream.slice(PREAMBLE.length);
    for (let hits = random.between(1, 8); hits > 0; hits--) {
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
    }
    const start = random.between(0, bytes.length - 1);
    const out = new ByteWriter();
    out.bytes(PREAMBLE);
    out.bytes(bytes, start);
    let got: PeerMessage[] = [];
    try {
      got = received([out.view()]);
    } catch (error) {
      assert(error instanceof DecodeError, `seed ${seed}, round ${round}: ${error}`);
    }
    for (const message of got) {
      const same = sampleMessages().some((sample) =>
        JSON.stringify(comparable([sample])) === JSON.stringify(comparable([message]))
      );
      assert(same, `seed ${seed}, round ${round}: delivered ${JSON.stringify(message)}`);
    }
  }
});

Deno.test("a message of or to another node is refused", () => {
  const stream = streamOf([sampleMessages()[0]]);
  assertThrows(() => received([stream], NodeId(3), TO), DecodeError, "expected 3 to");
  assertThrows(() => received([stream], FROM, NodeId(3)), DecodeError, "to 3");
});

Deno.test("a frame above the limit is refused before its body is here", () => {
  const stream = streamOf([appendOf(FROM, TO, 100_000)]);
  const head = stream.slice(0, PREAMBLE.length + 80);
  assertThrows(() => received([head], FROM, TO, 50_000), DecodeError, "expected 55 to 50000");
});

Deno.test("another protocol is known by its first byte", () => {
  for (const text of ["GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00", "*1\r\n$4\r\nPING\r\n"]) {
    const bytes = new TextEncoder().encode(text).slice(0, 1);
    assertThrows(() => received([bytes]), DecodeError, "another protocol");
  }
});

Deno.test("entries out of order are refused", () => {
  const message = appendOf(FROM, TO, 10);
  if (message.kind !== "appendEntries") throw new Error("Cannot happen: it is an append");
  const twice = { ...message, entries: [message.entries[0], message.entries[0]] };
  assertThrows(() => received([streamOf([twice])]), DecodeError, "follows");
});

Deno.test("large bodies arrive whole in reads of any size, and own their memory", () => {
  const messages = [
    appendOf(FROM, TO, 3_000_001),
    forwardOf(FROM, TO, new Uint8Array(700_000).fill(7)),
    appendOf(FROM, TO, 5),
  ];
  const stream = streamOf(messages);
  for (const chunkBytes of [1000, 65_536, 999_983]) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += chunkBytes) {
      chunks.push(stream.slice(at, at + chunkBytes));
    }
    const got = received(chunks);
    assertEquals(got.length, 3);
    for (let i = 0; i < 3; i++) assertEqualMessages(got[i], messages[i]);
  }
});

Deno.test("a batch arrives with room for its record header", () => {
  const payload = new TextEncoder().encode("writes");
  const [got] = received([streamOf([forwardOf(FROM, TO, payload)])]);
  if (got.kind !== "forwardedBatch") throw new Error(`Cannot use ${got.kind}: expected a batch`);
  assertEquals(got.record.byteOffset, 0);
  assertEquals(got.record.length, RECORD_HEADER_BYTES + payload.length);
  assertEquals(got.record.slice(RECORD_HEADER_BYTES), payload);
});

/** Bytes are compared by the frame they make: faster than element by element. */
function assertEqualMessages(actual: PeerMessage, expected: PeerMessage): void {
  const left = streamOf([actual]);
  const right = streamOf([expected]);
  assertEquals(left.length, right.length);
  assert(left.every((byte, at) => byte === right[at]), `${expected.kind} differs`);
}
