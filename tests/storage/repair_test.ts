/**
 * Damage to a log whose entries other members have: it opens, says which entries cannot be read,
 * and takes them back. Whatever byte is damaged, nothing that was durable is lost in silence.
 */

import { LogIndex, Prng, Term } from "../../src/base/mod.ts";
import type { LogEntry } from "../../src/raft/mod.ts";
import { CorruptionError, type RaftStorage, StorageError } from "../../src/storage/mod.ts";
import { type DiskFile, PlatformError } from "../../src/platform/mod.ts";
import { readPersistRecord } from "../../src/storage/persistence_file.ts";
import { readReadable } from "../../src/storage/readable.ts";
import { MARK_BYTES, SEGMENT_HEADER_BYTES } from "../../src/storage/segment_format.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import {
  contents,
  describe,
  entries,
  entry,
  type Opened,
  openStorage,
  PATH,
  settled,
} from "./support.ts";

const REPAIRS = { repairs: () => true };
const SEGMENT_BYTES = 700;

/** Batches of one to three entries over a few segments and terms. */
const BATCHES: readonly LogEntry[][] = [
  entries(1, 1),
  entries(2, 3),
  entries(5, 1, 2),
  entries(6, 2, 2),
  entries(8, 1, 4, "x".repeat(600)),
  entries(9, 3, 4),
  entries(12, 1, 5),
  entries(13, 1, 5),
];
const ALL = BATCHES.flat();

type End = "stopped" | "killed" | "powerCut";

async function diskOf(end: End, batches = BATCHES): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { storage, close } = await openStorage(disk, { segmentBytes: SEGMENT_BYTES });
  for (const batch of batches) await storage.persist({ entries: batch });
  if (end === "stopped") {
    await close();
    return disk;
  }
  return end === "killed" ? disk.kill() : disk.crash(() => false);
}

async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  await copy.makeDirectory(`${PATH}/log`);
  for (const path of disk.paths()) copy.setContent(path, disk.contentOf(path));
  return copy;
}

function logFiles(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.includes("/log/"));
}

function open(disk: MemoryDisk, more = {}): Promise<Opened> {
  return openStorage(disk, { segmentBytes: SEGMENT_BYTES }, { ...REPAIRS, ...more });
}

/** What can be read, and the rest as `damaged` says. */
async function accountOf(storage: RaftStorage): Promise<string[]> {
  const account: string[] = [];
  for (let next: number = storage.firstIndex; next <= storage.lastIndex;) {
    const range = storage.damaged.find(({ first, last }) => first <= next && next <= last);
    if (range !== undefined) {
      await assertRejects(
        () => storage.read(LogIndex(next), storage.lastIndex, 1),
        CorruptionError,
      );
      account.push(`${next++} damaged`);
      continue;
    }
    const part = await storage.read(LogIndex(next), storage.lastIndex, 1 << 20);
    assert(part.length > 0, `entry ${next} is missing`);
    for (const found of part) account.push(describe(found));
    next = part[part.length - 1].index + 1;
  }
  return account;
}

/** Nothing of `expected` is missing, and what cannot be read is repaired for good. */
async function assertRepairable(disk: MemoryDisk, name: string, expected = ALL): Promise<number> {
  const node = await open(disk);
  const { storage } = node;
  const account = await accountOf(storage);
  assertEquals(account.length, expected.length, `${name}: ${account}`);
  const damaged = account.filter((text, at) => text !== describe(expected[at]));
  assert(damaged.every((text) => text.endsWith(" damaged")), `${name}: ${damaged}`);
  assertEquals(storage.recovered.damaged, storage.damaged, name);
  await storage.repair(expected);
  assertEquals(storage.damaged, [], name);
  assertEquals(await contents(storage), expected.map(describe), name);
  await storage.persist({ entries: entries(expected.length + 1, 2, 9) });
  const after = await open(disk.crash(() => false));
  assertEquals(after.storage.recovered.damaged, [], name);
  const warnings = after.storage.recovered.warnings;
  assertEquals(warnings, [], name);
  assertEquals(await contents(after.storage), [
    ...expected.map(describe),
    ...entries(expected.length + 1, 2, 9).map(describe),
  ], name);
  await after.close();
  return damaged.length;
}

