/**
 * `GET /metrics`: the node for Prometheus, in base units (seconds, bytes). Durations are observed as
 * they happen; everything else is read when it is asked for, so that it costs nothing in between.
 * Of the client library only counters, gauges, histograms and text are used: its default metrics
 * need what only one runtime has.
 */

import { Counter, Gauge, Histogram, Registry } from "./prom_client.ts";
import type { NodeObserver, NodeView } from "../node/mod.ts";
import type { ListenerStats, ProcessStats } from "./deps.ts";

const ROLES: readonly NodeView["role"][] = [
  "follower",
  "preCandidate",
  "candidate",
  "leader",
  "learner",
];

/** From 50 µs, a sync of a fast disk, to 10 s, where a hung disk ends the process. */
const LATENCY_BUCKETS = [
  0.00005,
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];
const COUNT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const SIZE_BUCKETS = [64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/** Everything that a scrape reads. */
export interface MetricSources {
  readonly view: NodeView;
  readonly listener: ListenerStats;
  readonly process: ProcessStats;
}

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** One node's metrics; give it to the node as its observer. */
export class AdminMetrics implements NodeObserver {
  readonly #registry = new Registry();
  readonly #syncSeconds: Histogram;
  readonly #commitSeconds: Histogram;
  readonly #batchCommands: Histogram;
  readonly #batchBytes: Histogram;
  readonly #roundSeconds: Histogram;
  readonly #roundReads: Histogram;
  readonly #loopDelaySeconds: Histogram;
  readonly #roleChanges: Counter;
  readonly #readers: ((sources: MetricSources) => void)[] = [];

  constructor(build: { readonly version: string; readonly runtime: string }) {
    this.#syncSeconds = this.#histogram({
      name: "logboat_log_sync_duration_seconds",
      help: "Syncs of the Raft log to disk.",
    }, LATENCY_BUCKETS);
    this.#commitSeconds = this.#histogram({
      name: "logboat_batch_commit_duration_seconds",
      help: "From proposing a batch of this node's clients to applying it.",
    }, LATENCY_BUCKETS);
    this.#batchCommands = this.#histogram({
      name: "logboat_batch_commands",
      help: "Commands in a batch of this node's clients.",
    }, COUNT_BUCKETS);
    this.#batchBytes = this.#histogram({
      name: "logboat_batch_size_bytes",
      help: "Size of a batch of this node's clients.",
    }, SIZE_BUCKETS);
    this.#roundSeconds = this.#histogram({
      name: "logboat_read_round_duration_seconds",
      help: "From asking for a read index to its confirmation.",
    }, LATENCY_BUCKETS);
    this.#roundReads = this.#histogram({
      name: "logboat_read_round_reads",
      help: "Reads that shared a round.",
    }, COUNT_BUCKETS);
    this.#loopDelaySeconds = this.#histogram({
      name: "logboat_event_loop_delay_seconds",
      help: "How late a timer ran, sampled.",
    }, LATENCY_BUCKETS);
    this.#roleChanges = this.#counter({
      name: "logboat_raft_role_changes_total",
      help: "Changes of role, by the new role.",
      labels: ["role"],
    });
    const info = this.#gauge({
      name: "logboat_build_info",
      help: "Always 1; the version and runtime are labels.",
      labels: ["version", "runtime"],
    });
    info.set({ version: build.version, runtime: build.runtime }, 1);
    this.#addRaft();
    this.#addPeers();
    this.#addKeyspace();
    this.#addClients();
    this.#addLinks();
    this.#addProcess();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  logSynced(seconds: number): void {
    this.#syncSeconds.observe(seconds);
  }

  batchCommitted(seconds: number, commands: number, bytes: number): void {
    this.#commitSeconds.observe(seconds);
    this.#batchCommands.observe(commands);
    this.#batchBytes.observe(bytes);
  }

  readIndexConfirmed(seconds: number, reads: number): void {
    this.#roundSeconds.observe(seconds);
    this.#roundReads.observe(reads);
  }

  roleChanged(role: string, _term: number): void {
    this.#roleChanges.inc({ role });
  }

  /** A timer of the process ran so much late. */
  loopDelayed(seconds: number): void {
    this.#loopDelaySeconds.observe(seconds);
  }

  /** The text for Prometheus. */
  render(sources: MetricSources): Promise<string> {
    for (const read of this.#readers) read(sources);
    return this.#registry.metrics();
  }

  #addRaft(): void {
    this.#gaugeOf("logboat_raft_term", "Current Raft term.", ({ view }) => view.term);
    this.#manyOf(
      { name: "logboat_raft_role", help: "1 for the role of this node.", labels: ["role"] },
      ({ view }) => ROLES.map((role) => [{ role }, view.role === role ? 1 : 0]),
    );
    this.#gaugeOf(
      "logboat_raft_has_leader",
      "1 when this node knows a leader.",
      ({ view }) => view.leaderId === undefined ? 0 : 1,
    );
    this.#gaugeOf("logboat_ready", "1 when clients can be served.", ({ view }) => +view.ready);
    this.#gaugeOf(
      "logboat_raft_first_index",
      "First entry on disk.",
      ({ view }) => view.firstIndex,
    );
    this.#gaugeOf("logboat_raft_last_index", "Last entry on disk.", ({ view }) => view.lastIndex);
    this.#gaugeOf(
      "logboat_raft_commit_index",
      "Last entry known to be committed.",
      ({ view }) => view.commitIndex,
    );
    this.#gaugeOf(
      "logboat_raft_applied_index",
      "Last entry applied.",
      ({ view }) => view.appliedIndex,
    );
    this.#gaugeOf("logboat_log_size_bytes", "Raft log on disk.", ({ view }) => view.logBytes);
    this.#gaugeOf("logboat_log_segments", "Files of the Raft log.", ({ view }) => view.logSegments);
    this.#gaugeOf("logboat_pending_writes", "Writes of this node's clients without an answer.", (
      { view },
    ) => view.pendingWrites);
    this.#gaugeOf("logboat_pending_reads", "Reads of this node's clients without an answer.", (
      { view },
    ) => view.pendingReads);
    this.#counterOf(
      "logboat_batches_applied_total",
      "Batches applied, of all nodes.",
      ({ view }) => view.batchesApplied,
    );
    this.#counterOf("logboat_commands_applied_total", "Write commands applied, of all nodes.", (
      { view },
    ) => view.commandsApplied);
    this.#gaugeOf(
      "logboat_uptime_seconds",
      "Since the start of the node.",
      ({ view }) => view.uptimeMs / 1000,
    );
  }

  #addPeers(): void {
    const peers = ({ view }: MetricSources) => view.members.filter(({ id }) => id !== view.nodeId);
    const labels = ["peer"];
    this.#manyOf(
      { name: "logboat_raft_peer_connected", help: "1 while a link to the peer is up.", labels },
      (sources) => peers(sources).map((peer) => [{ peer: peer.id }, +peer.connected]),
    );
    this.#manyOf(
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
    this.#manyOf(
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

  #addKeyspace(): void {
    const labels = ["db"];
    this.#manyOf(
      { name: "logboat_keys", help: "Keys of a database.", labels },
      ({ view }) => view.databases.map(({ index, keys }) => [{ db: index }, keys]),
    );
    this.#manyOf(
      { name: "logboat_keys_with_deadline", help: "Keys that will expire.", labels },
      ({ view }) => view.databases.map(({ index, expires }) => [{ db: index }, expires]),
    );
    this.#counterOf(
      "logboat_keys_expired_total",
      "Keys removed at their deadline.",
      ({ view }) => view.expiredKeys,
    );
  }

  #addClients(): void {
    this.#gaugeOf(
      "logboat_clients_connected",
      "Redis clients connected.",
      ({ listener }) => listener.connectedClients,
    );
    this.#counterOf("logboat_client_connections_total", "Redis connections accepted.", (
      { listener },
    ) => listener.connectionsReceived);
    this.#counterOf("logboat_client_connections_rejected_total", "Redis connections refused.", (
      { listener },
    ) => listener.connectionsRejected);
    this.#counterOf("logboat_client_received_bytes_total", "Received from Redis clients.", (
      { listener },
    ) => listener.inputBytes);
    this.#counterOf(
      "logboat_client_sent_bytes_total",
      "Sent to Redis clients.",
      ({ listener }) => listener.outputBytes,
    );
    this.#counterOf("logboat_client_protocol_errors_total", "Connections with broken RESP.", (
      { listener },
    ) => listener.protocolErrors);
    this.#counterOf(
      "logboat_client_auth_failures_total",
      "Refused passwords.",
      ({ listener }) => listener.authFailures,
    );
    this.#countersOf({
      name: "logboat_client_closes_total",
      help: "Clients disconnected for a limit, by the limit.",
      labels: ["reason"],
    }, ({ listener }) => [
      [{ reason: "output" }, listener.outputLimitCloses],
      [{ reason: "idle" }, listener.idleCloses],
      [{ reason: "assembly" }, listener.assemblyCloses],
    ]);
    this.#countersOf({
      name: "logboat_commands_total",
      help: "Commands of Redis clients, by family.",
      labels: ["family"],
    }, ({ listener }) => [...listener.commandsByFamily].map(([family, n]) => [{ family }, n]));
    this.#countersOf({
      name: "logboat_client_error_replies_total",
      help: "Error replies, by their code.",
      labels: ["code"],
    }, ({ listener }) => [...listener.errorsByCode].map(([code, n]) => [{ code }, n]));
  }

  #addLinks(): void {
    const labels = ["direction"];
    this.#countersOf(
      { name: "logboat_peer_messages_total", help: "Messages of peer links.", labels },
      ({ view: { network } }) => [
        [{ direction: "sent" }, network.messagesSent],
        [{ direction: "received" }, network.messagesReceived],
      ],
    );
    this.#countersOf(
      { name: "logboat_peer_bytes_total", help: "Bytes of peer links.", labels },
      ({ view: { network } }) => [
        [{ direction: "sent" }, network.bytesSent],
        [{ direction: "received" }, network.bytesReceived],
      ],
    );
    this.#counterOf("logboat_peer_messages_dropped_total", "Messages dropped for full queues.", (
      { view },
    ) => view.network.messagesDropped);
    this.#counterOf(
      "logboat_peer_reconnects_total",
      "Peer links made again.",
      ({ view }) => view.network.reconnects,
    );
    this.#counterOf(
      "logboat_peer_handshakes_refused_total",
      "Handshakes refused.",
      ({ view }) => view.network.handshakesRefused,
    );
    this.#counterOf("logboat_peer_damaged_frames_total", "Frames with a wrong checksum.", (
      { view },
    ) => view.network.damagedFrames);
  }

  #addProcess(): void {
    this.#gaugeOf(
      "process_resident_memory_bytes",
      "Resident memory.",
      ({ process }) => process.residentBytes,
    );
    this.#counterOf(
      "process_cpu_seconds_total",
      "User and system time.",
      ({ process }) => process.cpuSeconds,
    );
    this.#gaugeOf(
      "logboat_heap_used_bytes",
      "JavaScript heap in use.",
      ({ process }) => process.heapUsedBytes,
    );
    this.#gaugeOf(
      "logboat_heap_size_bytes",
      "JavaScript heap.",
      ({ process }) => process.heapTotalBytes,
    );
    this.#gaugeOf(
      "logboat_external_memory_bytes",
      "Buffers outside the heap.",
      ({ process }) => process.externalBytes,
    );
    this.#counterOf("logboat_output_lines_dropped_total", "Lines of text output dropped.", (
      { process },
    ) => process.logLinesDropped);
  }

  #gaugeOf(name: string, help: string, read: (sources: MetricSources) => number): void {
    const gauge = this.#gauge({ name, help });
    this.#readers.push((sources) => gauge.set(read(sources)));
  }

  #counterOf(name: string, help: string, read: (sources: MetricSources) => number): void {
    this.#countersOf({ name, help }, (sources) => [[{}, read(sources)]]);
  }

  /** A gauge whose label values come and go: a peer that left is not reported any more. */
  #manyOf(
    described: Described,
    read: (sources: MetricSources) => [Record<string, string | number>, number][],
  ): void {
    const gauge = this.#gauge(described);
    this.#readers.push((sources) => {
      gauge.reset();
      for (const [labels, value] of read(sources)) gauge.set(labels, value);
    });
  }

  /** Counters that are kept elsewhere: shown as they are. */
  #countersOf(
    described: Described,
    read: (sources: MetricSources) => [Record<string, string | number>, number][],
  ): void {
    const counter = this.#counter(described);
    this.#readers.push((sources) => {
      counter.reset();
      for (const [labels, value] of read(sources)) counter.inc(labels, value);
    });
  }

  #gauge({ name, help, labels = [] }: Described): Gauge {
    return new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  #counter({ name, help, labels = [] }: Described): Counter {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  #histogram({ name, help }: Described, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: [this.#registry] });
  }
}
