import { DecodeError, LogIndex, Term } from "../../src/base/mod.ts";
import { commandOf, decodeEntry, recordWithPayload, sealEntry } from "../../src/raft/mod.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { bitFlips, truncations } from "../support/codec_cases.ts";

const PAYLOAD = new TextEncoder().encode("SET boat log");

function sealed() {
  return sealEntry(recordWithPayload(PAYLOAD), "command", Term(3), LogIndex(2 ** 40));
}

Deno.test("a sealed entry decodes to itself", () => {
  const entry = decodeEntry(sealed().record);
  assertEquals(entry, sealed());
  assertEquals(commandOf(entry), PAYLOAD);
});

Deno.test("a record cut short anywhere is refused", () => {
  for (const { name, bytes } of truncations(sealed().record)) {
    assertThrows(() => decodeEntry(bytes), DecodeError, undefined);
    if (bytes.length === 0) assertEquals(name, "first 0 bytes");
  }
});

Deno.test("a record with any single bit flipped is refused", () => {
  for (const { bytes } of bitFlips(sealed().record)) {
    assertThrows(() => decodeEntry(bytes), DecodeError);
  }
});