/** Damages in every way of `variants`; each is repairable, or refused with nothing changed. */
async function enumerate(
  end: End,
  variants: (bytes: Uint8Array) => Generator<{ name: string; bytes: Uint8Array }>,
): Promise<{ repaired: number; refused: number }> {
  const whole = await diskOf(end);
  let repaired = 0;
  let refused = 0;
  for (const file of logFiles(whole)) {
    for (const { name, bytes } of variants(whole.contentOf(file))) {
      const where = `${end}: ${file}: ${name}`;
      const disk = await copyOf(whole);
      disk.setContent(file, bytes);
      const before = logFiles(disk).map((path) => disk.contentOf(path));
      try {
        repaired += await assertRepairable(disk, where);
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw new Error(where, { cause: error });
        refused++;
        assertEquals(logFiles(disk).map((path) => disk.contentOf(path)), before, where);
      }
    }
  }
  return { repaired, refused };
}

function* flips(step: number, bytes: Uint8Array): Generator<{ name: string; bytes: Uint8Array }> {
  // Behind the last record there is nothing to lose.
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  for (let at = 0; at < end; at += step) {
    const damaged = bytes.slice();
    // A last byte that is zero is what an unfinished write leaves.
    const bit = 1 << (at % 8);
    damaged[at] ^= damaged[at] === bit ? 128 - bit : bit;
    yield { name: `byte ${at} flipped`, bytes: damaged };
  }
}

function* cuts(bytes: Uint8Array): Generator<{ name: string; bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length; at += 3) {
    yield { name: `cut at ${at}`, bytes: bytes.slice(0, at) };
  }
}

function* zeroed(bytes: Uint8Array): Generator<{ name: string; bytes: Uint8Array }> {
  for (const length of [40, 300]) {
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = bytes.slice();
      damaged.fill(0, at, at + length);
      yield { name: `${length} bytes from ${at} zeroed`, bytes: damaged };
    }
  }
}

Deno.test("E23, E25: a bit flipped at any byte is repaired from what others have, or refused", async () => {
  for (const [end, step] of [["stopped", 5], ["killed", 1], ["powerCut", 3]] as const) {
    const { repaired, refused } = await enumerate(end, (bytes) => flips(step, bytes));
    assert(repaired > 800 / step, `${end}: only ${repaired} entries were repaired`);
    // Headers that hide two terms, or, after a loss of power, the last batch: its record was lost.
    assert(refused < 200, `${end}: ${refused} were refused`);
  }
});

Deno.test("E28: a segment cut anywhere is repaired from what others have, or refused", async () => {
  const { repaired, refused } = await enumerate("killed", cuts);
  assert(repaired > 300 && refused < 300, `${repaired} repaired, ${refused} refused`);
});

Deno.test("bytes zeroed anywhere are repaired from what others have, or refused", async () => {
  const { repaired, refused } = await enumerate("killed", zeroed);
  assert(repaired > 300 && refused < 300, `${repaired} repaired, ${refused} refused`);
});

Deno.test("E28: a segment that is missing in the middle is repaired, the first and last refused", async () => {
  const whole = await diskOf("stopped", entries(1, 40).map((one) => [one]));
  const files = logFiles(whole);
  assert(files.length >= 4);
  for (const missing of files.slice(1, -1)) {
    const disk = await copyOf(whole);
    await disk.remove(missing);
    const damaged = await assertRepairable(disk, `without ${missing}`, entries(1, 40));
    assert(damaged > 0, missing);
  }
  for (const missing of [files[0], files.at(-1)!]) {
    const disk = await copyOf(whole);
    await disk.remove(missing);
    await assertRejects(() => open(disk), CorruptionError);
  }
});

/** A stopped node whose entries 3 and 9 to 11 are damaged. */
async function damagedDisk(): Promise<MemoryDisk> {
  const disk = await diskOf("stopped");
  for (const [index, within] of [[3, 40], [9, 5]]) {
    for (const file of logFiles(disk)) {
      const bytes = disk.contentOf(file);
      const { record } = ALL[index - 1];
      const at = bytes.findIndex((_, start) =>
        record.every((byte, offset) => bytes[start + offset] === byte)
      );
      if (at < 0) continue;
      bytes[at + within] ^= 1;
      disk.setContent(file, bytes);
    }
  }
  return disk;
}

const DAMAGED = [
  { first: LogIndex(3), last: LogIndex(3), term: Term(1) },
  { first: LogIndex(9), last: LogIndex(11), term: Term(4) },
];

const NOBODY = new Uint8Array([1]);

