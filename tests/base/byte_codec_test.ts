import { ByteReader, ByteWriter, DecodeError } from "../../src/base/mod.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("ByteReader reads what ByteWriter wrote while its buffer grew", () => {
  const writer = new ByteWriter(1);
  const numbers = [0, 1, 255, 256, 65535, 65536, 0xffff_ffff, 0x1_0000_0000];
  for (const number of numbers) {
    writer.u8(number & 255);
    writer.u16(number & 65535);
    writer.u32(number);
    writer.u64(number);
    writer.latin1("é");
  }
  writer.u64(Number.MAX_SAFE_INTEGER);
  const reader = new ByteReader(writer.view());
  for (const number of numbers) {
    assertEquals(reader.u8(), number & 255);
    assertEquals(reader.u16(), number & 65535);
    assertEquals(reader.u32(), number >>> 0);
    assertEquals(reader.u64(), number);
    assertEquals(reader.bytes(1), new Uint8Array([0xe9]));
  }
  assertEquals(reader.u64(), Number.MAX_SAFE_INTEGER);
  reader.expectEnd();
  assertThrows(() => reader.u8(), DecodeError, "the input ends at");
});

Deno.test("ByteReader refuses a number past 2^53 - 1", () => {
  assertThrows(
    () => new ByteReader(new Uint8Array(8).fill(255)).u64(),
    DecodeError,
    "past 2^53 - 1",
  );
});
