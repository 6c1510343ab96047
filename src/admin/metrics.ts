/**
 * `GET /metrics`: the node for Prometheus, in base units (seconds, bytes). Durations are observed as
 * they happen; everything else is read when it is asked for, so that it costs nothing in between.
 * Of the client library only counters, gauges, histograms and text are used: its default metrics
 * need what only one runtime has.
 */

import type { NodeObserver } from "../node/mod.ts";
import { type MetricSources, MetricTable } from "./metric_table.ts";
import type { Counter, Histogram } from "./prom_client.ts";
import { addScrapedMetrics } from "./scraped_metrics.ts";

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

/** One node's metrics; give it to the node as its observer. */
export class AdminMetrics implements NodeObserver {
  readonly #table = new MetricTable();
  readonly #syncSeconds: Histogram;
  readonly #commitSeconds: Histogram;
  readonly #batchCommands: Histogram;
  readonly #batchBytes: Histogram;
  readonly #roundSeconds: Histogram;
  readonly #roundReads: Histogram;
  readonly #loopDelaySeconds: Histogram;
  readonly #roleChanges: Counter;

  constructor(build: { readonly version: string; readonly runtime: string }) {
    this.#syncSeconds = this.#table.histogram({
      name: "logboat_log_sync_duration_seconds",
      help: "Syncs of the Raft log to disk.",
    }, LATENCY_BUCKETS);
    this.#commitSeconds = this.#table.histogram({
      name: "logboat_batch_commit_duration_seconds",
      help: "From proposing a batch of this node's clients to applying it.",
    }, LATENCY_BUCKETS);
    this.#batchCommands = this.#table.histogram({
      name: "logboat_batch_commands",
      help: "Commands in a batch of this node's clients.",
    }, COUNT_BUCKETS);
    this.#batchBytes = this.#table.histogram({
      name: "logboat_batch_size_bytes",
      help: "Size of a batch of this node's clients.",
    }, SIZE_BUCKETS);
    this.#roundSeconds = this.#table.histogram({
      name: "logboat_read_round_duration_seconds",
      help: "From asking for a read index to its confirmation.",
    }, LATENCY_BUCKETS);
    this.#roundReads = this.#table.histogram({
      name: "logboat_read_round_reads",
      help: "Reads that shared a round.",
    }, COUNT_BUCKETS);
    this.#loopDelaySeconds = this.#table.histogram({
      name: "logboat_event_loop_delay_seconds",
      help: "How late a timer ran, sampled.",
    }, LATENCY_BUCKETS);
    this.#roleChanges = this.#table.counter({
      name: "logboat_raft_role_changes_total",
      help: "Changes of role, by the new role.",
      labels: ["role"],
    });
    const info = this.#table.gauge({
      name: "logboat_build_info",
      help: "Always 1; the version and runtime are labels.",
      labels: ["version", "runtime"],
    });
    info.set({ version: build.version, runtime: build.runtime }, 1);
    addScrapedMetrics(this.#table);
  }

  get contentType(): string {
    return this.#table.contentType;
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
    return this.#table.render(sources);
  }
}