Deno.test("damage is named at the start, and whoever may not repair it is refused", async () => {
  const disk = await damagedDisk();
  const asked: (Uint8Array | undefined)[] = [];
  const refusing = { repairs: (found?: Uint8Array) => asked.push(found) === 0 };
  const before = logFiles(disk).map((path) => disk.contentOf(path));
  const error = await assertRejects(() => open(disk, refusing), CorruptionError);
  assertEquals(error.index, LogIndex(3));
  assertEquals(asked, [undefined]);
  assertEquals(logFiles(disk).map((path) => disk.contentOf(path)), before);

  const { storage, close } = await open(disk);
  assertEquals(storage.recovered.damaged, DAMAGED);
  assertEquals(storage.recovered.last, { term: Term(5), index: LogIndex(13) });
  assertEquals(storage.recovered.termRuns.map(({ first, term }) => [first, term]), [
    [1, 1],
    [5, 2],
    [8, 4],
    [12, 5],
  ]);
  assertEquals(storage.recovered.warnings.length, 2);
  assertStringIncludes(storage.recovered.warnings[0], "entry 3 must come from another member");
  assertStringIncludes(storage.recovered.warnings[1], "entries 9 to 11 must come from another");
  await close();
});

Deno.test("damage that the snapshot covers is no reason to refuse: alone, a node has all it needs", async () => {
  const disk = await damagedDisk();
  const alone = { repairs: () => false };
  const takeSnapshot = async (index: number) => {
    const { storage, close } = await open(disk);
    const writer = await storage.snapshots.create(
      { term: Term(4), index: LogIndex(index) },
      NOBODY,
    );
    await writer.write(new Uint8Array([index]));
    await writer.finish();
    await close();
  };
  await takeSnapshot(10);
  const error = await assertRejects(() => open(disk, alone), CorruptionError);
  assertEquals(error.index, LogIndex(9));
  await takeSnapshot(11);
  const { storage, close } = await open(disk, alone);
  assertEquals(storage.recovered.damaged, DAMAGED);
  await close();
});

Deno.test("a repair needs all entries of a range, and refuses what was not there", async () => {
  const disk = await damagedDisk();
  const { storage, fatal, close } = await open(disk);
  await storage.repair([]);
  await storage.repair([ALL[8], ALL[9]]);
  assertEquals(storage.damaged, DAMAGED);
  for (const wrong of [[entry(3, 1, "other")], [entry(3, 2)], entries(9, 3, 4, "longer")]) {
    const error = await assertRejects(() => storage.repair(wrong), CorruptionError);
    assertStringIncludes(error.message, "cannot be repaired with what another member has");
    assertEquals(storage.damaged, DAMAGED);
  }
  await storage.repair([ALL[2]]);
  assertEquals(storage.damaged, DAMAGED.slice(1));
  assertEquals(fatal, []);
  await close();
  const again = await open(disk);
  assertEquals(again.storage.recovered.damaged, DAMAGED.slice(1));
  await again.close();
});

Deno.test("a crash at any step of a repair leaves the damage as it was, or good entries", async () => {
  for (const how of ["all", "none", "random"]) {
    for (let operation = 1;; operation++) {
      const prng = new Prng(operation);
      let disk = await damagedDisk();
      const { storage, directory } = await open(disk);
      const begun = disk.operations;
      disk.fault = ({ number }) =>
        number === begun + operation ? { kind: "crashAfter" } : undefined;
      const outcome = await Promise.allSettled([storage.repair(ALL)]);
      if (!disk.crashed) {
        assertEquals(outcome[0].status, "fulfilled");
        assert(operation > 4, "a repair takes some steps");
        await directory.close();
        break;
      }
      disk = disk.crash(() => how === "random" ? prng.chance(0.5) : how === "all");
      await assertRepairable(disk, `${how} kept after operation ${operation}`);
    }
  }
});

Deno.test("a repair that a killed process had not synced stays once a start has read it well", async () => {
  for (let operation = 1;; operation++) {
    const disk = await damagedDisk();
    const { storage, directory } = await open(disk);
    const begun = disk.operations;
    disk.fault = ({ number }) => number === begun + operation ? { kind: "crashAfter" } : undefined;
    await Promise.allSettled([storage.repair(ALL)]);
    if (!disk.crashed) {
      await directory.close();
      break;
    }
    const killed = disk.kill();
    const { storage: after } = await open(killed);
    const account = await accountOf(after);
    const { storage: later } = await open(killed.crash(() => false));
    assertEquals(await accountOf(later), account, `killed after operation ${operation}`);
  }
});

