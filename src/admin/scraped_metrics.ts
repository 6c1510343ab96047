/** The metrics that are read when they are asked for. */

import type { NodeView } from "../node/mod.ts";
import { addClusterMetrics } from "./cluster_metrics.ts";
import type { MetricSources, MetricTable } from "./metric_table.ts";

const ROLES: readonly NodeView["role"][] = [
  "follower",
  "preCandidate",
  "candidate",
  "leader",
  "learner",
];

/** Everything that the node, the listener and the process tell of themselves. */
export function addScrapedMetrics(table: MetricTable): void {
  addRaft(table);
  addClusterMetrics(table);
  addPeers(table);
  addKeyspace(table);
  addClients(table);
  addLinks(table);
  addProcess(table);
}

function addRaft(table: MetricTable): void {
  table.gaugeOf("logboat_raft_term", "Current Raft term.", ({ view }) => view.term);
  table.gaugesOf(
    { name: "logboat_raft_role", help: "1 for the role of this node.", labels: ["role"] },
    ({ view }) => ROLES.map((role) => [{ role }, view.role === role ? 1 : 0]),
  );
  table.gaugeOf(
    "logboat_raft_has_leader",
    "1 when this node knows a leader.",
    ({ view }) => view.leaderId === undefined ? 0 : 1,
  );
  table.gaugeOf("logboat_ready", "1 when clients can be served.", ({ view }) => +view.ready);
  table.gaugeOf(
    "logboat_raft_first_index",
    "First entry on disk.",
    ({ view }) => view.firstIndex,
  );
  table.gaugeOf("logboat_raft_last_index", "Last entry on disk.", ({ view }) => view.lastIndex);
  table.gaugeOf(
    "logboat_raft_commit_index",
    "Last entry known to be committed.",
    ({ view }) => view.commitIndex,
  );
  table.gaugeOf(
    "logboat_raft_applied_index",
    "Last entry applied.",
    ({ view }) => view.appliedIndex,
  );
  table.gaugeOf("logboat_log_size_bytes", "Raft log on disk.", ({ view }) => view.logBytes);
  table.gaugeOf("logboat_log_segments", "Files of the Raft log.", ({ view }) => view.logSegments);
  table.gaugeOf("logboat_pending_writes", "Writes of this node's clients without an answer.", (
    { view },
  ) => view.pendingWrites);
  table.gaugeOf("logboat_pending_reads", "Reads of this node's clients without an answer.", (
    { view },
  ) => view.pendingReads);
  table.counterOf(
    "logboat_batches_applied_total",
    "Batches applied, of all nodes.",
    ({ view }) => view.batchesApplied,
  );
  table.counterOf("logboat_commands_applied_total", "Write commands applied, of all nodes.", (
    { view },
  ) => view.commandsApplied);
  table.gaugeOf(
    "logboat_uptime_seconds",
    "Since the start of the node.",
    ({ view }) => view.uptimeMs / 1000,
  );
}

function addPeers(table: MetricTable): void {
  const peers = ({ view }: MetricSources) => view.members.filter(({ id }) => id !== view.nodeId);
  const labels = ["peer"];
  table.gaugesOf(
    {
      name: "logboat_raft_peer_snapshot_sent_ratio",
      help: "How much of the snapshot that a peer is being sent it has; on the leader only.",
      labels,
    },
    (sources) =>
      peers(sources).flatMap(({ id, snapshotSending }) =>
        snapshotSending === undefined
          ? []
          : [[{ peer: id }, snapshotSending.sentBytes / Math.max(1, snapshotSending.bytes)]]
      ),
  );
  table.gaugesOf(
    { name: "logboat_raft_peer_connected", help: "1 while a link to the peer is up.", labels },
    (sources) => peers(sources).map((peer) => [{ peer: peer.id }, +peer.connected]),
  );
  table.gaugesOf(
    {
      name: "logboat_raft_peer_lag_entries",
      help: "Entries that the peer does not have on disk yet; on the leader only.",
      labels,
    },
    (sources) =>
      peers(sources).flatMap(({ id, matchIndex }) =>
        matchIndex === undefined
          ? []
          : [[{ peer: id }, Math.max(0, sources.view.lastIndex - matchIndex)]]
      ),
  );
  table.gaugesOf(
    {
      name: "logboat_raft_peer_last_contact_seconds",
      help: "Since the peer was last heard; on the leader only.",
      labels,
    },
    (sources) =>
      peers(sources).flatMap(({ id, lastContactMs }) =>
        lastContactMs === undefined ? [] : [[{ peer: id }, lastContactMs / 1000]]
      ),
  );
}

