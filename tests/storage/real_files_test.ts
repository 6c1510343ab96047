/** The storage on the real disk of this machine. */

import { LogIndex, NodeId, Term } from "../../src/base/mod.ts";
import { denoDisk } from "../../src/platform/deno/disk.ts";
import { CorruptionError, StorageError, verifyLog } from "../../src/storage/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { contents, describe, entries, entry, openDirectory, openStorage } from "./support.ts";

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir({ prefix: "logboat-storage-" });
  try {
    await run(`${parent}/data`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const OPTIONS = { segmentBytes: 20_000, preallocateBytes: 4096 };

Deno.test("a log on real files lives through restarts, cuts and new segments", () =>
  withDirectory(async (path) => {
    const first = await openStorage(denoDisk, OPTIONS, { path });
    await first.storage.persist({
      hardState: { term: Term(2), votedFor: NodeId(3) },
      entries: entries(1, 300, 2, "first"),
    });
    const waiting = [];
    for (let index = 301; index <= 600; index++) {
      waiting.push(first.storage.persist({ entries: [entry(index, 2)] }));
    }
    await Promise.all(waiting);
    await first.storage.persist({ entries: entries(400, 5, 3) });
    const expected = await contents(first.storage);
    assertEquals(expected.length, 404);
    assertEquals(expected.at(-1), describe(entry(404, 3)));
    assert(first.storage.segments > 1);
    await first.close();

    const second = await openStorage(denoDisk, OPTIONS, { path });
    assertEquals(second.storage.recovered.hardState, { term: Term(2), votedFor: NodeId(3) });
    assertEquals(second.storage.recovered.last, { term: Term(3), index: LogIndex(404) });
    assertEquals(second.directory.identity.incarnation, 2);
    assertEquals(await contents(second.storage), expected);
    await second.close();
    const summary = await verifyLog(denoDisk, path, () => {});
    assertEquals([summary.ok, summary.records], [true, 404]);
  }));

Deno.test("directories are 0700, files 0600", () =>
  withDirectory(async (path) => {
    const { storage, close } = await openStorage(denoDisk, OPTIONS, { path });
    await storage.persist({ entries: entries(1, 3) });
    await close();
    const modes = new Map<string, number>();
    const walk = async (directory: string) => {
      modes.set(directory, (await Deno.stat(directory)).mode! & 0o777);
      for await (const { name, isDirectory } of Deno.readDir(directory)) {
        const inner = `${directory}/${name}`;
        if (isDirectory) await walk(inner);
        else modes.set(inner, (await Deno.stat(inner)).mode! & 0o777);
      }
    };
    await walk(path);
    assert(modes.size >= 7, [...modes.keys()].join(" "));
    for (const [name, mode] of modes) {
      const isDirectory = [path, `${path}/log`, `${path}/snapshots`].includes(name);
      assertEquals(mode, isDirectory ? 0o700 : 0o600, name);
    }
  }));

Deno.test("a symbolic link inside the data directory is refused", () =>
  withDirectory(async (path) => {
    const { storage, close } = await openStorage(denoDisk, OPTIONS, { path });
    await storage.persist({ entries: entries(1, 3) });
    await close();
    const segment = `${path}/log/00000000000000000001.log`;
    for (const name of [segment, `${path}/state-a`, `${path}/identity`, `${path}/LOCK`]) {
      const aside = `${path}-aside`;
      await Deno.rename(name, aside);
      await Deno.symlink(aside, name);
      const error = await assertRejects(() => openDirectory(denoDisk, path), StorageError);
      assertEquals(error.kind, "unsafePath", name);
      await Deno.remove(name);
      await Deno.rename(aside, name);
    }
    await (await openDirectory(denoDisk, path)).close();
  }));

Deno.test("E23 on real files: a damaged middle record is refused by place, files untouched", () =>
  withDirectory(async (path) => {
    const { storage, close } = await openStorage(denoDisk, OPTIONS, { path });
    for (const one of entries(1, 5)) await storage.persist({ entries: [one] });
    await close();
    const file = `${path}/log/00000000000000000001.log`;
    const bytes = await Deno.readFile(file);
    bytes[250] ^= 1;
    await Deno.writeFile(file, bytes);
    const error = await assertRejects(
      () => openStorage(denoDisk, OPTIONS, { path }),
      CorruptionError,
    );
    assertEquals(error.file, file);
    assert(error.offset <= 250 && error.offset > 200);
    assertEquals(await Deno.readFile(file), bytes);
  }));

Deno.test("a file where the data directory should be is refused", () =>
  withDirectory(async (path) => {
    await Deno.writeTextFile(path, "not a directory");
    const error = await assertRejects(() => openDirectory(denoDisk, path), StorageError);
    assertEquals(error.kind, "notWritable");
  }));