Deno.test("damage that comes while a node runs is found, and repaired while writes go on", async () => {
  const disk = new MemoryDisk();
  const { storage, close, fatal } = await open(disk);
  for (const batch of BATCHES) await storage.persist({ entries: batch });
  for (const file of logFiles(disk)) {
    const bytes = disk.contentOf(file);
    for (let at = 64; at < bytes.findLastIndex((byte) => byte !== 0); at += 5) {
      disk.flipBit(file, at, 3);
      for (let next = 1; next <= ALL.length; next++) {
        try {
          await storage.read(LogIndex(next), LogIndex(next), 1);
        } catch (error) {
          assert(error instanceof CorruptionError, `${error}`);
          await storage.examine(error.index ?? LogIndex(next));
        }
      }
      const account = await accountOf(storage);
      assertEquals(account.length, ALL.length, `${file} at ${at}: ${account}`);
      const repairing = storage.repair(ALL);
      await repairing;
      assertEquals(await contents(storage), ALL.map(describe), `${file} at ${at}`);
      // A mark that was damaged is nobody's loss, but must not stay bad for the next round.
      const now = await disk.open(file, "existing");
      await now.write(bytes, 0);
      await now.close();
    }
  }
  assertEquals(fatal, []);
  const [repairing, writing] = [storage.repair(ALL), storage.persist({ entries: [entry(14, 6)] })];
  await Promise.all([repairing, writing]);
  await close();
});

Deno.test("a repair that moves records within its range leaves none to be looked for elsewhere", async () => {
  const batches = [[entry(1, 1, "x".repeat(SEGMENT_BYTES))], entries(2, 1), entries(3, 2)];
  const disk = await diskOf("killed", batches);
  const file = logFiles(disk)[1];
  disk.flipBit(file, SEGMENT_HEADER_BYTES, 3);
  const { storage, close } = await open(disk);
  // Entry 3 is the first in the file whose place is known from the start.
  assertEquals(storage.damaged, [{ first: LogIndex(2), last: LogIndex(2), term: Term(1) }]);
  await storage.repair(batches.flat());
  const third = SEGMENT_HEADER_BYTES + batches[1][0].record.length + MARK_BYTES;
  for (let at = SEGMENT_HEADER_BYTES; at < third + MARK_BYTES; at += 8) disk.flipBit(file, at, 3);
  await assertRejects(() => storage.read(LogIndex(3), LogIndex(3), 1), CorruptionError);
  await storage.examine(LogIndex(3));
  assertEquals(storage.damaged, [{ first: LogIndex(2), last: LogIndex(4), term: Term(1) }]);
  await storage.repair(batches.flat());
  assertEquals(storage.damaged, []);
  for (let index = 1; index <= 4; index++) {
    const [found] = await storage.read(LogIndex(index), LogIndex(index), 1);
    assertEquals(found.index, LogIndex(index));
  }
  await close();
});

Deno.test("entries that cannot be read are replaced and given up as any others", async () => {
  for (const first of [3, 9, 12]) {
    const disk = await damagedDisk();
    const node = await open(disk);
    await node.storage.persist({ entries: entries(first, 2, 9) });
    const kept = DAMAGED.filter((range) => range.first < first);
    assertEquals(node.storage.damaged, kept, `from ${first}`);
    await node.storage.repair(ALL.slice(0, first - 1));
    assertEquals(await contents(node.storage), [
      ...ALL.slice(0, first - 1).map(describe),
      ...entries(first, 2, 9).map(describe),
    ]);
    await node.close();
  }
});

/** Begins a segment. */
const LARGE = entry(12, 5, "x".repeat(SEGMENT_BYTES));

/** A stopped node whose entries 9 to 11 are in one hole, which something says the end of. */
async function hiddenDisk(end: "mark" | "persistRecord" | "segment" | "cut"): Promise<MemoryDisk> {
  const disk = await diskOf(
    end === "persistRecord" ? "killed" : "stopped",
    [
      ...BATCHES.slice(0, 6),
      ...(end === "persistRecord" ? [] : [[end === "mark" ? ALL[11] : LARGE]]),
    ],
  );
  const { record } = ALL[8];
  for (const file of logFiles(disk)) {
    const bytes = disk.contentOf(file);
    const at = bytes.findIndex((_, start) =>
      record.every((byte, offset) => bytes[start + offset] === byte)
    );
    if (at < 0) continue;
    bytes[at + 5] ^= 1;
    disk.setContent(file, end === "cut" ? bytes.slice(0, at) : bytes);
  }
  return disk;
}

