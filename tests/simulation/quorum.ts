/** Who decides, by the book (Raft thesis §4.3): a majority of each set of voters. */

import type { NodeId } from "../../src/base/mod.ts";
import type { Configuration } from "../../src/raft/mod.ts";

/** The sets of which a majority each is needed: two while the configuration is joint. */
export function votingSets({ members, outgoing }: Configuration): NodeId[][] {
  const incoming = members.filter(({ standing }) => standing === "voter").map(({ id }) => id);
  return outgoing.length === 0 ? [incoming] : [incoming, [...outgoing]];
}

/** Whether those for whom `has` is true decide. */
export function decides(configuration: Configuration, has: (id: NodeId) => boolean): boolean {
  return votingSets(configuration).every((ids) => 2 * ids.filter(has).length > ids.length);
}

/** Everybody who votes in one of the sets. */
export function allVoters(configuration: Configuration): Set<NodeId> {
  return new Set(votingSets(configuration).flat());
}
