/** What every node of a run is made with: limits so low that a short run meets them. */

import type { RaftNodeOptions } from "../../src/node/mod.ts";
import { type Plan, TIMINGS } from "./plan.ts";

type Settings = Pick<
  RaftNodeOptions,
  | "reading"
  | "snapshotLogBytes"
  | "snapshotRateBytes"
  | "electionTimeoutMs"
  | "heartbeatMs"
  | "raftLimits"
  | "proposalLimits"
  | "readLimits"
  | "diskLimits"
  | "transferTimeoutMs"
>;

export function nodeSettings(plan: Plan): Settings {
  const timing = TIMINGS[plan.timing];
  return {
    reading: { reads: plan.reads, stalenessMsMax: 1000 },
    snapshotLogBytes: plan.snapshotLogBytes,
    snapshotRateBytes: plan.snapshotRateBytes,
    ...timing,
    raftLimits: {
      appendBytesMax: plan.appendBytesMax,
      inflightMessagesMax: plan.inflightMessagesMax,
      inflightBytesMax: 1 << 20,
      uncommittedBytesMax: 1 << 14,
      cacheBytesMax: plan.cacheBytesMax,
    },
    proposalLimits: {
      batchBytesMax: plan.batchBytesMax,
      entryBytesMax: 1 << 14,
      operationTimeoutMs: 2 * timing.electionTimeoutMs.max,
      resendMs: timing.electionTimeoutMs.min,
    },
    readLimits: {
      operationTimeoutMs: 2 * timing.electionTimeoutMs.max,
    },
    diskLimits: {
      stepDownMs: timing.electionTimeoutMs.max,
      exitMs: 4 * timing.electionTimeoutMs.max,
    },
    transferTimeoutMs: timing.electionTimeoutMs.max,
  };
}
