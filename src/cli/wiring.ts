/** Settings into the options of each part. No decisions beyond what relates the parts. */

import { NodeId } from "../base/mod.ts";
import { formatHostPort, initialClusterSeed, parseHostPort, type Settings } from "../config/mod.ts";
import { DEFAULT_NETWORK_LIMITS, type RaftNetwork, TcpRaftNetwork } from "../network/mod.ts";
import type { Logger } from "../base/mod.ts";
import type { RaftNodeOptions } from "../node/mod.ts";
import type { Platform, Process } from "../platform/mod.ts";
import { type Configuration, FEATURE_LEVEL, firstConfiguration } from "../raft/mod.ts";
import type { RedisSettings } from "../server/mod.ts";
import type { Identity } from "../storage/mod.ts";
import type { Secrets } from "./settings_source.ts";

/** Half of SHA-256: more than enough to tell clusters apart. */
const CLUSTER_ID_BYTES = 16;
/** Frames hold an entry and a header; so does an append that holds many entries. */
const FRAME_OVERHEAD_BYTES = 64 * 1024;
/** A batch that got no answer is sent again this long after a heartbeat was due. */
const REPEAT_HEARTBEATS = 2;
const REPEAT_MS_MIN = 250;

/** The cluster id of a first start: the same on all members, random for a cluster of one. */
export function firstClusterId(process: Process, settings: Settings): string {
  const seed = initialClusterSeed(settings);
  if (seed === undefined) return randomClusterId(process);
  return hexId(process.hmacSha256(new TextEncoder().encode("logboat cluster id"), seed));
}

/** An id that no other cluster has. */
export function randomClusterId(process: Process): string {
  return hexId(process.randomBytes(CLUSTER_ID_BYTES));
}

function hexId(bytes: Uint8Array): string {
  const id = bytes.subarray(0, CLUSTER_ID_BYTES);
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Where others find this node: as it is told, else as the list of members has it, else its
 * listeners.
 */
export function addressesOf(
  settings: Settings,
  id: NodeId,
): { readonly raftAddress: string; readonly redisAddress: string } {
  const { raftAddress, redisAddress } = advertiseOf(settings, id);
  return {
    raftAddress: raftAddress ?? formatHostPort(settings.raft.listen),
    redisAddress: redisAddress ?? formatHostPort(settings.redis.listen),
  };
}

/** The members of a first start, this node included. */
export function bootstrapOf(settings: Settings): Configuration {
  const { node, raft } = settings;
  if (raft.peers.length === 0) {
    const id = NodeId(node.id ?? 1);
    return firstConfiguration([{ id, ...addressesOf(settings, id) }]);
  }
  return firstConfiguration(raft.peers.map((peer) => ({
    id: NodeId(peer.id),
    raftAddress: peer.raft,
    redisAddress: peer.redis,
  })));
}

export interface NetworkParts {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly identity: Identity;
  readonly logger: Logger;
}

/** Links to the other members; a cluster of one listens too, for those who want to join it. */
export function networkOf(parts: NetworkParts): RaftNetwork {
  const { platform, settings, secrets, identity, logger } = parts;
  const { raft } = settings;
  const { raftAddress } = advertiseOf(settings, identity.nodeId);
  const frameBytesMax = Math.max(raft.entryBytesMax, raft.appendBytesMax) + FRAME_OVERHEAD_BYTES;
  return new TcpRaftNetwork({
    net: platform.net,
    clock: platform.clock,
    process: platform.process,
    logger,
  }, {
    self: {
      id: identity.nodeId,
      incarnation: identity.incarnation,
      clusterId: identity.clusterId,
      featureLevel: FEATURE_LEVEL,
    },
    listen: raft.listen,
    advertise: raftAddress === undefined ? undefined : parseHostPort(raftAddress),
    // The node says who they are, as soon as it runs.
    peers: [],
    secret: new TextEncoder().encode(secrets.raftSecret),
    limits: {
      frameBytesMax,
      queueBytesMax: Math.max(DEFAULT_NETWORK_LIMITS.queueBytesMax, frameBytesMax),
    },
    seed: randomSeed(platform.process),
  });
}

/** Where the settings say that this node is found, as far as they do. */
export function advertiseOf({ raft, redis }: Settings, id: NodeId): RaftNodeOptions["advertise"] {
  const listed = raft.peers.find((peer) => peer.id === id);
  return {
    raftAddress: raft.advertise ?? listed?.raft,
    redisAddress: redis.advertise ?? listed?.redis,
  };
}

/** The part of the node's options that comes from settings alone. */
export function nodeLimitsOf(
  settings: Settings,
): Pick<
  RaftNodeOptions,
  | "bootstrap"
  | "featureLevel"
  | "snapshotLogBytes"
  | "snapshotRateBytes"
  | "electionTimeoutMs"
  | "heartbeatMs"
  | "raftLimits"
  | "proposalLimits"
  | "readLimits"
  | "reading"
  | "diskLimits"
  | "transferTimeoutMs"
> {
  const { raft, redis, storage } = settings;
  const repeatMs = Math.max(REPEAT_MS_MIN, raft.heartbeatMs * REPEAT_HEARTBEATS);
  return {
    bootstrap: bootstrapOf(settings),
    featureLevel: FEATURE_LEVEL,
    snapshotLogBytes: storage.snapshotLogBytes,
    snapshotRateBytes: raft.snapshotRateBytes,
    electionTimeoutMs: raft.electionTimeoutMs,
    heartbeatMs: raft.heartbeatMs,
    transferTimeoutMs: raft.transferTimeoutMs,
    raftLimits: {
      appendBytesMax: raft.appendBytesMax,
      inflightMessagesMax: raft.inflightMessagesMax,
      inflightBytesMax: raft.inflightBytesMax,
      uncommittedBytesMax: raft.uncommittedBytesMax,
      cacheBytesMax: raft.cacheBytesMax,
    },
    proposalLimits: {
      batchBytesMax: storage.batchBytesMax,
      entryBytesMax: raft.entryBytesMax,
      operationTimeoutMs: redis.operationTimeoutMs,
      resendMs: repeatMs,
    },
    readLimits: { operationTimeoutMs: redis.operationTimeoutMs },
    reading: { reads: redis.reads, stalenessMsMax: redis.stalenessMsMax },
    diskLimits: {
      stepDownMs: storage.syncHangStepDownMs,
      exitMs: storage.syncHangExitMs,
    },
  };
}

/** `connectionsMax` is what the process can have open: clients beyond it would find no descriptor. */
export function redisSettingsOf(
  { redis }: Settings,
  secrets: Secrets,
  connectionsMax: number,
): RedisSettings {
  return {
    hostname: redis.listen.hostname,
    port: redis.listen.port,
    password: secrets.redisPassword,
    protectedMode: redis.protectedMode,
    maxClients: Math.min(redis.maxClients, connectionsMax),
    follower: redis.follower,
    bulkBytesMax: redis.bulkBytesMax,
    queryBytesMax: redis.queryBytesMax,
    outputBytesMax: redis.outputBytesMax,
    outputSoftBytes: redis.outputSoftBytes,
    outputSoftMs: redis.outputSoftMs,
    idleTimeoutMs: redis.idleTimeoutMs,
    assemblyTimeoutMs: redis.assemblyTimeoutMs,
  };
}

/** 32 random bits: no two members draw the same timeouts. */
export function randomSeed(process: Process): number {
  const bytes = process.randomBytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
