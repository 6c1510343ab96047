/** `GET /api/v1/cluster`: the members as this node sees them, for people who change them. */

import { z } from "zod";
import type { NodeView } from "../node/mod.ts";
import { member, type Status, statusOf, statusSchema } from "./status.ts";

/** The answer of `/api/v1/cluster`; new fields may come, these stay. */
export const clusterSchema = statusSchema.pick({
  clusterId: true,
  nodeId: true,
  leaderId: true,
  term: true,
  featureLevel: true,
  configurationIndex: true,
  changingMembers: true,
  lastIndex: true,
  commitIndex: true,
  appliedIndex: true,
  snapshotIndex: true,
}).extend({
  members: z.array(member.extend({
    leads: z.boolean(),
    lagEntries: z.int().min(0).nullable()
      .describe("Entries that it does not have on disk yet; known to the leader only."),
  })),
});

/** What `clusterSchema` describes. */
export type ClusterStatus = z.output<typeof clusterSchema>;

/** The part of the view that is about the members. */
export function clusterOf(view: NodeView, version: string): ClusterStatus {
  const status = statusOf(view, version);
  return clusterSchema.parse({
    ...status,
    members: status.members.map((each) => ({
      ...each,
      leads: each.id === status.leaderId,
      lagEntries: lagOf(status, each.matchIndex),
    })),
  });
}

function lagOf({ lastIndex }: Status, matchIndex: number | null): number | null {
  return matchIndex === null ? null : Math.max(0, lastIndex - matchIndex);
}
