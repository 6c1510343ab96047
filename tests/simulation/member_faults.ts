/** Events of members: they come, go, change their standing, and lose their machines. */

import type { NodeId } from "../../src/base/mod.ts";
import type { Member } from "../../src/raft/mod.ts";
import type { Events, FaultContext } from "./fault_context.ts";
import { cutWays } from "./network_faults.ts";

/** More are not added. */
const MEMBERS_MAX = 7;
/** Steps of one shrinking and growing. */
const STEPS_MAX = 12;

export function memberFaults(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { prng, operators, live } = world;

  const members = (): readonly Member[] => world.checks.configurations.newest.members;
  const voters = () => members().filter(({ standing }) => standing === "voter");
  const anyOf = (among: readonly Member[]) => among.length === 0 ? undefined : prng.pick(among);
  const pause = () => world.clock.pause(unitMs * prng.unit());
  const mayAdd = () => members().length < MEMBERS_MAX && operators.mayChange();

  const changeStanding = async () => {
    const member = anyOf(members());
    if (member === undefined || !operators.mayChange()) return;
    const kind = member.standing === "voter" ? "demote" : "promote";
    await operators.change({ kind, id: member.id });
  };

  /** Asks until it is gone, as an operator would whose machine is lost. */
  const replaceLost = async (id: NodeId) => {
    let replaces = prng.chance(0.6);
    while (context.active && members().some((member) => member.id === id)) {
      await pause();
      const isVoter = voters().some((member) => member.id === id);
      if (replaces && isVoter) await operators.join({ as: "voter", replaces: id });
      else await operators.change({ kind: "remove", id });
      replaces = !replaces;
    }
  };

  const shrinkAndGrow = async () => {
    const least = prng.pick([1, 1, 2]);
    for (let left = STEPS_MAX; left > 0 && context.active && voters().length > least; left--) {
      const member = anyOf(voters());
      if (member === undefined || !operators.mayChange()) return;
      await operators.change({ kind: "remove", id: member.id });
      await pause();
    }
    for (let left = STEPS_MAX; left > 0 && context.active && members().length < 3; left--) {
      if (!operators.mayChange()) return;
      await operators.join({ as: "voter" });
      await pause();
    }
  };

  /** A leader that nobody hears is told to go on alone. */
  const island = async () => {
    const { leader } = world;
    if (leader === undefined || !operators.mayChange()) return;
    const others = world.ids.filter((id) => id !== leader.id);
    cutWays(context, others.flatMap((id) => [[leader.id, id], [id, leader.id]]), 6);
    for (const { id } of members()) {
      if (id === leader.id || live.get(leader.id) !== leader) continue;
      await operators.changeAt(leader, { kind: "remove", id });
    }
  };

  const handOver = () => {
    const to = prng.chance(0.5) ? anyOf(members())?.id : undefined;
    void world.leader?.node.operations.transferLeadership(to);
  };

  return {
    addMember: () => {
      if (mayAdd()) void operators.join({ as: prng.chance(0.7) ? "voter" : "learner" });
    },
    removeMember: () => {
      const { leader } = world;
      const id = leader !== undefined && prng.chance(0.3) ? leader.id : anyOf(members())?.id;
      if (id !== undefined && voters().length > 1 && operators.mayChange()) {
        void operators.change({ kind: "remove", id });
      }
    },
    changeStanding: () => void changeStanding(),
    replaceMember: () => {
      const member = anyOf(voters());
      if (member !== undefined && mayAdd()) {
        void operators.join({ as: "voter", replaces: member.id });
      }
    },
    wipeNode: () => {
      const id = context.anyLive();
      if (id === undefined || !operators.mayLose(id)) return;
      world.count("node wiped");
      world.wipe(id);
      void replaceLost(id);
    },
    shrinkAndGrow: () => void shrinkAndGrow(),
    island: () => void island(),
    moveMember: () => {
      const id = context.anyLive();
      if (id === undefined || !operators.mayChange() || !world.places.areKnown()) return;
      world.stop(id, (disk) => disk.kill());
      world.places.move(id);
      context.restartLater(id, 1);
    },
    restartRemoved: () => {
      const ids = [...world.removed].filter((id) => !live.has(id));
      if (ids.length === 0) return;
      world.count("removed node started");
      void world.start(prng.pick(ids));
    },
    transferInChange: () => {
      if (mayAdd() && prng.chance(0.5)) void operators.join({ as: "voter" });
      else void changeStanding();
      context.after(0.3, handOver);
    },
  };
}
