/** `GET /api/v1/status`: the node's view as documented JSON. Absent values are null. */

import { z } from "zod";
import type { NodeView } from "../node/mod.ts";

z.config({ jitless: true });

const count = z.int().min(0);

/** A member as this node sees it. */
export const member = z.object({
  id: count,
  raftAddress: z.string(),
  redisAddress: z.string(),
  standing: z.enum(["voter", "learner", "joining", "leaving"]).describe(
    "A joining member becomes a voter by itself when it has caught up.",
  ),
  connected: z.boolean().describe("Whether this node has a link to it; true for itself."),
  matchIndex: count.nullable().describe("What it has on disk; known to the leader only."),
  lastContactMs: z.number().nullable().describe("Since it was last heard; leader only."),
  featureLevel: count.nullable().describe("The highest that it supports; null until heard."),
  snapshotSending: z.object({ sentBytes: count, bytes: count }).nullable()
    .describe("How far the snapshot is that it is being sent; leader only."),
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

const counters = z.object({
  snapshotsTaken: count,
  snapshotsFailed: count,
  snapshotsInstalled: count.describe("From a leader, in place of entries that are gone."),
  snapshotBytesSent: count,
  snapshotBytesReceived: count,
  memberChanges: count,
  transfers: count,
  leaseReads: count,
  localReads: count,
  entriesRepaired: count,
  stateHashesCompared: count,
  stateHashesDiffering: count,
}).describe("Since the start.");

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
  configurationIndex: count.describe("The entry with the members; 0 for those of the first start."),
  changingMembers: z.boolean(),
  featureLevel: count.describe("What all members support."),
  snapshotIndex: count.describe("The last entry in the newest snapshot; 0 for none."),
  snapshotBytes: count,
  snapshotting: z.boolean(),
  quarantined: z.string().nullable().describe("Why this node serves nobody."),
  recovering: z.boolean().describe("Votes for nobody until it has caught up."),
  damagedEntries: count,
  counters,
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
      featureLevel: each.featureLevel ?? null,
      snapshotSending: each.snapshotSending ?? null,
    })),
    databases: view.databases.map((each) => database.parse(each)),
    network: network.parse(view.network),
    configurationIndex: view.configurationIndex,
    changingMembers: view.changingMembers,
    featureLevel: view.featureLevel,
    snapshotIndex: view.snapshotIndex,
    snapshotBytes: view.snapshotBytes,
    snapshotting: view.snapshotting,
    quarantined: view.quarantined ?? null,
    recovering: view.recovering,
    damagedEntries: view.damagedEntries,
    counters: counters.parse(view.counters),
  };
}