Deno.test("a cut within a hole keeps what is before it, and a crash at any step loses none", async () => {
  const hidden = DAMAGED[1];
  const kept = ALL.slice(0, 9);
  const replacing = entries(10, 2, 9);
  for (const end of ["mark", "persistRecord", "segment", "cut"] as const) {
    const whole = await hiddenDisk(end);
    let finished = false;
    let back = 0;
    for (let operation = 1; !finished; operation++) {
      for (const how of ["all", "none", "random", "random"]) {
        const name = `${end}, ${how} kept after operation ${operation}`;
        const prng = new Prng(operation);
        let disk = await copyOf(whole);
        const node = await open(disk);
        assertEquals(node.storage.damaged, [hidden], name);
        const begun = disk.operations;
        disk.fault = ({ number }) =>
          number === begun + operation ? { kind: "crashAfter" } : undefined;
        const [outcome] = await Promise.allSettled([node.storage.persist({ entries: replacing })]);
        finished = !disk.crashed;
        if (finished) {
          assertEquals(outcome.status, "fulfilled", name);
          assertEquals(node.storage.damaged, [{ ...hidden, last: LogIndex(9) }], name);
          assert(operation > 12, `${end}: a cut takes some steps, found ${operation}`);
        }
        disk = disk.crash(() => how === "random" ? prng.chance(0.5) : how === "all");
        const again = await open(disk);
        const { storage } = again;
        const [range] = storage.damaged;
        assertEquals(range.first, LogIndex(9), name);
        if (range.last === 11) {
          const old = [...ALL.slice(0, 11), end === "mark" ? ALL[11] : LARGE];
          const expected = old.slice(0, storage.lastIndex);
          await assertRepairable(await copyOf(disk), `${name}, as before`, expected);
          back++;
        }
        // Nothing was acknowledged: what was to go may be there or not, what was before it is.
        if (!finished) await storage.persist({ entries: replacing });
        assertEquals(storage.damaged, [{ ...hidden, last: LogIndex(9) }], name);
        assertEquals(storage.lastIndex, LogIndex(11), name);
        await again.close();
        for (const file of logFiles(disk)) {
          const text = new TextDecoder("latin1").decode(disk.contentOf(file));
          assert(!text.includes("entry 11 of term 4"), `${name}: ${file} has what was cut off`);
        }
        await assertRepairable(disk, name, [...kept, ...replacing]);
      }
    }
    assert(back > 4, `${end}: ${back} crashes came before the cut`);
  }
});

Deno.test("a full disk puts a cut within a hole off: the same one succeeds later", async () => {
  for (const end of ["mark", "persistRecord", "segment", "cut"] as const) {
    let refused = 0;
    for (let failing = 1;; failing++) {
      const disk = await hiddenDisk(end);
      const { storage, close, fatal } = await open(disk);
      let writes = 0;
      disk.fault = ({ kind, path }) =>
        kind === "write" && path.includes("/log/") && ++writes === failing
          ? { kind: "short", bytes: 7, code: "ENOSPC" }
          : undefined;
      const persist = () => storage.persist({ entries: entries(10, 2, 9) });
      const error = await persist().then(() => undefined, (error) => error);
      disk.fault = undefined;
      if (error !== undefined) {
        refused++;
        assert(error instanceof StorageError && error.kind === "full", `${end}: ${error}`);
        await persist();
      }
      assertEquals(fatal, []);
      await close();
      await assertRepairable(disk, `${end}, write ${failing}`, [
        ...ALL.slice(0, 9),
        ...entries(10, 2, 9),
      ]);
      if (error === undefined) break;
    }
    // The mark, the header of the new segment, the entries; room for more can do without.
    assert(refused >= 3, `${end}: refused ${refused} times`);
  }
});

