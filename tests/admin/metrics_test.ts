/** The metrics: their names by Prometheus's rules, and their values. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { AdminMetrics } from "../../src/admin/mod.ts";
import { fakeNode, listener, view } from "./support.ts";

function metricsOf() {
  return new AdminMetrics({ version: "1.2.3", runtime: "deno 2" });
}

async function scrape(metrics: AdminMetrics, change: Partial<typeof view> = {}) {
  const process = fakeNode().processStats();
  return await metrics.render({ view: { ...view, ...change }, listener, process });
}

/** Samples by name and labels. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const cut = line.lastIndexOf(" ");
    return [line.slice(0, cut), Number(line.slice(cut + 1))];
  }));
}

Deno.test("names are valid, prefixed, in base units, and counters end in _total", async () => {
  const text = await scrape(metricsOf());
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert(types.length > 40, `${types.length}`);
  assertEquals(new Set(types.map(([, name]) => name)).size, types.length);
  for (const [, name, type] of types) {
    assertMatch(name, /^(logboat|process)_[a-z][a-z_]*[a-z]$/);
    assert(!/(_ms|_millis|_milliseconds|_us|_kb|_kilobytes|_mb|_percent)(_|$)/.test(name), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assertMatch(name, /_(seconds|bytes|commands|reads)$/);
    if (/duration|delay|uptime|contact/.test(name)) assertMatch(name, /_seconds$/);
    if (/memory|heap/.test(name)) assertMatch(name, /_bytes$/);
    assertMatch(text, new RegExp(`^# HELP ${name} [A-Z1].*\\.$`, "m"));
  }
});

Deno.test("what the node says is what is shown", async () => {
  const shown = samples(await scrape(metricsOf()));
  const expected: Record<string, number> = {
    'logboat_build_info{version="1.2.3",runtime="deno 2"}': 1,
    "logboat_raft_term": 7,
    'logboat_raft_role{role="leader"}': 1,
    'logboat_raft_role{role="follower"}': 0,
    "logboat_raft_has_leader": 1,
    "logboat_ready": 1,
    "logboat_raft_commit_index": 95,
    "logboat_raft_applied_index": 94,
    "logboat_raft_last_index": 100,
    "logboat_log_size_bytes": 4096,
    'logboat_raft_peer_lag_entries{peer="2"}': 10,
    'logboat_raft_peer_lag_entries{peer="3"}': 100,
    'logboat_raft_peer_connected{peer="3"}': 0,
    'logboat_raft_peer_last_contact_seconds{peer="3"}': 9,
    'logboat_raft_peer_snapshot_sent_ratio{peer="3"}': 0.25,
    'logboat_cluster_members{standing="voter"}': 3,
    'logboat_cluster_members{standing="joining"}': 0,
    "logboat_cluster_changing_members": 0,
    "logboat_cluster_feature_level": 1,
    "logboat_cluster_member_changes_total": 56,
    "logboat_raft_transfers_total": 57,
    "logboat_snapshot_index": 70,
    "logboat_snapshot_size_bytes": 2048,
    "logboat_snapshot_in_progress": 1,
    'logboat_snapshots_total{outcome="taken"}': 51,
    'logboat_snapshots_total{outcome="installed"}': 53,
    'logboat_snapshot_transfer_bytes_total{direction="sent"}': 54,
    'logboat_reads_without_round_total{kind="lease"}': 58,
    'logboat_reads_without_round_total{kind="local"}': 59,
    "logboat_log_damaged_entries": 0,
    "logboat_log_entries_repaired_total": 60,
    "logboat_quarantined": 0,
    'logboat_state_hashes_total{result="equal"}': 61,
    'logboat_state_hashes_total{result="different"}': 62,
    "logboat_uptime_seconds": 12.345,
    "logboat_pending_writes": 4,
    "logboat_commands_applied_total": 800,
    'logboat_keys{db="0"}': 10,
    'logboat_commands_total{family="hash"}': 33,
    'logboat_client_error_replies_total{code="WRONGTYPE"}': 31,
    'logboat_client_closes_total{reason="idle"}': 29,
    'logboat_peer_bytes_total{direction="received"}': 14,
    "logboat_peer_damaged_frames_total": 18,
    "process_resident_memory_bytes": 41,
    "process_cpu_seconds_total": 4.5,
    "logboat_output_lines_dropped_total": 46,
  };
  for (const [name, value] of Object.entries(expected)) {
    assertEquals(shown.get(name), value, name);
  }
  assert(!shown.has('logboat_raft_peer_connected{peer="1"}'), "the node is no peer of its own");
});

Deno.test("one role is 1 at a time, and a follower reports no lag", async () => {
  const metrics = metricsOf();
  await scrape(metrics);
  const followers = view.members.map((member) => ({
    ...member,
    matchIndex: undefined,
    lastContactMs: undefined,
  }));
  const shown = samples(await scrape(metrics, { role: "follower", members: followers }));
  const roles = [...shown].filter(([name]) => name.startsWith("logboat_raft_role{"));
  assertEquals(roles.reduce((sum, [, value]) => sum + value, 0), 1);
  assertEquals(shown.get('logboat_raft_role{role="follower"}'), 1);
  assertEquals([...shown.keys()].filter((name) => name.includes("lag_entries")), []);
});

Deno.test("counters kept elsewhere do not add up from scrape to scrape", async () => {
  const metrics = metricsOf();
  await scrape(metrics);
  assertEquals(samples(await scrape(metrics)).get("logboat_commands_applied_total"), 800);
  const more = samples(await scrape(metrics, { commandsApplied: 900 }));
  assertEquals(more.get("logboat_commands_applied_total"), 900);
});

Deno.test("as the node's observer it counts durations and sizes", async () => {
  const metrics = metricsOf();
  metrics.logSynced(0.0007);
  metrics.batchCommitted(0.002, 30, 3000);
  metrics.readIndexConfirmed(0.0004, 12);
  metrics.roleChanged("leader", 3);
  metrics.roleChanged("leader", 5);
  metrics.loopDelayed(0.02);
  const shown = samples(await scrape(metrics));
  assertEquals(shown.get('logboat_log_sync_duration_seconds_bucket{le="0.0005"}'), 0);
  assertEquals(shown.get('logboat_log_sync_duration_seconds_bucket{le="0.001"}'), 1);
  assertEquals(shown.get("logboat_log_sync_duration_seconds_sum"), 0.0007);
  assertEquals(shown.get("logboat_batch_commit_duration_seconds_count"), 1);
  assertEquals(shown.get("logboat_batch_commands_sum"), 30);
  assertEquals(shown.get("logboat_batch_size_bytes_sum"), 3000);
  assertEquals(shown.get("logboat_read_round_reads_sum"), 12);
  assertEquals(shown.get("logboat_read_round_duration_seconds_sum"), 0.0004);
  assertEquals(shown.get('logboat_raft_role_changes_total{role="leader"}'), 2);
  assertEquals(shown.get("logboat_event_loop_delay_seconds_sum"), 0.02);
});

Deno.test("two nodes of one process do not share metrics", async () => {
  const [a, b] = [metricsOf(), metricsOf()];
  a.logSynced(1);
  assertEquals(samples(await scrape(b)).get("logboat_log_sync_duration_seconds_count"), 0);
});
