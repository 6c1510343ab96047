/** `verifyLog` and `dumpLog`: everything is reported, nothing is modified. */

import { LogIndex, Term } from "../../src/base/mod.ts";
import { dumpLog, type LogFinding, StorageError, verifyLog } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { entries, entry, openStorage, PATH } from "./support.ts";

async function logOf(count: number, segmentBytes = 1 << 20): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes });
  for (let index = 1; index <= count; index++) {
    await storage.persist({ entries: [entry(index, index <= 5 ? 1 : 2)] });
  }
  await close();
  return disk;
}

async function verify(disk: MemoryDisk) {
  const before = disk.paths().map((path) => [path, disk.contentOf(path)]);
  const findings: LogFinding[] = [];
  const summary = await verifyLog(disk, PATH, (finding) => findings.push(finding));
  assertEquals(disk.paths().map((path) => [path, disk.contentOf(path)]), before);
  const of = <Kind extends LogFinding["kind"]>(kind: Kind) =>
    findings.filter((finding): finding is LogFinding & { kind: Kind } => finding.kind === kind);
  return { summary, of };
}

function logFiles(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.includes("/log/"));
}

Deno.test("a good log is summed up", async () => {
  const disk = await logOf(12, 400);
  const { summary, of } = await verify(disk);
  assertEquals(summary, {
    segments: logFiles(disk).length,
    records: 12,
    first: { term: Term(1), index: LogIndex(1) },
    last: { term: Term(2), index: LogIndex(12) },
    terms: [{ first: LogIndex(1), term: Term(1) }, { first: LogIndex(6), term: Term(2) }],
    corruptions: 0,
    ok: true,
  });
  assertEquals(of("segment").map(({ file }) => file), logFiles(disk));
  assertEquals(of("identity")[0].identity.nodeId, 1);
  assertEquals(of("state")[0].state.hardState.term, 0);
});

Deno.test("a dump gives every entry with its file and offset", async () => {
  const disk = await logOf(12, 400);
  const dumped: string[] = [];
  await dumpLog(disk, PATH, ({ index, term, kind, file, offset, record }) => {
    const bytes = disk.contentOf(file).slice(offset, offset + record.length);
    assertEquals(bytes, new Uint8Array(record));
    dumped.push(`${kind} ${term} ${index}`);
  }, () => {});
  assertEquals(
    dumped,
    Array.from({ length: 12 }, (_, at) => `command ${at < 5 ? 1 : 2} ${at + 1}`),
  );
});

Deno.test("every corruption is reported with its place, and what is behind it too", async () => {
  const disk = await logOf(30, 500);
  const files = logFiles(disk);
  assert(files.length > 4);
  const expected: [string, number][] = [];
  const damage = async (file: string, nth: number, within: number) => {
    const offsets: number[] = [];
    await dumpLog(disk, PATH, (found) => {
      if (found.file === file) offsets.push(found.offset);
    }, () => {});
    const bytes = disk.contentOf(file);
    bytes[offsets[nth] + within] ^= 1;
    expected.push([file, offsets[nth]]);
    return () => disk.setContent(file, bytes);
  };
  const damages = [await damage(files[0], 1, 5), await damage(files[1], 0, 40)];
  for (const apply of damages) apply();
  const { summary, of } = await verify(disk);
  assertEquals(of("corruption").map(({ file, offset }) => [file, offset]), expected);
  assertEquals(summary.records, 28);
  assertEquals(summary.last?.index, LogIndex(30));
  assert(!summary.ok);
});

Deno.test("a torn tail is no corruption; a missing segment and lost state are", async () => {
  const torn = await logOf(2);
  const file = logFiles(torn)[0];
  const whole = (await logOf(3)).contentOf(file);
  torn.setContent(file, whole.slice(0, whole.length - 45));
  const { summary, of } = await verify(torn);
  assert(summary.ok);
  assertEquals(summary.records, 2);
  assertEquals(of("tornTail").length, 1);
  assertEquals(of("tornTail")[0].offset + of("tornTail")[0].bytes, whole.length - 45);

  const missing = await logOf(12, 400);
  await missing.remove(logFiles(missing).at(-1)!);
  assertEquals((await verify(missing)).of("corruption")[0].reason, "the file is missing");

  const stateless = await logOf(3);
  await stateless.remove(`${PATH}/state-a`);
  assertEquals((await verify(stateless)).of("badCopy").length, 1);
  await stateless.remove(`${PATH}/state-b`);
  assertEquals((await verify(stateless)).summary.corruptions, 2);
});

Deno.test("a running node's log and what is no data directory are refused", async () => {
  const disk = new MemoryDisk();
  const { close, storage } = await openStorage(disk);
  await storage.persist({ entries: entries(1, 2) });
  const locked = await assertRejects(() => verifyLog(disk, PATH, () => {}), StorageError);
  assertEquals(locked.kind, "locked");
  await close();
  await disk.makeDirectory("/empty");
  const notFound = await assertRejects(() => verifyLog(disk, "/empty", () => {}), StorageError);
  assertEquals(notFound.kind, "notFound");
  assertEquals(disk.paths().filter((path) => path.startsWith("/empty")), []);
});
