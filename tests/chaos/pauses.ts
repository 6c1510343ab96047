/** E7: a leader that is stopped in its tracks and comes back as if nothing had happened. */

import { assert, assertEquals } from "../support/assert.ts";
import { within } from "../support/wait.ts";
import { WireError } from "../support/wire_client.ts";
import { withArena } from "./arena.ts";
import { freeze, lasting, thaw } from "./node_state.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const READERS = 12;

/**
 * Reads wait in the sockets of the stopped leader until it goes on; meanwhile the others have elected
 * a leader and acknowledged a write. Every answer to those reads must show it.
 */
async function leaderPaused(context: ScenarioContext, pausesMs: readonly number[]): Promise<void> {
  await withArena(context, { operationTimeoutMs: 6000 }, async (arena) => {
    for (const [round, pauseMs] of pausesMs.entries()) {
      await arena.progress(100);
      const leader = await arena.cluster.leader();
      const others = arena.others(leader);
      const { term } = await leader.status();
      const key = `paused:${round}`;
      await leader.withClient((client) => client.call("SET", key, "old"));
      const readers = await Promise.all(
        Array.from({ length: READERS }, () => leader.connect()),
      );
      await freeze(arena, leader);
      const endMs = performance.now() + pauseMs;
      const replaced = pauseMs > 2000;
      if (replaced) {
        await arena.progress(100, others);
        await others[0].withClient((client) => client.call("SET", key, "new"));
      }
      const reads = readers.map((reader) => reader.command("GET", key));
      await lasting(Math.max(0, endMs - performance.now()));
      thaw(leader);
      let answered = 0;
      for (const reply of await within("answers to waiting reads", 15_000, Promise.all(reads))) {
        if (reply instanceof WireError) continue;
        answered++;
        assertEquals(reply, replaced ? "new" : "old", `after a pause of ${pauseMs} ms`);
      }
      for (const reader of readers) reader.close();
      context.note(`pause of ${pauseMs} ms: ${answered} of ${READERS} waiting reads answered`);
      await arena.progress(100);
      const after = await (await arena.cluster.leader()).status();
      if (replaced) assert(after.term > term, "no new leader was elected during the pause");
    }
  });
}

export const pauses: readonly Scenario[] = [
  {
    name: "E7",
    title: "a leader paused for 0.5 and 3 s serves no stale read when it goes on",
    quick: true,
    run: (context) => leaderPaused(context, context.long ? [500, 3000, 500, 3000] : [500, 3000]),
  },
  {
    name: "E7b",
    title: "a leader paused for 30 s serves no stale read when it goes on",
    run: (context) => leaderPaused(context, [30_000]),
  },
];
