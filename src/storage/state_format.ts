/**
 * The bytes of `state-a` and `state-b`: term, vote, and which segments the log must have. Pure.
 *
 * The two files are copies of one value, written and synced one after the other, so a crash or
 * damage leaves at least one whole. The higher version is the newer one.
 */

import { LogIndex, NodeId, putU32, putU64, Term } from "../base/mod.ts";
import type { HardState } from "../raft/mod.ts";
import { type BlockResult, magicOf, openBlock, sealBlock } from "./checked_block.ts";
import { CLUSTER_ID_BYTES, clusterIdOf, putClusterId } from "./cluster_id.ts";

const MAGIC = magicOf("LBST");
const VERSION = 1;
export const STATE_BYTES = 72;

export interface StoredState {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Rises with every write of the pair. */
  readonly version: number;
  readonly hardState: HardState;
  /** First index of the first segment, and of the last one known to be durable; 0: none yet. */
  readonly firstSegment: LogIndex;
  readonly lastSegment: LogIndex;
}

/**
 * Layout: frame, node id (4), cluster id (16), version (8), term (8), voted for or 0 (4), zeros
 * (4), first segment (8), last segment (8).
 */
export function encodeState(state: StoredState): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(STATE_BYTES);
  putU32(block, 12, state.nodeId);
  putClusterId(block, 16, state.clusterId);
  putU64(block, 32, state.version);
  putU64(block, 40, state.hardState.term);
  putU32(block, 48, state.hardState.votedFor ?? 0);
  putU64(block, 56, state.firstSegment);
  putU64(block, 64, state.lastSegment);
  sealBlock(block, MAGIC, VERSION);
  return block;
}

export function decodeState(block: Uint8Array): BlockResult<StoredState> {
  return openBlock(block, { magic: MAGIC, version: VERSION, bytes: STATE_BYTES }, (fields) => {
    const nodeId = NodeId(fields.u32());
    const clusterId = clusterIdOf(fields.bytes(CLUSTER_ID_BYTES));
    const version = fields.u64();
    const term = Term(fields.u64());
    const votedFor = fields.u32();
    fields.u32();
    return {
      nodeId,
      clusterId,
      version,
      hardState: { term, votedFor: votedFor === 0 ? undefined : NodeId(votedFor) },
      firstSegment: LogIndex(fields.u64()),
      lastSegment: LogIndex(fields.u64()),
    };
  });
}
