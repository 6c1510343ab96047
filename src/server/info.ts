/**
 * The text of INFO. Only what this node really knows: a field of Redis that would have to be made up
 * is left out, except those that clients need to go on (`loading`, `maxmemory_policy`, …), which
 * state what is the case.
 */

import type { MemberView, NodeView } from "../node/mod.ts";
import type { RedisServer } from "./server.ts";
import { REDIS_VERSION } from "./settings.ts";

type Field = readonly [name: string, value: string | number];
type Section = (server: RedisServer, view: NodeView) => Field[];

const DEFAULT_SECTIONS = [
  "server",
  "clients",
  "memory",
  "persistence",
  "stats",
  "replication",
  "cpu",
  "modules",
  "errorstats",
  "cluster",
  "raft",
  "keyspace",
];

const ALL_SECTIONS = [
  "server",
  "clients",
  "memory",
  "persistence",
  "stats",
  "replication",
  "cpu",
  "modules",
  "commandstats",
  "errorstats",
  "cluster",
  "raft",
  "keyspace",
];

/** The chosen sections in Redis's order; none named means the usual ones. Unknown names add nothing. */
export function infoText(server: RedisServer, names: readonly string[]): string {
  const wanted = new Set<string>(names.length === 0 ? DEFAULT_SECTIONS : names);
  if (wanted.has("default")) DEFAULT_SECTIONS.forEach((name) => wanted.add(name));
  if (wanted.has("all") || wanted.has("everything")) {
    ALL_SECTIONS.forEach((name) => wanted.add(name));
  }
  const view = server.gateway.view();
  const parts: string[] = [];
  for (const name of ALL_SECTIONS) {
    if (!wanted.has(name)) continue;
    const fields = SECTIONS[name](server, view);
    const title = name === "cpu" ? "CPU" : name[0].toUpperCase() + name.slice(1);
    const lines = fields.map(([field, value]) => `${field}:${value}\r\n`).join("");
    parts.push(`# ${title}\r\n${lines}`);
  }
  return parts.join("\r\n");
}

const SECTIONS: Readonly<Record<string, Section>> = {
  server: serverSection,
  clients: clientsSection,
  memory: memorySection,
  persistence: persistenceSection,
  stats: statsSection,
  replication: replicationSection,
  cpu: (server) => [["used_cpu_total", server.platform.process.cpuSeconds().toFixed(6)]],
  modules: () => [],
  commandstats: commandStatsSection,
  errorstats: (server) =>
    [...server.stats.errorsByCode].map(([code, count]) => [`errorstat_${code}`, `count=${count}`]),
  cluster: (server) => [["cluster_enabled", server.redirects ? 1 : 0]],
  raft: raftSection,
  keyspace: (_server, view) =>
    view.databases.map((db) => [
      `db${db.index}`,
      `keys=${db.keys},expires=${db.expires},avg_ttl=${Math.round(db.avgTtlMs)}`,
    ]),
};

function serverSection(server: RedisServer, view: NodeView): Field[] {
  const { versions, pid } = server.platform.process;
  const uptimeSeconds = Math.floor(view.uptimeMs / 1000);
  return [
    ["redis_version", REDIS_VERSION],
    ["logboat_version", server.version],
    ["redis_mode", server.redirects ? "cluster" : "standalone"],
    ["os", versions.os],
    ["arch_bits", 64],
    ["runtime", versions.runtime],
    ["process_id", pid],
    ["run_id", server.runId],
    ["tcp_port", server.port],
    ["server_time_usec", Math.floor(server.clock.wallMs() * 1000)],
    ["uptime_in_seconds", uptimeSeconds],
    ["uptime_in_days", Math.floor(uptimeSeconds / 86_400)],
  ];
}

