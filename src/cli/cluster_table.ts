/** The status of a cluster as lines for a terminal, at most 100 columns wide. */

import type { ClusterStatus } from "../admin/mod.ts";
import { escapeControls } from "./log_line.ts";

type Member = ClusterStatus["members"][number];

/** Columns that every terminal has room for. */
export const COLUMNS_MAX = 100;
/** The longest IPv4 address with its port. */
const ADDRESS_COLUMNS_MAX = 21;
const HEAD = ["node", "standing", "Raft address", "Redis address", "link", "behind", "heard"];

/** Facts of the cluster, a line for each member, and what is worth a word. */
export function clusterTable(cluster: ClusterStatus): string {
  const { clusterId, term, leaderId, nodeId, changingMembers } = cluster;
  const leader = leaderId === null ? "no leader is known" : `node ${leaderId} leads`;
  const changing = changingMembers ? ", changing" : "";
  const snapshot = cluster.snapshotIndex === 0 ? "none" : `${cluster.snapshotIndex}`;
  const lines = [
    `cluster ${clusterId}, ${leader}, term ${term}`,
    `as node ${nodeId} sees it: committed ${cluster.commitIndex}, applied ${cluster.appliedIndex}, ` +
    `snapshot ${snapshot}`,
    `members as of entry ${cluster.configurationIndex}${changing}, feature level ` +
    `${cluster.featureLevel}`,
    "",
    ...rowsOf(cluster),
  ];
  if (leaderId !== null && leaderId !== nodeId) {
    lines.push("", `How far the members are is known to the leader: ask node ${leaderId}.`);
  }
  return lines.map(escapeControls).join("\n");
}

function rowsOf(cluster: ClusterStatus): string[] {
  const rows = [HEAD, ...cluster.members.map((member) => cellsOf(member, cluster))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd());
}

function cellsOf(member: Member, { nodeId }: ClusterStatus): string[] {
  const { id, raftAddress, redisAddress, connected, lastContactMs } = member;
  return [
    id === nodeId ? `${id} *` : `${id}`,
    member.leads ? `${member.standing}, leads` : member.standing,
    shortened(raftAddress),
    shortened(redisAddress),
    connected ? "up" : "down",
    behindText(member),
    lastContactMs === null ? "-" : durationText(lastContactMs),
  ];
}

function behindText({ snapshotSending, lagEntries }: Member): string {
  if (snapshotSending !== null) {
    const { sentBytes, bytes } = snapshotSending;
    return `snap ${Math.floor(100 * sentBytes / Math.max(1, bytes))}%`;
  }
  if (lagEntries === null) return "-";
  return lagEntries < 1e6 ? `${lagEntries}` : `${Math.floor(lagEntries / 1e6)} M`;
}

function durationText(ms: number): string {
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  return seconds < 10_000 ? `${seconds} s` : `${Math.round(seconds / 3600)} h`;
}

/** Its beginning and its port; `--json` has all of it. */
function shortened(address: string): string {
  if (address.length <= ADDRESS_COLUMNS_MAX) return address;
  const port = address.slice(address.lastIndexOf(":"));
  return `${address.slice(0, ADDRESS_COLUMNS_MAX - 1 - port.length)}…${port}`;
}