Deno.test("a full disk that ends a cut within a hole leaves all of it to be repaired", async () => {
  for (const end of ["mark", "persistRecord", "segment", "cut"] as const) {
    for (const path of ["/log/", "/persist-record"]) {
      const disk = await hiddenDisk(end);
      const { storage } = await open(disk);
      const old = [...ALL.slice(0, 11), end === "mark" ? ALL[11] : LARGE].slice(
        0,
        storage.lastIndex,
      );
      let writes = 0;
      disk.fault = (operation) =>
        operation.kind === "write" && operation.path.includes(path) && ++writes === 1
          ? { kind: "error", code: "ENOSPC" }
          : undefined;
      const name = `${end}, no room in ${path}`;
      const persist = () => storage.persist({ entries: entries(10, 2, 9) });
      assertEquals((await assertRejects(persist, StorageError)).kind, "full", name);
      disk.fault = undefined;
      assertEquals(storage.damaged, [DAMAGED[1]], name);
      await assertRepairable(await copyOf(disk), `${name}, started again`, old);
      await storage.repair(old);
      assertEquals(await contents(storage), old.map(describe), name);
      await assertRepairable(disk.kill(), name, old);
    }
  }
});

Deno.test("headers that hide a change of term are refused: nobody says where it was", async () => {
  const disk = await diskOf("stopped", [[...entries(1, 2), ...entries(3, 2, 2)], entries(5, 1, 2)]);
  const [file] = logFiles(disk);
  const bytes = disk.contentOf(file);
  bytes[64 + entry(1).record.length + 3] ^= 1;
  disk.setContent(file, bytes);
  const error = await assertRejects(() => open(disk), CorruptionError);
  assertStringIncludes(error.message, "entries 2 to 4 have terms from 1 to 2");
});

Deno.test("the persist record speaks of what was synced, and of nothing after a cut", async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk);
  await storage.persist({ entries: entries(1, 3) });
  assertEquals((await readPersistRecord(disk, PATH)).last, { term: Term(1), index: LogIndex(3) });
  // Without a sync of its own a loss of power may take it, and no more than it.
  const lost = disk.crash(() => false);
  assertEquals((await readPersistRecord(lost, PATH)).last, { term: Term(0), index: LogIndex(0) });

  const idle = new MemoryDisk();
  const second = await open(idle);
  await second.storage.persist({ entries: entries(1, 3) });
  second.clock.advance(1000);
  await settled();
  // An idle node has synced it: the last record zeroed after a loss of power is damage.
  const after = idle.crash(() => false);
  const [file] = logFiles(after);
  const bytes = after.contentOf(file);
  bytes.fill(0, 64 + 2 * entry(1).record.length);
  after.setContent(file, bytes);
  const third = await open(after);
  assertEquals(third.storage.recovered.damaged, [DAMAGED[0]]);
  await third.storage.persist({ entries: entries(2, 1, 2) });
  const cut = await open(after.crash(() => false));
  assertEquals(cut.storage.recovered.warnings, []);
  assertEquals(await contents(cut.storage), [describe(entry(1)), describe(entry(2, 2))]);
  await cut.close();
});

Deno.test("both slots of the persist record damaged, or none there: the marks speak alone", async () => {
  for (const how of ["damaged", "missing", "empty"]) {
    const disk = await diskOf("killed");
    const path = `${PATH}/persist-record`;
    if (how === "missing") await disk.remove(path);
    else disk.setContent(path, new Uint8Array(how === "empty" ? 0 : 8192).fill(3));
    const { storage, close } = await open(disk);
    assertEquals(await contents(storage), ALL.map(describe), how);
    assertEquals(storage.recovered.warnings, [], how);
    await close();
    assertEquals(disk.contentOf(path).length, 8192, how);
  }
});

Deno.test("what the disk cannot read is damage like any other", async () => {
  const disk = await diskOf("killed");
  const [path] = logFiles(disk);
  const file = await disk.open(path, "readOnly");
  const whole = disk.contentOf(path);
  const sector = 512;
  const bad: DiskFile = {
    ...file,
    size: () => file.size(),
    read: (into, position) => {
      const isBad = position < 2 * sector && position + into.length > sector;
      if (isBad) return Promise.reject(new PlatformError("EIO", "Cannot read"));
      return file.read(into, position);
    },
  };
  for (const [from, length] of [[0, 4000], [600, 100], [700, 500], [1024, 300], [100, 200]]) {
    const into = new Uint8Array(length).fill(9);
    const expected = whole.slice(from, from + length);
    expected.fill(0, Math.max(0, sector - from), Math.max(0, 2 * sector - from));
    const found = await readReadable(bad, into, from);
    assertEquals(into.subarray(0, found), expected, `${length} bytes from ${from}`);
  }
  const other = { ...bad, read: () => Promise.reject(new PlatformError("EBADF", "Cannot read")) };
  await assertRejects(() => readReadable(other, new Uint8Array(9), 0), PlatformError);
});