function clientsSection(server: RedisServer): Field[] {
  let blocked = 0;
  let largestInput = 0;
  let largestOutput = 0;
  for (const session of server.sessions.values()) {
    if (session.blocked) blocked++;
    largestInput = Math.max(largestInput, session.queryBufferBytes);
    largestOutput = Math.max(largestOutput, session.connection.pendingBytes);
  }
  return [
    ["connected_clients", server.sessions.size],
    ["maxclients", server.settings.maxClients],
    ["client_recent_max_input_buffer", largestInput],
    ["client_recent_max_output_buffer", largestOutput],
    ["blocked_clients", blocked],
    ["tracking_clients", 0],
  ];
}

function memorySection(server: RedisServer): Field[] {
  const use = server.platform.process.memory();
  const used = use.heapUsedBytes + use.externalBytes;
  return [
    ["used_memory", used],
    ["used_memory_human", humanBytes(used)],
    ["used_memory_rss", use.residentBytes],
    ["used_memory_rss_human", humanBytes(use.residentBytes)],
    ["heap_used_bytes", use.heapUsedBytes],
    ["heap_total_bytes", use.heapTotalBytes],
    ["external_bytes", use.externalBytes],
    ["maxmemory", 0],
    ["maxmemory_human", "0B"],
    ["maxmemory_policy", "noeviction"],
    ["mem_fragmentation_ratio", (use.residentBytes / Math.max(1, used)).toFixed(2)],
    ["mem_allocator", "v8"],
  ];
}

function humanBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ["B", "K", "M", "G"]) {
    if (value < 1024 || unit === "G") return `${unit === "B" ? value : value.toFixed(2)}${unit}`;
    value /= 1024;
  }
  return `${bytes}B`;
}

/**
 * Every write is in the log before it is answered, so nothing is ever "unsaved". `loading` is 1 while
 * the log is read back in; a node that only lacks a leader is up, and says so in its raft section.
 */
function persistenceSection(_server: RedisServer, view: NodeView): Field[] {
  return [
    ["loading", !view.ready && view.appliedIndex < view.commitIndex ? 1 : 0],
    ["async_loading", 0],
    ["rdb_bgsave_in_progress", view.snapshotting ? 1 : 0],
    ["aof_enabled", 1],
    ["aof_rewrite_in_progress", 0],
    ["aof_current_size", view.logBytes],
    ["log_segments", view.logSegments],
  ];
}

function statsSection(server: RedisServer, view: NodeView): Field[] {
  const { stats, rates } = server;
  return [
    ["total_connections_received", stats.connectionsReceived],
    ["total_commands_processed", stats.commandsProcessed],
    ["instantaneous_ops_per_sec", Math.round(rates.commands.perSecond)],
    ["total_net_input_bytes", stats.inputBytes],
    ["total_net_output_bytes", stats.outputBytes],
    ["instantaneous_input_kbps", (rates.input.perSecond / 1024).toFixed(2)],
    ["instantaneous_output_kbps", (rates.output.perSecond / 1024).toFixed(2)],
    ["rejected_connections", stats.connectionsRejected],
    ["expired_keys", view.expiredKeys],
    ["evicted_keys", 0],
    ["pubsub_channels", 0],
    ["pubsub_patterns", 0],
    ["total_error_replies", stats.errorReplies],
    ["total_reads_processed", stats.reads],
    ["total_writes_processed", stats.writes],
    ["protocol_errors", stats.protocolErrors],
    ["auth_failures", stats.authFailures],
    ["output_limit_closes", stats.outputLimitCloses],
    ["idle_closes", stats.idleCloses],
    ["assembly_timeout_closes", stats.assemblyCloses],
  ];
}

