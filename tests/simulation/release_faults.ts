/** Events of releases: a program of another release starts in the place of the one that ran. */

import type { NodeId } from "../../src/base/mod.ts";
import { FEATURE_LEVEL } from "../../src/raft/mod.ts";
import type { Events, FaultContext } from "./fault_context.ts";

export function releaseFaults(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { prng, live, releases } = world;

  // Its process has just ended.
  world.onOutdated = (id) => {
    releases.update(id);
    context.restartLater(id, 2);
  };

  const restartAs = (id: NodeId, level: number, withinFactor = 1) => {
    world.stop(id, (disk) => prng.chance(0.7) ? disk.kill() : disk.crash(() => prng.chance(0.5)));
    releases.install(id, Math.max(FEATURE_LEVEL, level));
    context.restartLater(id, withinFactor);
  };

  // Who supported it a moment ago is another release before the log says so.
  world.checks.levels.onRaised = () => {
    const before = world.checks.levels.used - 1;
    context.at(3 * world.plan.delayMs * prng.unit(), () => {
      const id = context.anyLive();
      if (id !== undefined && prng.chance(0.4)) restartAs(id, before, 0.1);
    });
  };

  /** One member after the other, as the operations page has it. */
  const rollingUpdate = async () => {
    const { members, featureLevel } = world.checks.configurations.newest;
    for (const { id } of members) {
      if (!context.active || world.hasFailed) return;
      if (!live.has(id)) releases.install(id, featureLevel + 1);
      else if (releases.levelOf(id) <= featureLevel) restartAs(id, featureLevel + 1);
      await world.clock.pause(unitMs * prng.unit());
    }
  };

  const restartOne = () => {
    const id = context.anyLive();
    if (id === undefined) return;
    const { featureLevel } = world.checks.configurations.newest;
    restartAs(id, featureLevel + prng.pick([-1, 0, 1, 2]));
  };

  return {
    mixedVersions: () => {
      if (prng.chance(0.5)) void rollingUpdate();
      else restartOne();
    },
  };
}
