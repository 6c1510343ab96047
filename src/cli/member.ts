/**
 * Puts one member together: data directory, log, links and node, in the order in which they depend
 * on each other. Whatever is wrong with the disk is known before anything listens.
 */

import { type Logger, NodeId } from "../base/mod.ts";
import { formatHostPort, initialClusterSeed, parseHostPort, type Settings } from "../config/mod.ts";
import { type RaftNetwork, SoloRaftNetwork, TcpRaftNetwork } from "../network/mod.ts";
import { type FatalReason, type Member, type NodeObserver, RaftNode } from "../node/mod.ts";
import type { Platform, Process } from "../platform/mod.ts";
import { DataDirectory, RaftStorage } from "../storage/mod.ts";

export interface MemberOptions {
  readonly platform: Platform;
  readonly settings: Settings;
  /** The cluster's shared secret, empty for none. */
  readonly secret: Uint8Array;
  readonly logger: Logger;
  readonly observer: NodeObserver;
  readonly onFatal: (reason: FatalReason) => void;
}

export interface OpenMember {
  readonly node: RaftNode;
  readonly storage: RaftStorage;
  readonly directory: DataDirectory;
}

/**
 * Opens a member's data and makes its node, which is not started yet. Throws `StorageError` when the
 * directory cannot be used.
 */
export async function openMember(options: MemberOptions): Promise<OpenMember> {
  const { platform, settings, logger, observer } = options;
  const directory = await DataDirectory.open({
    disk: platform.disk,
    path: settings.node.dataDir,
    nodeId: NodeId(settings.node.id),
    clusterId: () => newClusterId(settings, platform.process),
    logger,
  });
  // The storage reports to a node that is made from it.
  const made: { node?: RaftNode } = {};
  const { fsync, fsyncIntervalMs, segmentBytes } = settings.storage;
  const storage = await RaftStorage.open({
    disk: platform.disk,
    directory,
    options: { fsync, fsyncIntervalMs, segmentBytes },
    clock: platform.clock,
    logger,
    onSynced: (seconds) => observer.logSynced(seconds),
    onFatal: (error) => made.node?.diskFailed(error),
  }).catch(async (error) => {
    await directory.close();
    throw error;
  });
  made.node = makeNode(options, directory, storage);
  return { node: made.node, storage, directory };
}

function makeNode(
  options: MemberOptions,
  directory: DataDirectory,
  storage: RaftStorage,
): RaftNode {
  const { platform, settings, logger, observer, onFatal } = options;
  const { raft, redis, storage: disk } = settings;
  const { clusterId, nodeId, incarnation } = directory.identity;
  const operationTimeoutMs = redis.operationTimeoutMs;
  return new RaftNode({
    clusterId,
    id: nodeId,
    incarnation,
    members: membersOf(settings),
    electionTimeoutMs: raft.electionTimeoutMs,
    heartbeatMs: raft.heartbeatMs,
    raftLimits: {
      appendBytesMax: raft.appendBytesMax,
      inflightMessagesMax: raft.inflightMessagesMax,
      inflightBytesMax: raft.inflightBytesMax,
      uncommittedBytesMax: raft.uncommittedBytesMax,
      // The core wants room for something; one byte keeps no entry longer than it is needed.
      cacheBytesMax: Math.max(1, raft.cacheBytesMax),
    },
    proposalLimits: {
      batchBytesMax: disk.batchBytesMax,
      entryBytesMax: raft.entryBytesMax,
      operationTimeoutMs,
      resendMs: Math.max(RESEND_MS_MIN, 2 * raft.heartbeatMs),
    },
    readLimits: {
      operationTimeoutMs,
      askAgainMs: Math.max(ASK_AGAIN_MS_MIN, 2 * raft.heartbeatMs),
    },
    watchdogLimits: { stepDownMs: disk.syncHangStepDownMs, exitMs: disk.syncHangExitMs },
    transferTimeoutMs: raft.transferTimeoutMs,
    storage,
    network: makeNetwork(options, directory),
    clock: platform.clock,
    logger,
    observer,
    seed: randomSeed(platform.process),
    onFatal,
  });
}

/** Sooner than this a missing answer is not worth asking again for. */
const RESEND_MS_MIN = 1000;
const ASK_AGAIN_MS_MIN = 250;

function makeNetwork(options: MemberOptions, directory: DataDirectory): RaftNetwork {
  const { platform, settings, logger, secret } = options;
  const { peers, listen, entryBytesMax } = settings.raft;
  if (peers.length <= 1) return new SoloRaftNetwork();
  const { net, clock, process } = platform;
  const { clusterId, nodeId, incarnation } = directory.identity;
  return new TcpRaftNetwork({ net, clock, process, logger }, {
    self: { id: nodeId, incarnation, clusterId },
    listen,
    peers: peers.map((peer) => ({ id: NodeId(peer.id), ...parseHostPort(peer.raft)! })),
    secret,
    // An entry may exceed the limit by what was gathered before its last command.
    limits: { frameBytesMax: 2 * entryBytesMax },
    seed: randomSeed(process),
  });
}

/** This node's members; a cluster of one is itself alone. */
function membersOf(settings: Settings): Member[] {
  const { peers } = settings.raft;
  if (peers.length > 0) {
    return peers.map((peer) => ({
      id: NodeId(peer.id),
      raftAddress: peer.raft,
      redisAddress: peer.redis,
    }));
  }
  return [{
    id: NodeId(settings.node.id),
    raftAddress: formatHostPort(settings.raft.listen),
    redisAddress: formatHostPort(settings.redis.listen),
  }];
}

/** 32 hexadecimal digits: the same for all members configured alike, random for a cluster of one. */
function newClusterId(settings: Settings, process: Process): string {
  const seed = initialClusterSeed(settings);
  const bytes = seed === undefined
    ? process.randomBytes(16)
    : process.hmacSha256(new TextEncoder().encode("logboat cluster id"), seed).subarray(0, 16);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function randomSeed(process: Process): number {
  return process.randomBytes(6).reduce((sum, byte) => sum * 256 + byte, 0);
}
