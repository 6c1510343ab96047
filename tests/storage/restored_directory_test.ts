/** A data directory made from a snapshot: whole or not there, wherever making it ends. */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { LogIndex, NodeId, silentLogger, Term } from "../../src/base/mod.ts";
import type { Disk, DiskFile } from "../../src/platform/mod.ts";
import { PlatformError } from "../../src/platform/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import {
  checkNoDirectory,
  DataDirectory,
  makeRestoredDirectory,
  RaftStorage,
  readIdentity,
  StorageError,
} from "../../src/storage/mod.ts";

const { disk, clock } = denoPlatform();
const CLUSTER = "0123456789abcdef0123456789abcdef";
const LAST = { term: Term(1), index: LogIndex(1) };
const CONFIGURATION = new Uint8Array([1, 2, 3]);
const SNAPSHOT = Uint8Array.from({ length: 600_000 }, (_, at) => at % 251);

async function withPath(test: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "logboat-restored-" });
  try {
    await test(`${directory}/data`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function make(path: string, on: Disk = disk): Promise<void> {
  let at = 0;
  await makeRestoredDirectory({
    disk: on,
    clock,
    logger: silentLogger,
    path,
    nodeId: NodeId(7),
    clusterId: CLUSTER,
    last: LAST,
    configuration: CONFIGURATION,
    next(bytesMax) {
      const bytes = SNAPSHOT.slice(at, at += Math.min(bytesMax, 100_000));
      return bytes.length === 0 ? undefined : bytes;
    },
  });
}

/** What a node would begin with. */
async function assertWhole(path: string): Promise<void> {
  const directory = await DataDirectory.open({
    disk,
    path,
    nodeId: NodeId(7),
    clusterId: CLUSTER,
    logger: silentLogger,
  });
  const storage = await RaftStorage.open({
    disk,
    directory,
    options: { fsync: "always", fsyncIntervalMs: 1000, segmentBytes: 1 << 20 },
    clock,
    logger: silentLogger,
    onFatal: (error) => {
      throw error;
    },
  });
  const { snapshot, bootstrap, last, logStart, hardState, warnings } = storage.recovered;
  assertEquals([snapshot?.last, last, logStart], [LAST, LAST, LAST]);
  assertEquals(bootstrap?.join(), CONFIGURATION.join());
  assertEquals([hardState.term, hardState.votedFor, warnings], [Term(1), undefined, []]);
  const parts: Uint8Array[] = [];
  for await (const chunk of storage.snapshots.readAll(snapshot!)) parts.push(chunk);
  assertEquals(new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()), SNAPSHOT);
  await storage.close();
  await directory.close();
}

/** Like the real one until `after` operations were done; then everything fails, as in a crash. */
function failing(after: number): { disk: Disk; readonly spent: number } {
  let spent = 0;
  const spend = () => {
    if (spent++ < after) return;
    throw new PlatformError("EIO", "Cannot go on: the test ends it here");
  };
  const wrap = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(of, name) {
        const value = Reflect.get(of, name);
        if (typeof value !== "function" || name === "close") {
          return typeof value === "function" ? value.bind(of) : value;
        }
        return (...args: unknown[]) => {
          spend();
          const result = value.apply(of, args);
          if (name !== "open") return result;
          return (result as Promise<DiskFile>).then((file) => wrap(file));
        };
      },
    });
  return {
    disk: wrap(disk),
    get spent() {
      return spent;
    },
  };
}

Deno.test("a restored directory is a node that begins behind its snapshot", async () => {
  await withPath(async (path) => {
    await make(path);
    assertEquals((await readIdentity(disk, path))?.nodeId, NodeId(7));
    const names = [...Deno.readDirSync(path)].map(({ name }) => name);
    assert(!names.includes("restoring"), `${names}`);
    await assertWhole(path);
  });
});

Deno.test("what is there already is never written over", async () => {
  await withPath(async (path) => {
    await checkNoDirectory(disk, path);
    await Deno.mkdir(path);
    await checkNoDirectory(disk, path);
    await Deno.mkdir(`${path}/lost+found`);
    await make(path);
    for (const run of [() => make(path), () => checkNoDirectory(disk, path)]) {
      const error = await run().then(() => undefined, (thrown) => thrown);
      assert(error instanceof StorageError && error.kind === "notEmpty", `${error}`);
      assertStringIncludes(error.message, "expected no directory or an empty one");
    }
    await assertWhole(path);
  });
  await withPath(async (path) => {
    await Deno.mkdir(path);
    await Deno.writeTextFile(`${path}/notes.txt`, "mine");
    const error = await make(path).then(() => undefined, (thrown) => thrown);
    assert(error instanceof StorageError && error.message.includes("notes.txt"), `${error}`);
  });
});

/** Operations at the end of which each is an end to try: the moves, and what is around them. */
const LAST_OPERATIONS = 40;
/** Of those before them, with which the directory inside is filled, every so many-th is tried. */
const STEP = 25;

Deno.test("ended after any operation it leaves no node or a whole one, and can be done again", async () => {
  const whole = failing(Infinity);
  await withPath((path) => make(path, whole.disk));
  const total = whole.spent;
  assert(total > LAST_OPERATIONS * 2, `only ${total} operations were counted`);
  for (let after = 0; after < total; after += after < total - LAST_OPERATIONS ? STEP : 1) {
    await withPath(async (path) => {
      await make(path, failing(after).disk).catch(() => {});
      if (await readIdentity(disk, path) === undefined) await make(path);
      await assertWhole(path);
    });
  }
});
