/** A moment's picture of the node, gathered from its parts. */

import { isJoint } from "../raft/mod.ts";
import type { DatabaseView, MemberView, NodeView } from "./gateway.ts";
import type { RaftNode } from "./raft_node.ts";

/** What only the node itself knows. */
export interface ViewFacts {
  readonly startedAtMs: number;
  readonly pendingWrites: number;
  readonly pendingReads: number;
  /** What keeps the node from taking writes: its removal, or its disk. */
  readonly trouble: string | undefined;
}

/** Gathers the view; O(members + databases). */
export function describeNode(node: RaftNode, facts: ViewFacts): NodeView {
  const { raft, machine, options } = node;
  const { storage, network, clock } = options;
  const notReadyReason = whyNotReady(node, facts);
  return {
    clusterId: options.clusterId,
    nodeId: options.id,
    incarnation: options.incarnation,
    role: raft.role,
    term: raft.term,
    leaderId: raft.leaderId,
    commitIndex: raft.commitIndex,
    appliedIndex: node.appliedIndex,
    lastIndex: raft.lastEntry.index,
    firstIndex: storage.firstIndex,
    members: describeMembers(node),
    ready: notReadyReason === undefined,
    notReadyReason,
    uptimeMs: clock.nowMs() - facts.startedAtMs,
    logBytes: storage.bytes,
    logSegments: storage.segments,
    pendingWrites: facts.pendingWrites,
    pendingReads: facts.pendingReads,
    batchesApplied: machine.batchesApplied,
    commandsApplied: machine.commandsApplied,
    databases: describeDatabases(node),
    expiredKeys: machine.keyspace.expiredKeys,
    clockMs: machine.clockMs,
    network: network.stats(),
    configurationIndex: raft.configurationIndex,
    changingMembers: isJoint(node.raft.configuration),
    featureLevel: node.raft.configuration.featureLevel,
    snapshotIndex: storage.snapshots.newest?.last.index ?? 0,
    snapshotBytes: storage.snapshots.newest?.bytes ?? 0,
    snapshotting: node.snapshots.isTaking,
    quarantined: node.integrity.quarantined,
    recovering: raft.isRecovering || raft.needsSnapshot,
    damagedEntries: node.integrity.damagedEntries,
    counters: { ...node.counters, leaseReads: raft.readsByLease },
  };
}

function whyNotReady(node: RaftNode, facts: ViewFacts): string | undefined {
  if (facts.trouble !== undefined) return facts.trouble;
  if (node.integrity.trouble !== undefined) return node.integrity.trouble;
  const { members } = node.raft.configuration;
  if (members.length === 0) return "joining: nothing of the cluster has arrived yet";
  const self = members.find(({ id }) => id === node.options.id);
  if (self === undefined) return "this node is no member of the cluster, as far as it knows";
  if (node.raft.leaderId === undefined) return "no leader is known";
  if (node.raft.needsSnapshot) return "waiting for a snapshot of the leader: its own is lost";
  if (node.snapshots.isFetching) return "taking over a snapshot of the leader";
  const behind = node.raft.commitIndex - node.appliedIndex;
  if (behind > APPLY_LAG_MAX) return `applying the log: ${behind} entries to go`;
  if (self.standing === "joining") return "joining: catching up with the leader";
  return undefined;
}

/** Entries that may wait for their apply on a node that counts as ready. */
const APPLY_LAG_MAX = 1000;

function describeMembers(node: RaftNode): MemberView[] {
  const { raft, options } = node;
  const progress = new Map(raft.progress().map((peer) => [peer.peer, peer]));
  const nowMs = options.clock.nowMs();
  return node.raft.configuration.members.map((member) => {
    const self = member.id === options.id;
    const peer = raft.role === "leader" ? progress.get(member.id) : undefined;
    return {
      id: member.id,
      raftAddress: member.raftAddress,
      redisAddress: member.redisAddress,
      standing: member.standing,
      connected: self || options.network.isConnected(member.id),
      matchIndex: peer?.matchIndex,
      lastContactMs: self || peer === undefined ? undefined : nowMs - peer.lastContactMs,
      featureLevel: node.membership.featureLevelOf(member.id),
      snapshotSending: node.snapshots.sendingTo(member.id),
    };
  });
}

function describeDatabases(node: RaftNode): DatabaseView[] {
  const { keyspace, clockMs } = node.machine;
  const views: DatabaseView[] = [];
  for (let index = 0; index < keyspace.databases; index++) {
    const db = keyspace.db(index);
    if (db.size === 0) continue;
    const avgTtlMs = db.averageTtlMs(clockMs);
    views.push({ index, keys: db.size, expires: db.expires, avgTtlMs });
  }
  return views;
}
