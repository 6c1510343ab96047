import { DiskHealth } from "../../src/node/disk_health.ts";
import { assertEquals } from "../support/assert.ts";

const limits = { stepDownMs: 2000, exitMs: 10_000 };

Deno.test("a sync that does not end costs leadership once, then the process", () => {
  const health = new DiskHealth(limits);
  const verdicts = new Map<string, number>();
  for (let busyMs = 0; busyMs <= 10_000; busyMs += 50) {
    const verdict = health.check(busyMs);
    if (!verdicts.has(verdict)) verdicts.set(verdict, busyMs);
    if (verdict === "stepDown") assertEquals(busyMs, 2000);
  }
  assertEquals([...verdicts], [["fine", 0], ["stepDown", 2000], ["exit", 10_000]]);
});

Deno.test("a pause of the process or a jump of its clock is no hang of the disk", () => {
  const health = new DiskHealth(limits);
  assertEquals(health.check(0), "fine");
  // The sync began just before; whether it has ended the process learns only after this look.
  assertEquals(health.check(3_600_000), "fine");
  assertEquals(health.check(0), "fine");
  health.check(10);
  assertEquals(health.check(3_600_010), "fine");
  assertEquals(health.isHung, false);
});

Deno.test("a sync that hangs on after a pause is found out", () => {
  const health = new DiskHealth(limits);
  health.check(10);
  let busyMs = 60_000;
  while (health.check(busyMs) === "fine") busyMs += 50;
  assertEquals(health.isHung, true);
  assertEquals(busyMs, 61_500);
});

Deno.test("short syncs in a row do not add up", () => {
  const health = new DiskHealth(limits);
  for (let look = 0; look < 1000; look++) assertEquals(health.check(10 + look % 2 * 400), "fine");
});
