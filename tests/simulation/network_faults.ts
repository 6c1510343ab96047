/** Events of the links: cuts, clogs and broken connections. */

import type { NodeId } from "../../src/base/mod.ts";
import type { Events, FaultContext } from "./fault_context.ts";

/** From one node to another. */
export type Way = readonly [NodeId, NodeId];

/** Nothing crosses these for a while. */
export function cutWays(context: FaultContext, ways: readonly Way[], factor: number): void {
  const { hub } = context.world;
  const links = ways.map(([from, to]) => hub.link(from, to));
  for (const link of links) link.isCut = true;
  context.after(factor, () => {
    for (const link of links) link.isCut = false;
    hub.reconnectAll();
  });
}

export function networkFaults(context: FaultContext): Events {
  const { world, unitMs } = context;
  const { ids, prng, hub, clock } = world;

  const cut = (ways: readonly Way[], factor: number) => cutWays(context, ways, factor);

  /** Nothing reaches the node or leaves it until then; it comes later. */
  const clogNode = (id: NodeId, untilMs: number) => {
    for (const other of ids) {
      for (const link of [hub.link(id, other), hub.link(other, id)]) {
        link.cloggedUntilMs = Math.max(link.cloggedUntilMs, untilMs);
      }
    }
  };

  return {
    partition: () => {
      const one = new Set(ids.filter(() => prng.chance(0.5)));
      const ways = ids.flatMap((a) =>
        ids.filter((b) => one.has(a) !== one.has(b)).map((b): Way => [a, b])
      );
      cut(ways, 6);
    },
    asymmetric: () => {
      const { leader } = world;
      const alone = prng.chance(0.6) && leader !== undefined ? leader.id : prng.pick(ids);
      const outward = prng.chance(0.5);
      const others = ids.filter((id) => id !== alone);
      cut(others.map((id) => outward ? [alone, id] : [id, alone]), 6);
    },
    partialMesh: () => {
      const [a, b] = [prng.pick(ids), prng.pick(ids)];
      if (a !== b) cut([[a, b], [b, a]], 8);
    },
    clog: () => {
      const link = hub.link(prng.pick(ids), prng.pick(ids));
      link.cloggedUntilMs = clock.nowMs() + 2 * unitMs * prng.unit();
    },
    // One node after the other falls silent, and they come back in another order.
    swizzle: () => {
      for (const id of ids.filter(() => prng.chance(0.7))) {
        const untilMs = clock.nowMs() + unitMs * (1 + 2 * prng.unit());
        context.after(1, () => clogNode(id, untilMs));
      }
    },
    replay: () => hub.deliverOld(prng.between(1, 30)),
    reset: () => hub.reset(prng.pick(ids), prng.pick(ids)),
  };
}
