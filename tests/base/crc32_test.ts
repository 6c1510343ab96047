import { crc32 as zlibCrc32 } from "node:zlib";
import { crc32, Prng } from "../../src/base/mod.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("crc32 has zlib's values for every length up to 70 and any split", () => {
  const prng = new Prng(1);
  for (let length = 0; length <= 70; length++) {
    const bytes = Uint8Array.from({ length }, () => prng.u32());
    const expected = zlibCrc32(bytes);
    assertEquals(crc32(bytes), expected, `${length} bytes`);
    for (let cut = 0; cut <= length; cut++) {
      assertEquals(crc32(bytes, cut, length, crc32(bytes, 0, cut)), expected);
    }
  }
});
