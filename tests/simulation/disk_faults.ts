/** Events of disks: failures while a node runs, and damage that it finds at its next start. */

import type { NodeId } from "../../src/base/mod.ts";
import { readRecordHeader } from "../../src/raft/mod.ts";
import {
  looksLikeMark,
  MARK_BYTES,
  markSeedOf,
  readMark,
  SEGMENT_HEADER_BYTES,
} from "../../src/storage/segment_format.ts";
import type { DiskFault, MemoryDisk } from "../support/memory_disk.ts";
import type { Events, FaultContext } from "./fault_context.ts";
import { Scar } from "./scar.ts";

/** Files by path, as they were before they were damaged. */
export type Originals = Map<string, Uint8Array>;

export function diskFaults(context: FaultContext): Events {
  const damage = (spoil: (disk: MemoryDisk) => Originals) => () => damageAtRest(context, spoil);
  return {
    ...failures(context),
    lostWrite: () => scarNextWrite(context, { kind: "lost" }),
    misdirectedWrite: () => {
      const byBytes = context.world.prng.pick([-64, -512, 64, 512]);
      scarNextWrite(context, { kind: "misdirected", byBytes });
    },
    logBitRot: damage((disk) => flipBits(context, disk, pickOf(context, logsOf(disk)))),
    stateBitRot: damage((disk) => {
      const states = statesOf(disk);
      const both = context.world.prng.chance(0.3);
      return flipBits(context, disk, both ? states : pickOf(context, states));
    }),
    missingFile: damage((disk) => loseFiles(context, disk)),
    misplacedFile: damage((disk) => misplaceSegment(context, disk)),
  };
}

function failures(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { prng, clock, diskFaults } = world;
  return {
    tornTail: () => context.crash((disk) => disk.crash(() => prng.chance(0.5))),
    crashInDiskOperation: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      let left = prng.between(0, 12);
      diskFaults.set(id, () => {
        if (left-- > 0) return undefined;
        diskFaults.delete(id);
        clock.setImmediate(() => {
          world.stop(id, (disk) => disk.crash(() => prng.chance(0.5)));
          context.restartLater(id, 4);
        });
        return { kind: "crashAfter" };
      });
    },
    hungSync: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      const { syncMs } = world;
      const before = syncMs.get(id);
      let left = prng.between(1, 3);
      syncMs.set(id, () => {
        if (--left <= 0) {
          if (before === undefined) syncMs.delete(id);
          else syncMs.set(id, before);
        }
        return 5 * unitMs * prng.unit();
      });
    },
    syncError: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      diskFaults.set(id, (operation) => {
        if (operation.kind !== "sync") return undefined;
        diskFaults.delete(id);
        context.restartLater(id, 6);
        return { kind: "error", code: "EIO" };
      });
    },
    diskFull: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      const disk = world.disks.get(id)!;
      disk.capacityBytes = disk.usedBytes + prng.between(0, 2000);
      context.after(8, () => world.disks.get(id)!.capacityBytes = Infinity);
    },
  };
}

/**
 * Damages a stopped node's files, if the cluster could do without them. It must go on as if nothing
 * had happened, or get back from others what it lost, or refuse to start.
 */
export function damageAtRest(
  context: FaultContext,
  spoil: (disk: MemoryDisk) => Originals,
): void {
  const { world } = context;
  const id = context.anyLive();
  if (id === undefined || !world.operators.mayLose(id)) return;
  world.stop(id, (disk) => disk.kill());
  world.wound(id);
  const originals = spoil(world.disks.get(id)!);
  if (originals.size === 0) return context.restartLater(id, 1);
  void world.start(id).then((error) => {
    world.count(error === undefined ? "damage survived" : "damage refused");
    if (error === undefined) return;
    // The operator puts back what was there; the refusal has changed nothing.
    putBack(world.replaceDisk(id), originals);
    context.restartLater(id, 1);
  });
}

function putBack(disk: MemoryDisk, originals: Originals): void {
  for (const [path, bytes] of originals) disk.setContent(path, bytes);
}

/**
 * One bit of what each file says to be durable. Behind the last mark of the last segment damage
 * looks like the rest of an unfinished write: nobody could tell.
 */
