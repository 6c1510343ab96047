/** Reading ahead: what comes, what fails, and that nothing goes on behind the end. */

import { readAhead } from "../../src/storage/read_ahead.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** Reads that note their begin and end; those in `failing` fail. */
function reads(failing: readonly number[] = []) {
  const begun: number[] = [];
  const ended: number[] = [];
  const read = async (part: number) => {
    begun.push(part);
    await turn();
    ended.push(part);
    if (failing.includes(part)) throw new Error(`part ${part} is bad`);
    return part * 10;
  };
  return { begun, ended, read };
}

Deno.test("parts come in order, each read while the taker has the one before", async () => {
  const { begun, read } = reads();
  const taken: [number, number][] = [];
  for await (const part of readAhead(3, read)) taken.push([part, begun.length]);
  assertEquals(taken, [[0, 2], [10, 3], [20, 3]]);
});

Deno.test("a part that fails does so when it is its turn", async () => {
  const { read } = reads([1]);
  const parts = readAhead(3, read);
  assertEquals(await parts.next(), { done: false, value: 0 });
  await turn();
  await turn();
  await assertRejects(() => parts.next(), Error, "part 1 is bad");
});

Deno.test("who stops early waits for what was begun, whether or not it fails", async () => {
  for (const failing of [[], [1]]) {
    const { begun, ended, read } = reads(failing);
    for await (const _part of readAhead(3, read)) break;
    assertEquals([begun, ended], [[0, 1], [0, 1]]);
  }
});

Deno.test("nothing to read is nothing read", async () => {
  const { begun, read } = reads();
  assertEquals(await readAhead(0, read).next(), { done: true, value: undefined });
  assertEquals(begun, []);
});
