/** What the admin endpoint is told by who wires it. */

import type { NodeActions, NodeView } from "../node/mod.ts";
import type { AdminMetrics } from "./metrics.ts";

/** Counters of the Redis listener since its start; a reset to 0 is allowed. */
export interface ListenerStats {
  readonly connectedClients: number;
  readonly connectionsReceived: number;
  readonly connectionsRejected: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly protocolErrors: number;
  readonly authFailures: number;
  readonly outputLimitCloses: number;
  readonly idleCloses: number;
  readonly assemblyCloses: number;
  /** Error replies by their code. */
  readonly errorsByCode: ReadonlyMap<string, number>;
  /** Commands by family: string, hash, … */
  readonly commandsByFamily: ReadonlyMap<string, number>;
}

/** Of the process, now. */
export interface ProcessStats {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly cpuSeconds: number;
  readonly logLinesDropped: number;
}

export interface AdminDeps {
  readonly view: () => NodeView;
  readonly actions: NodeActions;
  readonly listenerStats: () => ListenerStats;
  readonly processStats: () => ProcessStats;
  readonly metrics: AdminMetrics;
  /** Empty: none is asked for, and only requests that name this host as loopback are answered. */
  readonly token: string;
  /** The host that the endpoint listens on. */
  readonly hostname: string;
  readonly version: string;
  /** A handler threw: a bug, after which the process is expected to end. */
  readonly onBug: (error: unknown) => void;
}
