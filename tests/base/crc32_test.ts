import { crc32, Prng } from "../../src/base/mod.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("crc32 has the check value of IEEE 802.3, and 0 for nothing", () => {
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assertEquals(crc32(new Uint8Array(0)), 0);
});

Deno.test("crc32 divides by the polynomial at every length up to 70 and any split", () => {
  const prng = new Prng(1);
  for (let length = 0; length <= 70; length++) {
    const bytes = Uint8Array.from({ length }, () => prng.u32());
    const expected = bitByBit(bytes);
    assertEquals(crc32(bytes), expected, `${length} bytes`);
    for (let cut = 0; cut <= length; cut++) {
      assertEquals(crc32(bytes, cut, length, crc32(bytes, 0, cut)), expected);
    }
  }
});

function bitByBit(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
    }
  }
  return ~remainder >>> 0;
}
