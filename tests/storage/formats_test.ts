import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import type { BlockResult } from "../../src/storage/checked_block.ts";
import { sealBlock } from "../../src/storage/checked_block.ts";
import { decodeIdentity, encodeIdentity } from "../../src/storage/identity_format.ts";
import {
  decodePersistRecord,
  encodePersistRecord,
} from "../../src/storage/persist_record_format.ts";
import { decodeState, encodeState } from "../../src/storage/state_format.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  looksLikeMark,
  MARK_BYTES,
  putMark,
  readMark,
  segmentFirstOf,
  segmentName,
} from "../../src/storage/segment_format.ts";
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";
import { CLUSTER, entry } from "./support.ts";

const IDENTITY = {
  clusterId: CLUSTER,
  nodeId: NodeId(0xfffffffe),
  incarnation: 2 ** 40 + 1,
  storageCreated: true,
};
const STATE = {
  clusterId: CLUSTER,
  nodeId: NodeId(3),
  version: 2 ** 50,
  hardState: { term: Term(2 ** 45), votedFor: NodeId(9) },
  firstSegment: LogIndex(1),
  lastSegment: LogIndex(2 ** 35),
};
const PERSIST_RECORD = {
  version: 2 ** 50,
  markSeed: 0xfeedbeef,
  segment: LogIndex(2 ** 35),
  durableBytes: 2 ** 40,
  last: { term: Term(2 ** 45), index: LogIndex(2 ** 36) },
};
const HEADER = {
  clusterId: CLUSTER,
  first: LogIndex(101),
  previous: { term: Term(7), index: LogIndex(100) },
};

interface Codec {
  readonly name: string;
  readonly value: unknown;
  readonly bytes: Uint8Array;
  readonly decode: (bytes: Uint8Array) => BlockResult<unknown>;
}

const CODECS: readonly Codec[] = [
  { name: "identity", value: IDENTITY, bytes: encodeIdentity(IDENTITY), decode: decodeIdentity },
  { name: "state", value: STATE, bytes: encodeState(STATE), decode: decodeState },
  {
    name: "persist record",
    value: PERSIST_RECORD,
    bytes: encodePersistRecord(PERSIST_RECORD),
    decode: decodePersistRecord,
  },
  {
    name: "segment header",
    value: HEADER,
    bytes: encodeSegmentHeader(HEADER),
    decode: decodeSegmentHeader,
  },
];

for (const codec of CODECS) {
  Deno.test(`${codec.name}: comes back as it was`, () => {
    assertEquals(codec.decode(codec.bytes), { kind: "ok", value: codec.value });
  });

  Deno.test(`${codec.name}: cut short or with any bit flipped it is bad`, () => {
    for (const { bytes, name } of truncations(codec.bytes)) {
      assertEquals(codec.decode(bytes).kind, "bad", name);
    }
    for (const { bytes, name } of bitFlips(codec.bytes)) {
      assertEquals(codec.decode(bytes).kind, "bad", name);
    }
  });

  Deno.test(`${codec.name}: a later version is told from damage, whatever its length`, () => {
    const later = new Uint8Array(codec.bytes.length + 40);
    later.set(codec.bytes);
    const magic = new DataView(codec.bytes.buffer).getUint32(4, true);
    sealBlock(later, magic, 2);
    const result = codec.decode(later);
    assert(result.kind === "newer");
    assertEquals(result.version, 2);
  });

  Deno.test(`${codec.name}: another kind of block is bad`, () => {
    for (const other of CODECS) {
      if (other !== codec) assertEquals(codec.decode(other.bytes).kind, "bad", other.name);
    }
  });
}

Deno.test("no vote is told from a vote", () => {
  const state = { ...STATE, hardState: { term: Term(1), votedFor: undefined } };
  assertEquals(decodeState(encodeState(state)), { kind: "ok", value: state });
});

Deno.test("a mark holds only in its own place of its own segment", () => {
  const position = { seed: 0xdeadbeef, offset: 4096 };
  const mark = new Uint8Array(MARK_BYTES);
  const stated = { durableBytes: 4000, last: { term: Term(2 ** 45), index: LogIndex(2 ** 50) } };
  putMark(mark, 0, position, stated);
  assert(looksLikeMark(mark, 0));
  assertEquals(readMark(mark, 0, position), stated);
  assertEquals(readMark(mark, 0, { ...position, offset: 8192 }), undefined);
  assertEquals(readMark(mark, 0, { ...position, seed: 1 }), undefined);
  for (const { bytes, name } of bitFlips(mark)) {
    assertEquals(readMark(bytes, 0, position), undefined, name);
  }
});

Deno.test("a mark can call everything before it durable, and nothing", () => {
  const last = { term: Term(1), index: LogIndex(1) };
  for (const offset of [64, 2 ** 32 - 1]) {
    for (const durableBytes of [0, offset]) {
      const mark = new Uint8Array(MARK_BYTES);
      putMark(mark, 0, { seed: 1, offset }, { durableBytes, last });
      assertEquals(readMark(mark, 0, { seed: 1, offset })?.durableBytes, durableBytes);
    }
  }
});

Deno.test("no record looks like a mark", () => {
  for (let index = 1; index < 300; index++) {
    assert(!looksLikeMark(entry(index, index).record, 0));
  }
});

Deno.test("segment names sort as their first entries do", () => {
  assertEquals(segmentName(LogIndex(1)), "00000000000000000001.log");
  const firsts = [1, 9, 10, 99, 2 ** 31, 2 ** 52].map(LogIndex);
  const names = firsts.map(segmentName);
  assertEquals(names.toSorted(), names);
  assertEquals(names.map(segmentFirstOf), firsts);
  for (const name of ["1.log", "00000000000000000000.log", "00000000000000000001.tmp", ""]) {
    assertEquals(segmentFirstOf(name), undefined, name);
  }
  assertNotEquals(segmentName(LogIndex(2)), segmentName(LogIndex(20)));
});
