/** LogSerializerTest: batch write, batch read and integrity check of log entries. */

import { DecodeError, LogIndex, Term } from "../../src/base/mod.ts";
import { LogSerializer } from "../../src/storage/mod.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../support/assert.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";
import { entries, entry } from "./support.ts";

const serializer = new LogSerializer();
const BATCH = [...entries(7, 2, 3), entry(9, 4, "longer text"), entry(10, 4)];
const BYTES = serializer.serialize(BATCH);
/** Where each record begins, and where the last one ends. */
const BOUNDARIES = BATCH.reduce((all, { record }) => [...all, all.at(-1)! + record.length], [0]);

Deno.test("a batch of entries comes back as it was", () => {
  assertEquals(serializer.deserialize(BYTES), BATCH);
  assertEquals(BYTES.length, serializer.bytesOf(BATCH));
});

Deno.test("no entries are an empty buffer", () => {
  assertEquals(serializer.serialize([]), new Uint8Array(0));
  assertEquals(serializer.deserialize(new Uint8Array(0)), []);
  assertEquals(serializer.verify(new Uint8Array(0)), {
    records: 0,
    bytes: 0,
    first: undefined,
    last: undefined,
    bad: undefined,
  });
});

Deno.test("the check of a good buffer names its first and last entry", () => {
  assertEquals(serializer.verify(BYTES), {
    records: 4,
    bytes: BYTES.length,
    first: { term: Term(3), index: LogIndex(7) },
    last: { term: Term(4), index: LogIndex(10) },
    bad: undefined,
  });
});

Deno.test("a batch cut short anywhere keeps the whole records and names the cut one", () => {
  for (const { bytes, name } of truncations(BYTES)) {
    const whole = BOUNDARIES.filter((boundary) => boundary <= bytes.length).length - 1;
    const report = serializer.verify(bytes);
    assertEquals(report.records, whole, name);
    assertEquals(report.bytes, BOUNDARIES[whole], name);
    if (bytes.length === BOUNDARIES[whole]) {
      assertEquals(report.bad, undefined, name);
      assertEquals(serializer.deserialize(bytes).length, whole, name);
    } else {
      assertEquals(report.bad?.offset, BOUNDARIES[whole], name);
      assertThrows(() => serializer.deserialize(bytes), DecodeError);
    }
  }
});

Deno.test("any single bit flipped is found in the record that it is in", () => {
  for (const { bytes, name, at } of bitFlips(BYTES)) {
    const record = BOUNDARIES.filter((boundary) => boundary <= at).length - 1;
    const report = serializer.verify(bytes);
    assertEquals(report.records, record, name);
    assertEquals(report.bad?.offset, BOUNDARIES[record], name);
    assertThrows(() => serializer.deserialize(bytes), DecodeError);
  }
});

Deno.test("good records in a wrong order are refused", () => {
  const gap = new Uint8Array([...entry(1).record, ...entry(3).record]);
  assertStringIncludes(serializer.verify(gap).bad!.reason, "found entry 3, expected entry 2");
  assertThrows(() => serializer.deserialize(gap), DecodeError, "expected entry 2");
  const fallingTerm = new Uint8Array([...entry(1, 5).record, ...entry(2, 4).record]);
  assertStringIncludes(serializer.verify(fallingTerm).bad!.reason, "expected 5 or higher");
  assertThrows(() => serializer.deserialize(fallingTerm), DecodeError, "has term 4");
  assertThrows(() => serializer.serialize([entry(1), entry(3)]), Error, "Cannot serialize entry 3");
});
