/** The frames of a join, however they arrive and whatever happened to them on the way. */

import { AssertionError, ByteWriter, DecodeError, NodeId, Prng } from "../../src/base/mod.ts";
import {
  type Frame,
  FRAME_JOIN,
  FRAME_JOIN_ANSWER,
  PREAMBLE,
  writeFrame,
} from "../../src/network/frame.ts";
import { FrameAssembler } from "../../src/network/frame_assembler.ts";
import {
  decodeJoinAnswer,
  decodeJoinRequest,
  encodeJoinAnswer,
  encodeJoinRequest,
  JOIN_ANSWER_BYTES_MAX,
} from "../../src/network/join_codec.ts";
import type { JoinAnswer, JoinRequest } from "../../src/network/mod.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { arrivals, bitFlips, truncations } from "../support/codec_cases.ts";

const LONGEST_HOST = `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61);

const REQUESTS: readonly JoinRequest[] = [
  {
    featureLevel: 0xfedc,
    as: "voter",
    raftAddress: "node-7.example.org:7379",
    redisAddress: "[::1]:6379",
    nodeId: NodeId(2 ** 32 - 2),
    replaces: NodeId(3),
  },
  { featureLevel: 1, as: "learner", raftAddress: "a:1", redisAddress: "b:65535" },
  {
    featureLevel: 1,
    as: "voter",
    raftAddress: `${LONGEST_HOST}:7379`,
    redisAddress: `${LONGEST_HOST}:6379`,
  },
];

const ANSWERS: readonly JoinAnswer[] = [
  {
    kind: "joined",
    clusterId: "boote-ü",
    nodeId: NodeId(2 ** 32 - 2),
    members: new Uint8Array([1, 2, 3, 250]),
  },
  { kind: "joined", clusterId: "", nodeId: NodeId(1), members: new Uint8Array(0) },
  { kind: "refused", text: "Cannot add node 7: it was a member before; ü" },
  { kind: "tryAgain", text: "" },
];

interface Case {
  readonly name: string;
  readonly stream: Uint8Array;
  readonly value: unknown;
  decode(frame: Frame): unknown;
}

const CASES: readonly Case[] = [
  ...REQUESTS.map((value, at) => ({
    name: `request ${at}`,
    stream: streamOf(FRAME_JOIN, encodeJoinRequest(value)),
    value,
    decode: decodeJoinRequest,
  })),
  ...ANSWERS.map((value, at) => {
    const { fields, body } = encodeJoinAnswer(value);
    const stream = streamOf(FRAME_JOIN_ANSWER, fields, body);
    return { name: `answer ${at}`, stream, value, decode: decodeJoinAnswer };
  }),
];

function streamOf(type: number, fields: Uint8Array, body?: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  out.bytes(PREAMBLE);
  writeFrame(out, type, fields, body);
  return out.view().slice();
}

function received(chunks: readonly Uint8Array[], decode: Case["decode"]): unknown[] {
  const assembler = new FrameAssembler(() => 0);
  assembler.frameBytesMax = JOIN_ANSWER_BYTES_MAX;
  const values: unknown[] = [];
  for (const chunk of chunks) {
    const borrowed = chunk.slice();
    assembler.feed(borrowed);
    for (let frame = assembler.next(); frame; frame = assembler.next()) values.push(decode(frame));
    borrowed.fill(0xee);
  }
  return values;
}

Deno.test("joins arrive equal, however the stream is cut", () => {
  for (const { name, stream, value, decode } of CASES) {
    for (const arrival of arrivals(stream)) {
      assertEquals(received(arrival.chunks, decode), [value], `${name}, ${arrival.name}`);
    }
  }
});

Deno.test("a join cut short delivers nothing", () => {
  for (const { name, stream, decode } of CASES) {
    for (const cut of truncations(stream)) {
      assertEquals(received([cut.bytes], decode), [], `${name}, ${cut.name}`);
    }
  }
});

Deno.test("no single flipped bit delivers another join", () => {
  for (const { name, stream, decode } of CASES) {
    for (const flip of bitFlips(stream)) {
      let got: unknown[] = [];
      try {
        got = received([flip.bytes], decode);
      } catch (error) {
        assert(error instanceof DecodeError, `${name}, ${flip.name}: ${error}`);
      }
      assertEquals(got, [], `${name}, ${flip.name}`);
    }
  }
});

Deno.test("fields that whole frames may carry and joins may not are refused", () => {
  const seed = 33_040;
  const random = new Prng(seed);
  for (
    const [type, decode] of [[FRAME_JOIN, decodeJoinRequest], [
      FRAME_JOIN_ANSWER,
      decodeJoinAnswer,
    ]] as const
  ) {
    for (let round = 0; round < 2000; round++) {
      const fields = new Uint8Array(random.between(0, 60)).map(() => random.between(0, 255));
      const body = new Uint8Array(random.between(0, 10)).map(() => random.between(0, 255));
      // Right checksums: what is inside is judged. Random fields are never a whole request.
      const run = () => received([streamOf(type, fields, body)], decode);
      assertThrows(run, DecodeError);
    }
  }
});

Deno.test("a join without addresses that can be dialled is neither sent nor taken", () => {
  for (const address of ["", "host", "host:0", ":1", "a b:1", `${"x".repeat(400)}:1`]) {
    const request = { ...REQUESTS[1], raftAddress: address };
    assertThrows(() => encodeJoinRequest(request), AssertionError, "expected host:port");
    const out = new ByteWriter();
    out.u16(1);
    out.u8(0);
    out.u32(0);
    out.u32(0);
    for (const text of [address, "b:1"]) {
      out.u16(text.length);
      out.latin1(text);
    }
    const stream = streamOf(FRAME_JOIN, out.view());
    assertThrows(() => received([stream], decodeJoinRequest), DecodeError, "is no address");
  }
});
