/** Random persists, cuts, restarts and kills against the dumb twin: an array. */

import fc from "fast-check";
import type { LogEntry } from "../../src/raft/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { contents, describe, entry, openStorage, settled } from "./support.ts";

interface Action {
  readonly kind: "append" | "replace" | "stop" | "kill" | "idle";
  /** Picks where a replacement begins, 0 to 1 of the log. */
  readonly where: number;
  readonly payloadBytes: readonly number[];
  readonly wait: boolean;
}

const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom("append", "append", "append", "replace", "stop", "kill", "idle"),
  where: fc.double({ min: 0, max: 1, noNaN: true }),
  payloadBytes: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 6 }),
  wait: fc.boolean(),
});

const settings = fc.record({
  segmentBytes: fc.constantFrom(256, 700, 5000),
  preallocateBytes: fc.constantFrom(0, 100, 1000),
  fsync: fc.constantFrom("always", "interval", "never"),
});

async function play(options: Parameters<typeof openStorage>[1], actions: readonly Action[]) {
  const disk = new MemoryDisk();
  let node = await openStorage(disk, options);
  let model: LogEntry[] = [];
  let term = 1;
  let waiting: Promise<void>[] = [];
  for (const { kind, where, payloadBytes, wait } of actions) {
    if (kind === "append" || kind === "replace") {
      const first = kind === "append" ? model.length + 1 : 1 + Math.floor(where * model.length);
      if (kind === "replace") term++;
      const added = payloadBytes.map((bytes, at) => entry(first + at, term, "x".repeat(bytes)));
      model = [...model.slice(0, first - 1), ...added];
      waiting.push(node.storage.persist({ entries: added }));
      if (!wait) continue;
    }
    await Promise.all(waiting);
    waiting = [];
    if (kind === "idle") {
      node.clock.advance(5000);
      await settled();
    }
    if (kind === "stop") await node.close();
    if (kind === "kill") await node.directory.close();
    if (kind === "stop" || kind === "kill") node = await openStorage(disk, options);
    assertEquals(await contents(node.storage), model.map(describe));
  }
  await Promise.all(waiting);
  await node.close();
  const last = await openStorage(disk, options);
  assertEquals(await contents(last.storage), model.map(describe));
  assertEquals(last.storage.recovered.warnings, []);
  await last.close();
}

Deno.test("the log is what an array would be after any sequence of changes and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.array(action, { maxLength: 30 }), play),
    { numRuns: 150 },
  );
});
