/** The faults of the disk in memory do what they say, so that tests with them test something. */

import { assertEquals } from "./assert.ts";
import { type DiskFault, MemoryDisk } from "./memory_disk.ts";

async function writeWith(fault: DiskFault): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const file = await disk.open("/f", "create");
  await file.write(new Uint8Array(6), 0);
  disk.fault = ({ kind }) => kind === "write" ? fault : undefined;
  await file.write(new Uint8Array([1, 2]), 2);
  await file.sync();
  return disk;
}

Deno.test("a lost write is reported as done and changes nothing", async () => {
  const disk = await writeWith({ kind: "lost" });
  assertEquals([...disk.contentOf("/f")], [0, 0, 0, 0, 0, 0]);
  assertEquals(disk.fired.get("lost"), 1);
});

Deno.test("a misdirected write lands elsewhere", async () => {
  const disk = await writeWith({ kind: "misdirected", byBytes: 2 });
  assertEquals([...disk.contentOf("/f")], [0, 0, 0, 0, 1, 2]);
  assertEquals(disk.fired.get("misdirected"), 1);
});

Deno.test("a flipped bit stays flipped after a crash", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("/f", "create");
  await file.write(new Uint8Array([0, 0]), 0);
  await file.sync();
  await disk.syncDirectory("/");
  disk.flipBit("/f", 1, 3);
  assertEquals([...disk.contentOf("/f")], [0, 8]);
  assertEquals(disk.fired.get("flippedBit"), 1);
  assertEquals([...disk.crash(() => false).contentOf("/f")], [0, 8]);
});

Deno.test("a lost file stays lost after a crash", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("/f", "create");
  await file.sync();
  await disk.syncDirectory("/");
  disk.loseFile("/f");
  assertEquals(disk.paths(), []);
  assertEquals(disk.crash(() => true).paths(), []);
});
