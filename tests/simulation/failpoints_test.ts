/**
 * E5, fault P3: a process ends at each of the places F1 to F16, as every role that comes to it, with
 * and without what it had not synced. The next start needs nobody, nothing acknowledged is lost, no
 * term goes back, and all members end with the same state. A place that is not reached is a failure.
 */

import { assertEquals } from "../support/assert.ts";
import { runFailpoint } from "./failpoint_run.ts";
import { FAILPOINTS } from "./failpoints.ts";

const NAMES = Array.from({ length: 16 }, (_, at) => `F${at + 1}`);
const reachedNames = new Set<string>();

for (const [at, point] of FAILPOINTS.entries()) {
  Deno.test(`E5: ${point.name}: a process ends: ${point.when}`, async () => {
    const cases = point.roles.flatMap((role) =>
      (["kept", "lost"] as const).map((unsynced) => ({ role, unsynced }))
    );
    const { outcome, reached } = await runFailpoint(point, cases, at + 1);
    assertEquals(outcome.failure?.text, undefined, outcome.lastEvents.join("\n"));
    assertEquals(reached, cases);
    reachedNames.add(point.name);
  });
}

Deno.test("E5: processes have ended at all sixteen places", () => {
  assertEquals([...reachedNames], NAMES);
});
