/**
 * Events of disks while a node starts: what it opens, reads and repairs then fails, hangs or is cut
 * short.
 */

import type { NodeId } from "../../src/base/mod.ts";
import type { DiskFault, OperationKind } from "../support/memory_disk.ts";
import type { Events, FaultContext } from "./fault_context.ts";

/** A start may have more operations than that; then its first ones as a member are met. */
const OPERATIONS_MAX = 60;
/** In a row. */
const FAULTS_MAX = 2;
/** What of these fails with "EIO" has a bad sector: that is damage. */
const READS: readonly OperationKind[] = ["open", "read", "readFile", "stat", "size", "list"];

export function startFaults(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { prng, clock, live, diskFaults } = world;

  const drawFault = (operation: OperationKind): DiskFault => {
    const kind = prng.pick(["error", "hang", "crashAfter"] as const);
    if (kind === "error") return { kind, code: READS.includes(operation) ? "ENOMEM" : "EIO" };
    if (kind === "hang") return { kind, until: clock.pause(2 * unitMs * prng.unit()) };
    return { kind };
  };

  /** The process runs already: it ends as with any other failure of its disk. */
  const endLater = (id: NodeId) => {
    clock.setImmediate(() => {
      world.stop(id, (disk) => disk.crash(() => prng.chance(0.5)));
      context.restartLater(id, 3);
    });
  };

  const faultAtStart = (id: NodeId) => {
    let left = prng.between(0, OPERATIONS_MAX);
    let faults = prng.between(1, FAULTS_MAX);
    diskFaults.set(id, ({ kind }) => {
      if (left-- > 0) return undefined;
      if (--faults === 0) diskFaults.delete(id);
      if (live.has(id)) {
        endLater(id);
        return { kind: "crashAfter" };
      }
      const fault = drawFault(kind);
      // A synchronous write cannot hang.
      if (fault.kind === "hang" && kind === "write") return undefined;
      world.count(`start met ${fault.kind}`);
      return fault;
    });
  };

  return {
    faultInStart: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      world.stop(id, (disk) => prng.chance(0.5) ? disk.kill() : disk.crash(() => prng.chance(0.5)));
      faultAtStart(id);
      context.restartLater(id, 1);
    },
  };
}
