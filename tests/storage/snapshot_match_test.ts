/** Every way in which a snapshot and a log can lie to each other. */

import { LogIndex, Term } from "../../src/base/mod.ts";
import { matchSnapshot, startOfEmptyLog } from "../../src/storage/snapshot_match.ts";
import { assertEquals } from "../support/assert.ts";

const id = (index: number, term: number) => ({ term: Term(term), index: LogIndex(index) });

Deno.test("a snapshot is joined, ahead, behind a gap, or contradicted", () => {
  // Entries 11 to 20; entry 10 and up to 15 of term 2, then of term 4.
  const log = {
    start: id(10, 2),
    last: id(20, 4),
    termAt: (index: LogIndex) => Term(index <= 15 ? 2 : 4),
  };
  const rows = [
    [id(9, 2), "gap"],
    [id(9, 9), "gap"],
    [id(10, 2), "joined"],
    [id(10, 3), "reset"],
    [id(10, 1), "contradiction"],
    [id(15, 2), "joined"],
    [id(15, 3), "reset"],
    [id(16, 4), "joined"],
    [id(16, 3), "contradiction"],
    [id(20, 4), "joined"],
    [id(20, 5), "reset"],
    [id(21, 4), "reset"],
    [id(99, 1), "reset"],
  ] as const;
  for (const [snapshot, match] of rows) assertEquals(matchSnapshot(snapshot, log), match);
});

Deno.test("a log without segments begins where the state says", () => {
  const named = [id(5, 1), id(9, 2)];
  assertEquals(startOfEmptyLog(undefined, named), id(0, 0));
  assertEquals(startOfEmptyLog(LogIndex(1), named), id(0, 0));
  assertEquals(startOfEmptyLog(LogIndex(10), named), id(9, 2));
  assertEquals(startOfEmptyLog(LogIndex(8), named), undefined);
});
