/** Events of processes and their clocks: ends, loops, pauses, sleep, jumps, and a process too many. */

import type { NodeId } from "../../src/base/mod.ts";
import { StorageError } from "../../src/storage/mod.ts";
import type { Events, FaultContext } from "./fault_context.ts";
import { Violation } from "./violation.ts";

const DAY_MS = 86_400_000;

export function processFaults(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { ids, prng, live, plan, hub } = world;

  /** Ends again and again, often before it has caught up. */
  const loop = (id: NodeId, left: number) => {
    if (!live.has(id)) return;
    const restartMs = 0.3 * unitMs * prng.unit();
    world.stop(id, (disk) => prng.chance(0.5) ? disk.kill() : disk.crash(() => prng.chance(0.5)));
    context.at(restartMs, () => {
      void world.start(id).then((error) => {
        if (error !== undefined) return context.restartLater(id, 1);
        world.count("restart in a loop");
        if (left > 1) context.after(0.5, () => loop(id, left - 1));
      });
    });
  };

  /** The directory of a running node belongs to it alone. */
  const startSecond = async (id: NodeId) => {
    const first = live.get(id);
    const error = await world.openDirectory(id).then(() => undefined, (reason) => reason);
    if (live.get(id) !== first) return;
    if (error instanceof StorageError && error.kind === "locked") {
      world.count("second process refused");
    } else if (error === undefined) {
      world.fail(new Violation("MT", `two processes run in the directory of node ${id}`));
    }
  };

  return {
    kill: () => context.crash((disk) => disk.kill()),
    powerCut: () => context.crash((disk) => disk.crash(() => false)),
    crashLoop: () => {
      const id = context.anyLive();
      if (id !== undefined) loop(id, prng.between(2, 8));
    },
    crashAll: () => {
      const cuts = prng.chance(0.5);
      for (const id of [...live.keys()]) {
        world.stop(id, (disk) => cuts ? disk.crash(() => prng.chance(0.5)) : disk.kill());
        context.restartLater(id, 3);
      }
    },
    pause: () => {
      const id = context.anyLive();
      if (id !== undefined) world.clocks.get(id)!.pause(4 * unitMs * prng.unit());
    },
    // Those that are set from now on; what was set before fires in time.
    timerBurst: () => {
      const id = context.anyLive();
      if (id !== undefined) world.clocks.get(id)!.holdTimers(2 * unitMs * prng.unit());
    },
    freeze: () => {
      const id = context.anyLive();
      if (id !== undefined) world.clocks.get(id)!.pause(4 * unitMs * prng.unit(), true);
    },
    suspend: () => {
      const id = context.anyLive();
      if (id === undefined) return;
      // Longer than a lease leaves to clocks that drift: shorter ones need no notice.
      const sleepMs = unitMs * (0.5 + 3.5 * prng.unit());
      world.clocks.get(id)!.sleep(sleepMs);
      // Others have stopped sending to it by then, and try again only now and then.
      const silentUntilMs = world.clock.nowMs() + sleepMs + unitMs * prng.unit();
      for (const other of ids) {
        const link = hub.link(other, id);
        link.cloggedUntilMs = Math.max(link.cloggedUntilMs, silentUntilMs);
      }
    },
    secondProcess: () => {
      const id = context.anyLive();
      if (id !== undefined) void startSecond(id);
    },
    wallJump: () => {
      const byMs = prng.pick([-DAY_MS, DAY_MS, -1000, 1000, -5000, 5000]);
      // Set back by as much as the machine slept, it would hide that from everybody.
      const jumpMs = plan.faults.has("suspend") ? Math.abs(byMs) : byMs;
      world.clocks.get(prng.pick(ids))!.jumpWall(jumpMs);
    },
    transfer: () => void world.leader?.node.operations.transferLeadership(undefined),
    flood: () => {
      const id = context.anyLive();
      if (id !== undefined) world.startFlood(id);
    },
  };
}