function flipBits(
  { world: { prng } }: FaultContext,
  disk: MemoryDisk,
  paths: readonly string[],
): Originals {
  const originals: Originals = new Map();
  const lastLog = logsOf(disk).at(-1);
  for (const path of paths) {
    const good = disk.contentOf(path);
    const end = path === lastLog ? markedBytes(good) : good.length;
    if (end === 0) continue;
    originals.set(path, good);
    disk.flipBit(path, prng.between(0, end - 1), prng.between(0, 7));
  }
  return originals;
}

/** A segment with durable entries, one copy of term and vote, or both. */
function loseFiles(context: FaultContext, disk: MemoryDisk): Originals {
  const { prng } = context.world;
  const logs = logsOf(disk).filter((path) => markedBytes(disk.contentOf(path)) > 0);
  const states = statesOf(disk);
  const paths = prng.pick([pickOf(context, logs), pickOf(context, states), states]);
  const originals: Originals = new Map(paths.map((path) => [path, disk.contentOf(path)]));
  for (const path of paths) disk.loseFile(path);
  return originals;
}

/** A segment holds what belongs to another one. */
function misplaceSegment(context: FaultContext, disk: MemoryDisk): Originals {
  const logs = logsOf(disk).filter((path) => markedBytes(disk.contentOf(path)) > 0);
  const [from, to] = [pickOf(context, logs)[0], pickOf(context, logs)[0]];
  if (from === to) return new Map();
  const originals: Originals = new Map([[to, disk.contentOf(to)]]);
  disk.setContent(to, disk.contentOf(from));
  return originals;
}

/**
 * The next write to a node's log is reported as done and is not where it belongs. Once the log says
 * that the place was durable, a start must notice; until then an end of the process repairs it,
 * since no single disk could know.
 */
function scarNextWrite(context: FaultContext, fault: DiskFault): void {
  const { world } = context;
  const id = context.anyLive();
  if (id === undefined || world.scars.has(id)) return;
  world.diskFaults.set(id, ({ kind, path }) => {
    if (kind !== "write" || !path.endsWith(".log")) return undefined;
    world.diskFaults.delete(id);
    const byBytes = fault.kind === "misdirected" ? fault.byBytes : undefined;
    const scar = new Scar(path, world.disks.get(id)!.contentOf(path), byBytes);
    world.scars.set(id, scar);
    context.after(6, () => examine(context, id, scar));
    return fault;
  });
}

function examine(context: FaultContext, id: NodeId, scar: Scar): void {
  const { world } = context;
  // Reading it may have ended the process already.
  if (world.scars.get(id) !== scar || !world.live.has(id)) return context.restartLater(id, 1);
  const disk = world.disks.get(id)!;
  const isLast = logsOf(disk).at(-1) === scar.path;
  if (scar.isRepaired || !disk.paths().includes(scar.path)) return;
  if (isLast && markedBytes(scar.content()) <= scar.from) return;
  if (!world.operators.mayLose(id)) return;
  world.scars.delete(id);
  world.stop(id, (dead) => dead.kill());
  world.wound(id);
  const shadow = world.shadows.get(id)!;
  const replaced = shadow.misplaced(scar.path, (offset) => scar.placeOf(offset));
  void world.start(id).then((error) => {
    world.count(error === undefined ? "wrong write survived" : "wrong write refused");
    // Else nothing is missing, or the shadow has raised the alarm.
    if (error === undefined) return;
    putBack(world.replaceDisk(id), new Map([[scar.path, scar.content()]]));
    replaced();
    context.restartLater(id, 1);
  });
}

function logsOf(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.endsWith(".log"));
}

function statesOf(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.includes("/state-"));
}

function pickOf({ world: { prng } }: FaultContext, paths: readonly string[]): readonly string[] {
  return paths.length === 0 ? [] : [prng.pick(paths)];
}

/** How much of a segment its marks call durable. */
function markedBytes(file: Uint8Array): number {
  let durable = 0;
  if (file.length < SEGMENT_HEADER_BYTES) return 0;
  const seed = markSeedOf(file.subarray(0, SEGMENT_HEADER_BYTES));
  for (let at = SEGMENT_HEADER_BYTES; at + MARK_BYTES <= file.length;) {
    if (looksLikeMark(file, at)) {
      durable = readMark(file, at, { offset: at, seed })?.durableBytes ?? durable;
      at += MARK_BYTES;
      continue;
    }
    try {
      at += MARK_BYTES + readRecordHeader(file, at).payloadBytes;
    } catch {
      break;
    }
  }
  return durable;
}
