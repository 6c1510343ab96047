/** The virtual clock ends what would never end. */

import { assertRejects, assertStringIncludes } from "./assert.ts";
import { VirtualClock } from "./virtual_clock.ts";

for (const how of ["runUntil", "runUntilQuickly"] as const) {
  Deno.test(`virtual clock: ${how} fails when work always follows and no time passes`, async () => {
    const clock = new VirtualClock();
    const again = () => clock.setImmediate(again);
    again();
    const error = await assertRejects(() => clock[how](() => false, 1000), Error);
    assertStringIncludes(error.message, "time stands still");
  });
}
