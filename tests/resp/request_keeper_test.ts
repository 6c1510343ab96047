import { Prng } from "../../src/base/mod.ts";
import { Request, RequestKeeper } from "../../src/resp/mod.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("kept requests stay as they were, whatever their size and however many follow", () => {
  const prng = new Prng(3);
  const keeper = new RequestKeeper();
  const kept: { request: Request; words: string[] }[] = [];
  for (let count = 0; count < 3000; count++) {
    const words = Array.from(
      { length: prng.between(1, 4) },
      () => "x".repeat(prng.chance(0.02) ? 3000 : prng.between(0, 90)) + count,
    );
    const request = Request.of(...words);
    kept.push({ request: keeper.keep(request), words });
    request.buffer.fill(0);
  }
  for (const { request, words } of kept) assertEquals(request.texts(), words);
});
