/** Events of snapshots: asked for, cut short at any step, damaged, lost. */

import type { MemoryDisk } from "../support/memory_disk.ts";
import { damageAtRest, type Originals } from "./disk_faults.ts";
import type { Events, FaultContext } from "./fault_context.ts";

export function snapshotFaults(context: FaultContext): Events {
  const { world } = context;
  const { prng, clock, diskFaults } = world;

  /** The node ends with one of the next steps of a snapshot, or of what it lets go. */
  const crashInSnapshot = () => {
    const id = context.anyLive();
    if (id === undefined) return;
    let left = prng.between(0, 14);
    const loses = prng.chance(0.6);
    diskFaults.set(id, ({ kind, path }) => {
      const isStep = path.includes("/snapshots") || kind === "remove" || kind === "rename";
      if (!isStep || left-- > 0) return undefined;
      diskFaults.delete(id);
      world.count(`crash in snapshot: ${kind}`);
      clock.setImmediate(() => {
        world.stop(id, (disk) => loses ? disk.crash(() => prng.chance(0.5)) : disk.kill());
        context.restartLater(id, 3);
      });
      return { kind: "crashAfter" };
    });
  };

  const damage = (spoil: (disk: MemoryDisk) => Originals) => () => damageAtRest(context, spoil);

  return {
    takeSnapshot: () => {
      const id = context.anyLive();
      if (id !== undefined) void world.live.get(id)!.node.operations.takeSnapshot();
    },
    crashInSnapshot,
    snapshotBitRot: damage((disk) => {
      const originals: Originals = new Map();
      for (const path of someOf(context, disk)) {
        const good = disk.contentOf(path);
        originals.set(path, good);
        disk.flipBit(path, prng.between(0, good.length - 1), prng.between(0, 7));
      }
      return originals;
    }),
    missingSnapshot: damage((disk) => {
      const paths = someOf(context, disk);
      const originals: Originals = new Map(paths.map((path) => [path, disk.contentOf(path)]));
      for (const path of paths) disk.loseFile(path);
      return originals;
    }),
  };
}

/** A file of a snapshot, or files of all of them. */
function someOf({ world: { prng } }: FaultContext, disk: MemoryDisk): string[] {
  const names = disk.paths().filter((path) => /\/snapshots\/.*\.(rdb|manifest)$/.test(path));
  if (names.length === 0) return [];
  return prng.chance(0.5) ? [prng.pick(names)] : names.filter(() => prng.chance(0.8));
}
