import { Prng, Ring } from "../../src/base/mod.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("Ring behaves as an array does, over 20,000 random steps", () => {
  const prng = new Prng(7);
  const ring = new Ring<number>();
  const model: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    if (prng.chance(0.55)) {
      ring.push(step);
      model.push(step);
    } else {
      assertEquals(ring.shift(), model.shift());
    }
    assertEquals(ring.length, model.length);
    assertEquals(ring.peek(), model[0]);
    assertEquals(ring.at(model.length - 1), model.at(-1));
  }
  assertEquals([...ring], model);
});
