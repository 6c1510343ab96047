/** Metrics of members, snapshots, reads, damage and repair; read when they are asked for. */

import type { MetricTable } from "./metric_table.ts";

const STANDINGS = ["voter", "learner", "joining", "leaving"] as const;

/** What a long-lived cluster is watched by. */
export function addClusterMetrics(table: MetricTable): void {
  addMembers(table);
  addSnapshots(table);
  addReads(table);
  addDamage(table);
}

function addMembers(table: MetricTable): void {
  table.gaugesOf(
    { name: "logboat_cluster_members", help: "Members, by their standing.", labels: ["standing"] },
    ({ view: { members } }) =>
      STANDINGS.map((
        standing,
      ) => [{ standing }, members.filter((member) => member.standing === standing).length]),
  );
  table.gaugeOf(
    "logboat_cluster_changing_members",
    "1 while a change of members is under way.",
    ({ view }) => +view.changingMembers,
  );
  table.gaugeOf(
    "logboat_cluster_feature_level",
    "What all members support.",
    ({ view }) => view.featureLevel,
  );
  table.counterOf(
    "logboat_cluster_member_changes_total",
    "Changes of members that came into effect.",
    ({ view }) => view.counters.memberChanges,
  );
  table.counterOf(
    "logboat_raft_transfers_total",
    "Leadership handed over by this node, on request or at a stop.",
    ({ view }) => view.counters.transfers,
  );
}

function addSnapshots(table: MetricTable): void {
  table.gaugeOf(
    "logboat_snapshot_index",
    "Last entry in the newest snapshot; 0 for none.",
    ({ view }) => view.snapshotIndex,
  );
  table.gaugeOf(
    "logboat_snapshot_size_bytes",
    "Length of the newest snapshot.",
    ({ view }) => view.snapshotBytes,
  );
  table.gaugeOf(
    "logboat_snapshot_in_progress",
    "1 while a snapshot is being taken.",
    ({ view }) => +view.snapshotting,
  );
  table.countersOf(
    { name: "logboat_snapshots_total", help: "Snapshots, by their outcome.", labels: ["outcome"] },
    ({ view: { counters } }) => [
      [{ outcome: "taken" }, counters.snapshotsTaken],
      [{ outcome: "failed" }, counters.snapshotsFailed],
      [{ outcome: "installed" }, counters.snapshotsInstalled],
    ],
  );
  table.countersOf(
    {
      name: "logboat_snapshot_transfer_bytes_total",
      help: "Bytes of snapshots between members.",
      labels: ["direction"],
    },
    ({ view: { counters } }) => [
      [{ direction: "sent" }, counters.snapshotBytesSent],
      [{ direction: "received" }, counters.snapshotBytesReceived],
    ],
  );
}

function addReads(table: MetricTable): void {
  table.countersOf(
    {
      name: "logboat_reads_without_round_total",
      help: "Reads that needed no confirmation by a majority: under the leader's lease, or local.",
      labels: ["kind"],
    },
    ({ view: { counters } }) => [
      [{ kind: "lease" }, counters.leaseReads],
      [{ kind: "local" }, counters.localReads],
    ],
  );
}

function addDamage(table: MetricTable): void {
  table.gaugeOf(
    "logboat_log_damaged_entries",
    "Damaged entries that wait for a peer's copy.",
    ({ view }) => view.damagedEntries,
  );
  table.counterOf(
    "logboat_log_entries_repaired_total",
    "Damaged entries written again from a peer's copy.",
    ({ view }) => view.counters.entriesRepaired,
  );
  table.gaugeOf(
    "logboat_recovering",
    "1 while the node votes for nobody because its log may have lost entries.",
    ({ view }) => +view.recovering,
  );
  table.gaugeOf(
    "logboat_quarantined",
    "1 when the node serves nobody because its state differs from a majority's.",
    ({ view }) => view.quarantined === undefined ? 0 : 1,
  );
  table.countersOf(
    {
      name: "logboat_state_hashes_total",
      help: "State hashes compared with another member's, by the result.",
      labels: ["result"],
    },
    ({ view: { counters } }) => [
      [{ result: "equal" }, counters.stateHashesCompared - counters.stateHashesDiffering],
      [{ result: "different" }, counters.stateHashesDiffering],
    ],
  );
}
