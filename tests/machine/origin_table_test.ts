import { OriginTable } from "../../src/machine/mod.ts";
import { Prng } from "../../src/base/mod.ts";
import { assertEquals } from "../support/assert.ts";

const id = (origin: number, incarnation: number, sequence: number) => ({
  origin,
  incarnation,
  sequence,
});

Deno.test("an origin's batches are admitted once and in order", () => {
  const table = new OriginTable();
  assertEquals(table.admit(id(1, 4, 1)), "next");
  assertEquals(table.admit(id(1, 4, 1)), "repeated");
  assertEquals(table.admit(id(1, 4, 3)), "early");
  assertEquals(table.admit(id(1, 4, 2)), "next");
  assertEquals(table.admit(id(1, 4, 3)), "next");
  assertEquals(table.rows(), [id(1, 4, 3)]);
});

Deno.test("a new process of an origin starts at 1, and the old one is never heard again", () => {
  const table = new OriginTable();
  table.admit(id(2, 1, 1));
  table.admit(id(2, 1, 2));
  assertEquals(table.admit(id(2, 2, 2)), "early");
  assertEquals(table.admit(id(2, 1, 3)), "next", "an early batch must not retire the old process");
  assertEquals(table.admit(id(2, 2, 1)), "next");
  assertEquals(table.admit(id(2, 1, 4)), "repeated");
  assertEquals(table.admit(id(2, 2, 2)), "next");
});

Deno.test("whatever is repeated, lost or reordered, each batch takes effect at most once and in order", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const table = new OriginTable();
    const effects: number[] = [];
    for (let step = 0; step < 200; step++) {
      const incarnation = prng.between(1, 3);
      const sequence = prng.between(1, 6);
      const expected = table.admissionOf(id(1, incarnation, sequence));
      const admission = table.admit(id(1, incarnation, sequence));
      assertEquals(admission, expected, `seed ${seed}`);
      if (admission === "next") effects.push(incarnation * 100 + sequence);
    }
    const sorted = [...new Set(effects)].sort((a, b) => a - b);
    assertEquals(effects, sorted, `seed ${seed}`);
  }
});
