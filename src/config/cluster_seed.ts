/** The identity of a cluster at its first start, derived alike by every member. */

import { bytesFromLatin1 } from "../base/mod.ts";
import type { Settings } from "./settings.ts";

/**
 * The bytes whose hash is the cluster id of a first start: the members' ids and Raft addresses in
 * order of id, so that members configured alike agree without talking and others are refused by the
 * handshake. Undefined for a cluster of one, which takes a random id. Only the first start uses it:
 * afterwards the id in the data directory holds, and addresses may change.
 */
export function initialClusterSeed(settings: Settings): Uint8Array<ArrayBuffer> | undefined {
  if (settings.raft.peers.length === 0) return undefined;
  const lines = settings.raft.peers.map((peer) => `${peer.id} ${peer.raft}\n`);
  return bytesFromLatin1(`logboat cluster 1\n${lines.join("")}`);
}
