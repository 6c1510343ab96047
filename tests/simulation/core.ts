/** Which nodes run at the end: enough to decide, whatever was under way. */

import type { NodeId } from "../../src/base/mod.ts";
import { votingSets } from "./quorum.ts";
import type { World } from "./world.ts";

/**
 * Members that are whole, find each other and are a majority of every set of voters that may still
 * count, and some of the others. Undefined when too much is lost for that.
 */
export function drawCore(world: World): NodeId[] | undefined {
  const { checks, prng } = world;
  const active = checks.activeConfigurations();
  const sets = active.flatMap(votingSets);
  const members = active.flatMap(({ members }) => members.map(({ id }) => id));
  const core = new Set(members.filter((id) => world.disks.has(id) && !world.wiped.has(id)));
  const counts = (id: NodeId) =>
    core.has(id) && world.isWhole(id) && !world.places.mayBeLost(id, core);
  const decides = () => sets.every((ids) => 2 * ids.filter(counts).length > ids.length);
  if (!decides()) return undefined;
  let dropped = prng.between(0, core.size);
  for (const id of shuffled([...core].sort((a, b) => a - b), () => prng.unit())) {
    if (dropped-- <= 0) break;
    core.delete(id);
    if (!decides()) core.add(id);
  }
  return [...core].sort((a, b) => a - b);
}

function shuffled<T>(items: readonly T[], unit: () => number): T[] {
  return items.map((item) => ({ item, key: unit() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
