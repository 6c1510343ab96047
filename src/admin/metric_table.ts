/** A table of metrics for Prometheus: those observed as they happen, those read at each scrape. */

import type { NodeView } from "../node/mod.ts";
import type { ListenerStats, ProcessStats } from "./deps.ts";
import { Counter, Gauge, Histogram, Registry } from "./prom_client.ts";

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

export class MetricTable {
  readonly #registry = new Registry();
  readonly #readers: ((sources: MetricSources) => void)[] = [];

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text for Prometheus. */
  render(sources: MetricSources): Promise<string> {
    for (const read of this.#readers) read(sources);
    return this.#registry.metrics();
  }

  /** A gauge that is read at each scrape. */
  gaugeOf(name: string, help: string, read: (sources: MetricSources) => number): void {
    const gauge = this.gauge({ name, help });
    this.#readers.push((sources) => gauge.set(read(sources)));
  }

  /** A counter that is kept elsewhere: shown as it is. */
  counterOf(name: string, help: string, read: (sources: MetricSources) => number): void {
    this.countersOf({ name, help }, (sources) => [[{}, read(sources)]]);
  }

  /** Gauges whose label values come and go: a peer that left is not reported any more. */
  gaugesOf(
    described: Described,
    read: (sources: MetricSources) => [Record<string, string | number>, number][],
  ): void {
    const gauge = this.gauge(described);
    this.#readers.push((sources) => {
      gauge.reset();
      for (const [labels, value] of read(sources)) gauge.set(labels, value);
    });
  }

  /** Counters of one name, by their labels. */
  countersOf(
    described: Described,
    read: (sources: MetricSources) => [Record<string, string | number>, number][],
  ): void {
    const counter = this.counter(described);
    this.#readers.push((sources) => {
      counter.reset();
      for (const [labels, value] of read(sources)) counter.inc(labels, value);
    });
  }

  gauge({ name, help, labels = [] }: Described): Gauge {
    return new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  counter({ name, help, labels = [] }: Described): Counter {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  histogram({ name, help }: Described, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: [this.#registry] });
  }
}
