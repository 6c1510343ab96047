/** `GET /api/v1/status`: the node's view as documented JSON. Absent values are null. */

import { z } from "zod";
import type { NodeView } from "../node/mod.ts";

z.config({ jitless: true });

const count = z.int().min(0);

const member = z.object({
  id: count,
  raftAddress: z.string(),
  redisAddress: z.string(),
  voter: z.boolean(),
  connected: z.boolean().describe("Whether this node has a link to it; true for itself."),
  matchIndex: count.nullable().describe("What it has on disk; known to the leader only."),
  lastContactMs: z.number().nullable().describe("Since it was last heard; leader only."),
});

const database = z.object({
  index: count,
  keys: count,
  expires: count.describe("Keys with a deadline."),
  avgTtlMs: z.number(),
});

const network = z.object({
  messagesSent: count,
  messagesReceived: count,
  bytesSent: count,
  bytesReceived: count,
  messagesDropped: count,
  reconnects: count,
  handshakesRefused: count,
  damagedFrames: count,
}).describe("Links to other members, since the start.");

/** The answer of `/api/v1/status`; new fields may come, these stay. */
export const statusSchema = z.object({
  version: z.string(),
  clusterId: z.string(),
  nodeId: count,
  incarnation: count.describe("How many times the node has started."),
  role: z.enum(["follower", "preCandidate", "candidate", "leader", "learner"]),
  term: count,
  leaderId: count.nullable(),
  ready: z.boolean().describe("Whether reads and writes can be served now."),
  notReadyReason: z.string().nullable(),
  firstIndex: count.describe("First entry of the log on disk."),
  lastIndex: count,
  commitIndex: count,
  appliedIndex: count,
  logBytes: count,
  logSegments: count,
  pendingWrites: count,
  pendingReads: count,
  batchesApplied: count,
  commandsApplied: count,
  expiredKeys: count,
  clockMs: z.number().describe("Stamp of the last applied entry, ms since 1970."),
  uptimeMs: z.number(),
  members: z.array(member),
  databases: z.array(database).describe("Databases with keys."),
  network,
});

export type Status = z.output<typeof statusSchema>;

/** The view in the documented shape. */
export function statusOf(view: NodeView, version: string): Status {
  return {
    version,
    clusterId: view.clusterId,
    nodeId: view.nodeId,
    incarnation: view.incarnation,
    role: view.role,
    term: view.term,
    leaderId: view.leaderId ?? null,
    ready: view.ready,
    notReadyReason: view.notReadyReason ?? null,
    firstIndex: view.firstIndex,
    lastIndex: view.lastIndex,
    commitIndex: view.commitIndex,
    appliedIndex: view.appliedIndex,
    logBytes: view.logBytes,
    logSegments: view.logSegments,
    pendingWrites: view.pendingWrites,
    pendingReads: view.pendingReads,
    batchesApplied: view.batchesApplied,
    commandsApplied: view.commandsApplied,
    expiredKeys: view.expiredKeys,
    clockMs: view.clockMs,
    uptimeMs: view.uptimeMs,
    members: view.members.map((each) => ({
      ...each,
      matchIndex: each.matchIndex ?? null,
      lastContactMs: each.lastContactMs ?? null,
    })),
    databases: view.databases.map((each) => database.parse(each)),
    network: network.parse(view.network),
  };
}
