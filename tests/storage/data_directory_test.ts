import { NodeId, silentLogger } from "../../src/base/mod.ts";
import { readBootstrap } from "../../src/storage/bootstrap_file.ts";
import { DataDirectory, isClusterId, readIdentity, StorageError } from "../../src/storage/mod.ts";
import type { StorageErrorKind } from "../../src/storage/mod.ts";
import { sealBlock } from "../../src/storage/checked_block.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { CLUSTER, NODE, openDirectory, PATH } from "./support.ts";

const IDENTITY = `${PATH}/identity`;

function open(disk: MemoryDisk, nodeId: number, clusterId: string | (() => string)) {
  return DataDirectory.open({
    disk,
    path: PATH,
    nodeId: NodeId(nodeId),
    clusterId,
    logger: silentLogger,
  });
}

async function assertRefused(
  run: () => Promise<unknown>,
  kind: StorageErrorKind,
  part: string,
): Promise<void> {
  const error = await assertRejects(run, StorageError);
  assertEquals(error.kind, kind);
  assertStringIncludes(error.message, part);
}

Deno.test("the first open makes the directory, later ones count incarnations", async () => {
  const disk = new MemoryDisk();
  for (let life = 1; life <= 4; life++) {
    const directory = await openDirectory(disk);
    assertEquals(directory.identity, {
      clusterId: CLUSTER,
      nodeId: NODE,
      incarnation: life,
      createdNow: life === 1,
    });
    await directory.close();
  }
});

Deno.test("E30: a second open is refused as locked and leaves the first alone", async () => {
  const disk = new MemoryDisk();
  const first = await openDirectory(disk);
  const before = disk.contentOf(IDENTITY);
  await assertRefused(() => openDirectory(disk), "locked", "locked by another process");
  assertEquals(disk.contentOf(IDENTITY), before);
  await first.close();
  await (await openDirectory(disk)).close();
});

Deno.test("E29: a directory of another node or cluster is refused, and not counted as a life", async () => {
  const disk = new MemoryDisk();
  await (await openDirectory(disk)).close();
  const before = disk.contentOf(IDENTITY);
  await assertRefused(
    () => open(disk, 2, CLUSTER),
    "wrongNode",
    "belongs to node 1, expected node 2",
  );
  const other = "f".repeat(32);
  await assertRefused(() => open(disk, 1, other), "wrongCluster", `expected cluster ${other}`);
  assertEquals(disk.contentOf(IDENTITY), before);
  await (await openDirectory(disk)).close();
});

Deno.test("a cluster id that is only made up when needed is asked for once", async () => {
  const disk = new MemoryDisk();
  let asked = 0;
  const make = () => {
    asked++;
    return CLUSTER;
  };
  await (await open(disk, 1, make)).close();
  const directory = await open(disk, 1, make);
  assertEquals(directory.identity.clusterId, CLUSTER);
  assertEquals(asked, 1);
  await directory.close();
  assert(isClusterId(CLUSTER) && !isClusterId("x".repeat(32)) && !isClusterId(CLUSTER + "0"));
});

Deno.test("a damaged identity is refused at every byte, a later format told apart", async () => {
  const disk = new MemoryDisk();
  await (await openDirectory(disk)).close();
  const whole = disk.contentOf(IDENTITY);
  for (let at = 0; at < whole.length; at++) {
    const damaged = whole.slice();
    damaged[at] ^= 1;
    disk.setContent(IDENTITY, damaged);
    await assertRefused(() => openDirectory(disk), "damaged", IDENTITY);
  }
  const later = whole.slice();
  sealBlock(later, new DataView(whole.buffer).getUint32(4, true), 2);
  disk.setContent(IDENTITY, later);
  await assertRefused(() => openDirectory(disk), "newerFormat", "format version is 2");
});

Deno.test("a missing identity beside a log is refused", async () => {
  const disk = new MemoryDisk();
  await (await openDirectory(disk)).close();
  disk.setContent(`${PATH}/state-a`, new Uint8Array(72));
  await disk.remove(IDENTITY);
  await assertRefused(() => openDirectory(disk), "damaged", "identity is missing");
});

Deno.test("what the disk refuses is said in one sentence", async () => {
  for (
    const [code, kind] of [["EACCES", "notWritable"], ["EROFS", "notWritable"], ["ENOSPC", "full"]]
  ) {
    for (const operation of ["makeDirectory", "lock", "write", "rename"]) {
      const disk = new MemoryDisk();
      disk.fault = (found) => found.kind === operation ? { kind: "error", code } : undefined;
      await assertRefused(() => openDirectory(disk), kind as StorageErrorKind, PATH);
      disk.fault = undefined;
      await (await openDirectory(disk)).close();
    }
  }
});

Deno.test("the incarnation rises through a crash after any operation", async () => {
  for (const survives of [() => true, () => false]) {
    for (let operation = 1;; operation++) {
      const disk = new MemoryDisk();
      await (await openDirectory(disk)).close();
      const start = disk.operations;
      let seen = 1;
      disk.fault = ({ number }) =>
        number === start + operation ? { kind: "crashAfter" } : undefined;
      try {
        const directory = await openDirectory(disk);
        seen = directory.identity.incarnation;
      } catch (error) {
        assert(disk.crashed, String(error));
      }
      const ended = !disk.crashed;
      const directory = await openDirectory(disk.crash(survives));
      assert(directory.identity.incarnation > seen, `crash after operation ${operation}`);
      if (ended) break;
    }
  }
});

Deno.test("a directory with an identity has its first configuration, whatever crash there was", async () => {
  const bootstrap = new Uint8Array([5, 6]);
  const make = (disk: MemoryDisk) =>
    DataDirectory.open({
      disk,
      path: PATH,
      nodeId: () => NODE,
      clusterId: () => CLUSTER,
      bootstrap,
      logger: silentLogger,
    });
  let crashes = 0;
  for (const survives of [() => true, () => false]) {
    for (let operation = 1;; operation++) {
      const disk = new MemoryDisk();
      disk.fault = ({ number }) => number === operation ? { kind: "crashAfter" } : undefined;
      await make(disk).catch((error) => assert(disk.crashed, String(error)));
      const ended = !disk.crashed;
      const after = disk.crash(survives);
      if (await after.stat(PATH) !== undefined && await readIdentity(after, PATH) !== undefined) {
        assertEquals(await readBootstrap(after, PATH), bootstrap, `operation ${operation}`);
      }
      await make(after);
      assertEquals(await readBootstrap(after, PATH), bootstrap, `again, operation ${operation}`);
      if (ended) break;
      crashes++;
    }
  }
  assert(crashes > 10, `only ${crashes} crashes`);
});

Deno.test("whose a directory is can be left to the directory", async () => {
  const disk = new MemoryDisk();
  await (await open(disk, 7, CLUSTER)).close();
  const open7 = () =>
    DataDirectory.open({
      disk,
      path: PATH,
      nodeId: () => assertNever(),
      clusterId: () => assertNever(),
      logger: silentLogger,
    });
  assertEquals((await open7()).identity.nodeId, NodeId(7));
});

function assertNever(): never {
  throw new Error("asked for a directory that is there");
}