function addKeyspace(table: MetricTable): void {
  const labels = ["db"];
  table.gaugesOf(
    { name: "logboat_keys", help: "Keys of a database.", labels },
    ({ view }) => view.databases.map(({ index, keys }) => [{ db: index }, keys]),
  );
  table.gaugesOf(
    { name: "logboat_keys_with_deadline", help: "Keys that will expire.", labels },
    ({ view }) => view.databases.map(({ index, expires }) => [{ db: index }, expires]),
  );
  table.counterOf(
    "logboat_keys_expired_total",
    "Keys removed at their deadline.",
    ({ view }) => view.expiredKeys,
  );
}

function addClients(table: MetricTable): void {
  table.gaugeOf(
    "logboat_clients_connected",
    "Redis clients connected.",
    ({ listener }) => listener.connectedClients,
  );
  table.counterOf("logboat_client_connections_total", "Redis connections accepted.", (
    { listener },
  ) => listener.connectionsReceived);
  table.counterOf("logboat_client_connections_rejected_total", "Redis connections refused.", (
    { listener },
  ) => listener.connectionsRejected);
  table.counterOf("logboat_client_received_bytes_total", "Received from Redis clients.", (
    { listener },
  ) => listener.inputBytes);
  table.counterOf(
    "logboat_client_sent_bytes_total",
    "Sent to Redis clients.",
    ({ listener }) => listener.outputBytes,
  );
  table.counterOf("logboat_client_protocol_errors_total", "Connections with broken RESP.", (
    { listener },
  ) => listener.protocolErrors);
  table.counterOf(
    "logboat_client_auth_failures_total",
    "Refused passwords.",
    ({ listener }) => listener.authFailures,
  );
  table.countersOf({
    name: "logboat_client_closes_total",
    help: "Clients disconnected for a limit, by the limit.",
    labels: ["reason"],
  }, ({ listener }) => [
    [{ reason: "output" }, listener.outputLimitCloses],
    [{ reason: "idle" }, listener.idleCloses],
    [{ reason: "assembly" }, listener.assemblyCloses],
  ]);
  table.countersOf({
    name: "logboat_commands_total",
    help: "Commands of Redis clients, by family.",
    labels: ["family"],
  }, ({ listener }) => [...listener.commandsByFamily].map(([family, n]) => [{ family }, n]));
  table.countersOf({
    name: "logboat_client_error_replies_total",
    help: "Error replies, by their code.",
    labels: ["code"],
  }, ({ listener }) => [...listener.errorsByCode].map(([code, n]) => [{ code }, n]));
}

function addLinks(table: MetricTable): void {
  const labels = ["direction"];
  table.countersOf(
    { name: "logboat_peer_messages_total", help: "Messages of peer links.", labels },
    ({ view: { network } }) => [
      [{ direction: "sent" }, network.messagesSent],
      [{ direction: "received" }, network.messagesReceived],
    ],
  );
  table.countersOf(
    { name: "logboat_peer_bytes_total", help: "Bytes of peer links.", labels },
    ({ view: { network } }) => [
      [{ direction: "sent" }, network.bytesSent],
      [{ direction: "received" }, network.bytesReceived],
    ],
  );
  table.counterOf("logboat_peer_messages_dropped_total", "Messages dropped for full queues.", (
    { view },
  ) => view.network.messagesDropped);
  table.counterOf(
    "logboat_peer_reconnects_total",
    "Peer links made again.",
    ({ view }) => view.network.reconnects,
  );
  table.counterOf(
    "logboat_peer_handshakes_refused_total",
    "Handshakes refused.",
    ({ view }) => view.network.handshakesRefused,
  );
  table.counterOf("logboat_peer_damaged_frames_total", "Frames with a wrong checksum.", (
    { view },
  ) => view.network.damagedFrames);
}

function addProcess(table: MetricTable): void {
  table.gaugeOf(
    "process_resident_memory_bytes",
    "Resident memory.",
    ({ process }) => process.residentBytes,
  );
  table.counterOf(
    "process_cpu_seconds_total",
    "User and system time.",
    ({ process }) => process.cpuSeconds,
  );
  table.gaugeOf(
    "logboat_heap_used_bytes",
    "JavaScript heap in use.",
    ({ process }) => process.heapUsedBytes,
  );
  table.gaugeOf(
    "logboat_heap_size_bytes",
    "JavaScript heap.",
    ({ process }) => process.heapTotalBytes,
  );
  table.gaugeOf(
    "logboat_external_memory_bytes",
    "Buffers outside the heap.",
    ({ process }) => process.externalBytes,
  );
  table.counterOf("logboat_output_lines_dropped_total", "Lines of text output dropped.", (
    { process },
  ) => process.logLinesDropped);
}
