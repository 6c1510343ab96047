/** The nodes of a text play and their disks; what their commands mean. */

import { LogIndex, NodeId, Term } from "../../../src/base/mod.ts";
import {
  commandOf,
  type Configuration,
  decodeConfiguration,
  ENTRY_ID_ZERO,
  type EntryId,
  type HardState,
  type LogEntry,
  type MemberChange,
  type PlacedConfiguration,
  Raft,
  type RaftMessage,
  type RaftOptions,
  type Ready,
} from "../../../src/raft/mod.ts";
import { LAB_LIMITS } from "./cluster.ts";
import { addressesOf } from "./members.ts";
import { ELECTION_MAX_MS, ELECTION_MIN_MS, HEARTBEAT_MS } from "./stage.ts";

export interface Snapshot {
  readonly last: EntryId;
  readonly configuration: Configuration;
}

/** What is durable on a node. */
export interface Disk {
  hardState: HardState;
  start: EntryId;
  log: LogEntry[];
  base: PlacedConfiguration;
  snapshots: Snapshot[];
}

export interface Actor {
  readonly id: NodeId;
  raft: Raft;
  disk: Disk;
  /** Taken and not durable. */
  unsynced: Ready[];
  waiting: RaftMessage[];
  /** As it was said last. */
  role: string;
}

export function emptyDisk(configuration: Configuration): Disk {
  return {
    hardState: { term: Term(0), votedFor: undefined },
    start: ENTRY_ID_ZERO,
    log: [],
    base: { index: LogIndex(0), configuration },
    snapshots: [],
  };
}

/** A process that starts from `disk`. */
export function raftOf(
  id: NodeId,
  disk: Disk,
  options: Pick<RaftOptions, "mayVote" | "leaseReads" | "nowMs">,
): Raft {
  const found = disk.log.flatMap((entry) =>
    entry.kind !== "configuration" || entry.index <= disk.base.index
      ? []
      : [{ index: entry.index, configuration: decodeConfiguration(commandOf(entry)) }]
  );
  const last = disk.log.at(-1) ?? disk.start;
  return new Raft({
    id,
    configurations: [disk.base, ...found],
    hardState: disk.hardState,
    start: disk.start,
    last: { term: last.term, index: last.index },
    termRuns: disk.log.flatMap(({ term, index }, at) =>
      term === disk.log[at - 1]?.term ? [] : [{ first: index, term }]
    ),
    appliedIndex: disk.snapshots.at(-1)?.last.index ?? LogIndex(0),
    ...options,
    electionTimeoutMs: { min: ELECTION_MIN_MS, max: ELECTION_MAX_MS },
    heartbeatMs: HEARTBEAT_MS,
    limits: LAB_LIMITS,
    seed: id,
  });
}

/** Makes durable what a `Ready` asks for. */
export function store(disk: Disk, { snapshot, hardState, entries }: Ready): void {
  if (snapshot !== undefined) {
    disk.snapshots.push(snapshot);
    disk.base = { index: snapshot.last.index, configuration: snapshot.configuration };
    disk.start = snapshot.last;
    disk.log = [];
  }
  if (hardState !== undefined) disk.hardState = hardState;
  if (entries.length === 0) return;
  disk.log.length = entries[0].index - 1 - disk.start.index;
  disk.log.push(...entries);
}

/** As a driver reads entries back for a follower. */
export function readEntries(
  disk: Disk,
  first: number,
  last: number,
  bytesMax: number,
): LogEntry[] {
  const entries: LogEntry[] = [];
  let bytes = 0;
  for (const entry of disk.log) {
    if (entry.index < first || entry.index > last) continue;
    bytes += entry.record.length;
    if (entries.length > 0 && bytes > bytesMax) break;
    entries.push(entry);
  }
  return entries;
}

/** "a 1 2 b 3" as { a: [1, 2], b: [3] }. */
export function groupsOf(words: readonly string[]): Record<string, number[]> {
  const groups: Record<string, number[]> = {};
  let name = "";
  for (const word of words) {
    if (/^[a-z]/.test(word)) groups[name = word] = [];
    else groups[name].push(Number(word));
  }
  return groups;
}

/** The change that a command names. */
export function changeOf([kind, node, as, , replaced]: readonly string[]): MemberChange {
  const member = NodeId(Number(node));
  if (kind === "remove" || kind === "promote" || kind === "demote") return { kind, id: member };
  if (kind !== "add") throw new Error(`Cannot play a change "${kind}"`);
  const replaces = replaced === undefined ? undefined : NodeId(Number(replaced));
  return {
    kind,
    id: member,
    ...addressesOf(Number(node)),
    as: as === "learner" ? "learner" : "voter",
    ...(replaces === undefined ? {} : { replaces }),
  };
}
