/** Members of plays and labs: their addresses are made up, nothing is ever sent there. */

import { NodeId } from "../../../src/base/mod.ts";
import { type Configuration, firstConfiguration } from "../../../src/raft/mod.ts";

/** The addresses of one member. */
export function addressesOf(node: number) {
  return { raftAddress: `10.0.0.${node}:7379`, redisAddress: `10.0.0.${node}:6379` };
}

/** The configuration in which all of these vote. */
export function configurationOf(voters: readonly number[]): Configuration {
  return firstConfiguration(voters.map((node) => ({ id: NodeId(node), ...addressesOf(node) })));
}