function replicationSection(_server: RedisServer, view: NodeView): Field[] {
  const others = view.members.filter((member) => member.id !== view.nodeId);
  if (view.role === "leader") {
    return [
      ["role", "master"],
      ["connected_slaves", others.filter((member) => member.connected).length],
      ...others.filter((member) => member.connected).map(slaveField),
      ["master_repl_offset", view.commitIndex],
    ];
  }
  const leader = view.members.find((member) => member.id === view.leaderId);
  const colon = leader?.redisAddress.lastIndexOf(":") ?? -1;
  return [
    ["role", "slave"],
    ["master_host", leader?.redisAddress.slice(0, colon) ?? ""],
    ["master_port", leader?.redisAddress.slice(colon + 1) ?? 0],
    ["master_link_status", leader?.connected === true ? "up" : "down"],
    ["slave_repl_offset", view.appliedIndex],
    ["slave_read_only", 0],
    ["connected_slaves", 0],
    ["master_repl_offset", view.commitIndex],
  ];
}

function slaveField(member: MemberView, i: number): Field {
  const colon = member.redisAddress.lastIndexOf(":");
  const ip = member.redisAddress.slice(0, colon);
  const port = member.redisAddress.slice(colon + 1);
  const lagSeconds = Math.floor((member.lastContactMs ?? 0) / 1000);
  return [
    `slave${i}`,
    `ip=${ip},port=${port},state=online,offset=${member.matchIndex ?? 0},lag=${lagSeconds}`,
  ];
}

function commandStatsSection(server: RedisServer): Field[] {
  const fields: Field[] = [];
  for (const command of server.commands.all()) {
    const { calls, rejected, failed, name } = command;
    if (calls === 0 && rejected === 0) continue;
    const usec = Math.round(command.elapsedMs * 1000);
    const each = calls === 0 ? "0.00" : (usec / calls).toFixed(2);
    fields.push([
      `cmdstat_${name}`,
      `calls=${calls},usec=${usec},usec_per_call=${each},rejected_calls=${rejected},` +
      `failed_calls=${failed}`,
    ]);
  }
  return fields;
}

function raftSection(_server: RedisServer, view: NodeView): Field[] {
  return [
    ["raft_cluster_id", view.clusterId],
    ["raft_node_id", view.nodeId],
    ["raft_incarnation", view.incarnation],
    ["raft_role", view.role],
    ["raft_term", view.term],
    ["raft_leader_id", view.leaderId ?? ""],
    ["raft_ready", view.ready ? 1 : 0],
    ["raft_not_ready_reason", view.notReadyReason ?? ""],
    ["raft_commit_index", view.commitIndex],
    ["raft_applied_index", view.appliedIndex],
    ["raft_first_index", view.firstIndex],
    ["raft_last_index", view.lastIndex],
    ["raft_log_bytes", view.logBytes],
    ["raft_log_segments", view.logSegments],
    ["raft_snapshot_index", view.snapshotIndex],
    ["raft_snapshot_bytes", view.snapshotBytes],
    ["raft_snapshot_in_progress", view.snapshotting ? 1 : 0],
    ["raft_configuration_index", view.configurationIndex],
    ["raft_changing_members", view.changingMembers ? 1 : 0],
    ["raft_feature_level", view.featureLevel],
    ["raft_recovering", view.recovering ? 1 : 0],
    ["raft_quarantined", view.quarantined ?? ""],
    ["raft_damaged_entries", view.damagedEntries],
    ["raft_pending_writes", view.pendingWrites],
    ["raft_pending_reads", view.pendingReads],
    ["raft_batches_applied", view.batchesApplied],
    ["raft_commands_applied", view.commandsApplied],
    ["raft_clock_ms", view.clockMs],
    ["raft_messages_sent", view.network.messagesSent],
    ["raft_messages_received", view.network.messagesReceived],
    ["raft_bytes_sent", view.network.bytesSent],
    ["raft_bytes_received", view.network.bytesReceived],
    ["raft_reconnects", view.network.reconnects],
    ...view.members.map((member): Field => [
      `raft_member${member.id}`,
      `raft=${member.raftAddress},redis=${member.redisAddress},standing=${member.standing},` +
      `connected=${member.connected ? 1 : 0},match=${member.matchIndex ?? ""},` +
      `last_contact_ms=${
        member.lastContactMs === undefined ? "" : Math.round(member.lastContactMs)
      }`,
    ]),
  ];
}
