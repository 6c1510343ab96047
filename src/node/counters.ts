/** What a node counts from the start of its process, for metrics. */

import type { NodeCounters } from "./gateway.ts";

/** The parts of the node that count share one of these. */
export type Counters = { -readonly [Name in keyof NodeCounters]: number };

export function newCounters(): Counters {
  return {
    snapshotsTaken: 0,
    snapshotsFailed: 0,
    snapshotsInstalled: 0,
    snapshotBytesSent: 0,
    snapshotBytesReceived: 0,
    memberChanges: 0,
    transfers: 0,
    leaseReads: 0,
    localReads: 0,
    entriesRepaired: 0,
    stateHashesCompared: 0,
    stateHashesDiffering: 0,
  };
}
