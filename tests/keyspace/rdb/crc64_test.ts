import { bytesFromLatin1 } from "../../../src/base/mod.ts";
import { Crc64 } from "../../../src/keyspace/rdb/crc64.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("crc64: the check value of Redis's polynomial, however the bytes are cut", () => {
  const expected = [0xca, 0xd9, 0xb8, 0xc4, 0x14, 0xd9, 0xc6, 0xe9];
  const bytes = bytesFromLatin1("123456789");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const crc = new Crc64();
    crc.update(bytes, 0, cut);
    crc.update(bytes, cut);
    const found = new Uint8Array(8);
    crc.putTo(found, 0);
    assertEquals([...found], expected);
    assert(crc.equals(found, 0));
  }
});
