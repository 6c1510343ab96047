/** The output side of a connection: memory is used again, and never while it is being written. */

import { DoubleBuffer } from "../../src/platform/double_buffer.ts";
import { assert, assertEquals } from "../support/assert.ts";

const LARGE_BYTES = 300_000;

function put(buffer: DoubleBuffer, fill: number, bytes: number): void {
  const at = buffer.output.reserve(bytes);
  buffer.output.buffer.fill(fill, at, at + bytes);
}

function holds(bytes: Uint8Array, fill: number): boolean {
  return bytes.every((byte) => byte === fill);
}

Deno.test("a large buffer is used by another connection after its write, and not before", () => {
  const [a, b] = [new DoubleBuffer(), new DoubleBuffer()];
  put(a, 1, LARGE_BYTES);
  a.swap();
  const underWrite = a.rest();
  put(b, 2, LARGE_BYTES);
  assert(b.output.buffer.buffer !== underWrite.buffer, "it was being written");
  assert(holds(underWrite, 1));
  a.advance(LARGE_BYTES);
  b.swap();
  put(a, 3, LARGE_BYTES);
  assert(a.output.buffer.buffer === underWrite.buffer, "it was free again");
  assert(holds(b.rest(), 2));
  b.advance(LARGE_BYTES);
  a.swap();
  assert(holds(a.rest(), 3));
  a.advance(LARGE_BYTES);
  assertEquals([a.pendingBytes, b.pendingBytes], [0, 0]);
});

Deno.test("what was under write when a connection broke is left alone", () => {
  const [a, b] = [new DoubleBuffer(), new DoubleBuffer()];
  put(a, 1, LARGE_BYTES);
  a.swap();
  const underWrite = a.rest();
  a.drop();
  for (let i = 0; i < 10; i++) {
    put(b, 2, LARGE_BYTES);
    assert(b.output.buffer.buffer !== underWrite.buffer, "the kernel may still read it");
    b.swap();
    b.advance(LARGE_BYTES);
  }
  assert(holds(underWrite, 1));
});
