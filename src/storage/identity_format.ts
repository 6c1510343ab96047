/** The bytes of the file `identity`: whose data directory this is. Pure. */

import { NODE_ID_MAX, NodeId, putU32, putU64 } from "../base/mod.ts";
import { type BlockResult, magicOf, openBlock, sealBlock } from "./checked_block.ts";
import { CLUSTER_ID_BYTES, clusterIdOf, putClusterId } from "./cluster_id.ts";

const MAGIC = magicOf("LBID");
/** The version of the whole data directory; a change of any file's format raises it. */
export const FORMAT_VERSION = 1;
const BYTES = 48;

export interface StoredIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** How often the directory was opened: names one life of the node (architecture D4). */
  readonly incarnation: number;
  /** Term, vote and log were made once, so their absence is a loss and not a first start. */
  readonly storageCreated: boolean;
}

/** Layout: frame, node id (4), cluster id (16), incarnation (8), storage created (1), zeros (7). */
export function encodeIdentity(identity: StoredIdentity): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BYTES);
  putU32(block, 12, identity.nodeId);
  putClusterId(block, 16, identity.clusterId);
  putU64(block, 32, identity.incarnation);
  block[40] = identity.storageCreated ? 1 : 0;
  sealBlock(block, MAGIC, FORMAT_VERSION);
  return block;
}

export function decodeIdentity(block: Uint8Array): BlockResult<StoredIdentity> {
  const expected = { magic: MAGIC, version: FORMAT_VERSION, bytes: BYTES };
  const result = openBlock(block, expected, (fields) => ({
    nodeId: fields.u32(),
    clusterId: clusterIdOf(fields.bytes(CLUSTER_ID_BYTES)),
    incarnation: fields.u64(),
    storageCreated: fields.u8() === 1,
  }));
  if (result.kind !== "ok") return result;
  const { nodeId } = result.value;
  if (nodeId < 1 || nodeId > NODE_ID_MAX) {
    return { kind: "bad", reason: `${nodeId} is no node id` };
  }
  return { kind: "ok", value: { ...result.value, nodeId: NodeId(nodeId) } };
}
