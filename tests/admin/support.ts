/** An admin endpoint over a made-up node. */

import { type AdminDeps, AdminMetrics, type ListenerStats } from "../../src/admin/mod.ts";
import type {
  BackupOutcome,
  ChangeOutcome,
  MemberChangeRequest,
  NodeView,
  SnapshotOutcome,
  TransferOutcome,
} from "../../src/node/mod.ts";

export const view: NodeView = {
  clusterId: "0123456789abcdef0123456789abcdef",
  nodeId: 1,
  incarnation: 3,
  role: "leader",
  term: 7,
  leaderId: 1,
  commitIndex: 95,
  appliedIndex: 94,
  lastIndex: 100,
  firstIndex: 1,
  members: [
    {
      id: 1,
      raftAddress: "10.0.0.1:7379",
      redisAddress: "10.0.0.1:6379",
      standing: "voter",
      connected: true,
      matchIndex: 100,
      lastContactMs: undefined,
      featureLevel: 1,
      snapshotSending: undefined,
    },
    {
      id: 2,
      raftAddress: "10.0.0.2:7379",
      redisAddress: "10.0.0.2:6379",
      standing: "voter",
      connected: true,
      matchIndex: 90,
      lastContactMs: 250,
      featureLevel: 1,
      snapshotSending: undefined,
    },
    {
      id: 3,
      raftAddress: "<script>alert(1)</script>",
      redisAddress: "10.0.0.3:6379",
      standing: "voter",
      connected: false,
      matchIndex: 0,
      lastContactMs: 9000,
      featureLevel: 1,
      snapshotSending: { sentBytes: 25, bytes: 100 },
    },
  ],
  ready: true,
  notReadyReason: undefined,
  uptimeMs: 12_345,
  logBytes: 4096,
  logSegments: 2,
  pendingWrites: 4,
  pendingReads: 5,
  batchesApplied: 80,
  commandsApplied: 800,
  databases: [{ index: 0, keys: 10, expires: 2, avgTtlMs: 1000 }],
  expiredKeys: 6,
  clockMs: 1_700_000_000_000,
  network: {
    messagesSent: 11,
    messagesReceived: 12,
    bytesSent: 13,
    bytesReceived: 14,
    messagesDropped: 15,
    reconnects: 16,
    handshakesRefused: 17,
    damagedFrames: 18,
  },
  configurationIndex: 60,
  changingMembers: false,
  featureLevel: 1,
  snapshotIndex: 70,
  snapshotBytes: 2048,
  snapshotting: true,
  quarantined: undefined,
  recovering: false,
  damagedEntries: 0,
  counters: {
    snapshotsTaken: 51,
    snapshotsFailed: 52,
    snapshotsInstalled: 53,
    snapshotBytesSent: 54,
    snapshotBytesReceived: 55,
    memberChanges: 56,
    transfers: 57,
    leaseReads: 58,
    localReads: 59,
    entriesRepaired: 60,
    stateHashesCompared: 123,
    stateHashesDiffering: 62,
  },
};

export const listener: ListenerStats = {
  connectedClients: 21,
  connectionsReceived: 22,
  connectionsRejected: 23,
  inputBytes: 24,
  outputBytes: 25,
  protocolErrors: 26,
  authFailures: 27,
  outputLimitCloses: 28,
  idleCloses: 29,
  assemblyCloses: 30,
  errorsByCode: new Map([["WRONGTYPE", 31]]),
  commandsByFamily: new Map([["string", 32], ["hash", 33]]),
};

export interface FakeNode extends AdminDeps {
  /** What was asked of `transferLeadership`. */
  readonly transfers: (number | undefined)[];
  /** What was asked of `changeMembers`. */
  readonly changes: MemberChangeRequest[];
  readonly bugs: unknown[];
}

/** What the made-up node answers. */
interface Outcomes {
  readonly outcome?: TransferOutcome;
  readonly change?: ChangeOutcome;
  readonly backup?: BackupOutcome;
  readonly snapshot?: SnapshotOutcome;
}

export function fakeNode(
  { outcome, change, backup, snapshot, ...deps }: Partial<AdminDeps> & Outcomes = {},
): FakeNode {
  const transfers: (number | undefined)[] = [];
  const changes: MemberChangeRequest[] = [];
  const bugs: unknown[] = [];
  return {
    view: () => view,
    actions: {
      transferLeadership(to) {
        transfers.push(to);
        return Promise.resolve(outcome ?? { kind: "done", leaderId: to ?? 2 });
      },
      changeMembers(request) {
        changes.push(request);
        return Promise.resolve(change ?? { kind: "done", text: "done so", id: request.id ?? 4 });
      },
      backup: () =>
        Promise.resolve(backup ?? { kind: "started", index: 94, chunks: bytesOf("RDB") }),
      takeSnapshot: () => Promise.resolve(snapshot ?? { kind: "done", index: 94, bytes: 2048 }),
    },
    listenerStats: () => listener,
    processStats: () => ({
      residentBytes: 41,
      heapUsedBytes: 42,
      heapTotalBytes: 43,
      externalBytes: 44,
      cpuSeconds: 4.5,
      logLinesDropped: 46,
    }),
    metrics: new AdminMetrics({ version: "1.2.3", runtime: "deno 2" }),
    token: "",
    hostname: "127.0.0.1",
    version: "1.2.3",
    onBug: (error) => bugs.push(error),
    transfers,
    changes,
    bugs,
    ...deps,
  };
}

async function* bytesOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(new TextEncoder().encode(text));
}
