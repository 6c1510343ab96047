/** Whole nodes in virtual time: production code over a clock, disks and links of the tests. */

import { LogIndex, NodeId, silentLogger } from "../../src/base/mod.ts";
import { Request } from "../../src/machine/mod.ts";
import {
  type FatalReason,
  type Lane,
  type OperationFailure,
  RaftNode,
  type ReplyTarget,
  silentObserver,
} from "../../src/node/mod.ts";
import { firstConfiguration } from "../../src/raft/mod.ts";
import { DataDirectory, RaftStorage } from "../../src/storage/mod.ts";
import { RespError, SimpleString } from "../../src/resp/mod.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { MemoryRaftHub, MemoryRaftNetwork } from "../support/memory_raft_network.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";

/** What a client got: the reply as text, `!effect` for a failure, undefined while it waits. */
export class Answer implements ReplyTarget {
  text: string | undefined;
  failure: OperationFailure | undefined;

  onReply(reply: unknown): void {
    if (this.text !== undefined) throw new Error("a second answer to one operation");
    this.text = show(reply);
  }

  onFailure(failure: OperationFailure): void {
    if (this.text !== undefined) throw new Error("a second answer to one operation");
    this.failure = failure;
    this.text = `!${failure.effect}`;
  }
}

function show(reply: unknown): string {
  if (reply instanceof SimpleString || reply instanceof RespError) return reply.text;
  if (reply instanceof Uint8Array) return String.fromCharCode(...reply);
  if (Array.isArray(reply)) return `[${reply.map(show).join(" ")}]`;
  return String(reply);
}

export interface LiveNode {
  readonly node: RaftNode;
  readonly network: MemoryRaftNetwork;
  readonly storage: RaftStorage;
}

export interface ClusterTiming {
  readonly electionTimeoutMs: { readonly min: number; readonly max: number };
  readonly heartbeatMs: number;
}

export const LAN: ClusterTiming = { electionTimeoutMs: { min: 300, max: 600 }, heartbeatMs: 50 };

export class VirtualCluster {
  readonly clock = new VirtualClock();
  readonly hub = new MemoryRaftHub(this.clock);
  readonly ids: readonly NodeId[];
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly live = new Map<NodeId, LiveNode>();
  readonly fatal = new Map<NodeId, FatalReason>();
  readonly #seed: number;
  readonly #timing: ClusterTiming;

  constructor(size: number, seed = 1, timing = LAN) {
    this.ids = Array.from({ length: size }, (_, i) => NodeId(i + 1));
    this.#seed = seed;
    this.#timing = timing;
    for (const id of this.ids) this.disks.set(id, new MemoryDisk());
  }

  async startAll(): Promise<void> {
    for (const id of this.ids) await this.start(id);
  }

  async start(id: NodeId): Promise<LiveNode> {
    const disk = this.disks.get(id)!;
    const directory = await DataDirectory.open({
      disk,
      path: "/data",
      nodeId: id,
      clusterId: CLUSTER,
      logger: silentLogger,
    });
    const holder: { node?: RaftNode } = {};
    const storage = await RaftStorage.open({
      disk,
      directory,
      options: { fsync: "always", fsyncIntervalMs: 1000, segmentBytes: 1 << 16 },
      clock: this.clock,
      logger: silentLogger,
      onFatal: (error) => holder.node?.diskFailed(error),
    });
    const network = new MemoryRaftNetwork(this.hub, id, this.ids);
    holder.node = await this.#makeNode(id, directory.identity.incarnation, storage, network);
    const live = { node: holder.node, network, storage };
    this.live.set(id, live);
    await live.node.start();
    return live;
  }

  async #makeNode(
    id: NodeId,
    incarnation: number,
    storage: RaftStorage,
    network: MemoryRaftNetwork,
  ): Promise<RaftNode> {
    return await RaftNode.open({
      clusterId: CLUSTER,
      id,
      incarnation,
      bootstrap: firstConfiguration(this.ids.map((member) => ({
        id: member,
        raftAddress: `127.0.0.1:${7000 + member}`,
        redisAddress: `127.0.0.1:${6000 + member}`,
      }))),
      snapshotLogBytes: Infinity,
      ...this.#timing,
      raftLimits: {
        appendBytesMax: 1 << 16,
        inflightMessagesMax: 16,
        inflightBytesMax: 1 << 20,
        uncommittedBytesMax: 1 << 20,
        cacheBytesMax: 1 << 14,
      },
      proposalLimits: {
        batchBytesMax: 1 << 14,
        entryBytesMax: 1 << 18,
        operationTimeoutMs: 5000,
        resendMs: 1000,
      },
      readLimits: { operationTimeoutMs: 5000, askAgainMs: 250 },
      diskLimits: { stepDownMs: 2000, exitMs: 10_000 },
      transferTimeoutMs: 2000,
      storage,
      network,
      clock: this.clock,
      logger: silentLogger,
      observer: silentObserver,
      seed: this.#seed * 100 + id,
      onFatal: (reason) => this.fatal.set(id, reason),
    });
  }

  /** As SIGKILL: memory is lost, what was written stays, the links close. */
  kill(id: NodeId): void {
    const live = this.live.get(id)!;
    this.live.delete(id);
    this.disks.set(id, this.disks.get(id)!.kill());
    live.network.vanish();
  }

  /** As a loss of power: also what was not synced is lost. */
  cutPower(id: NodeId): void {
    const live = this.live.get(id)!;
    this.live.delete(id);
    this.disks.set(id, this.disks.get(id)!.crash(() => false));
    live.network.vanish();
  }

  get leader(): LiveNode | undefined {
    const leaders = [...this.live.values()].filter(({ node }) => node.raft.role === "leader");
    return leaders.sort((a, b) => b.node.raft.term - a.node.raft.term)[0];
  }

  get leaderId(): NodeId {
    return this.leader!.node.options.id;
  }

  followers(): LiveNode[] {
    return [...this.live.values()].filter(({ node }) => node.raft.role !== "leader");
  }

  /** Runs until somebody leads and everybody alive knows it. */
  async elect(): Promise<LiveNode> {
    await this.clock.runUntil(() => {
      const leader = this.leader;
      return leader !== undefined &&
        [...this.live.values()].every(({ node }) =>
          node.raft.leaderId === leader.node.raft.leaderId
        );
    }, 10_000);
    return this.leader!;
  }

  /** Runs until all live members have applied the same entries; then they must be equal. */
  async converge(): Promise<string> {
    const nodes = [...this.live.values()].map(({ node }) => node);
    await this.clock.runUntil(() => {
      const applied = nodes.map((node) => node.appliedIndex);
      return applied.every((index) => index === applied[0] && index >= LogIndex(1)) &&
        nodes.every((node) => node.raft.lastEntry.index === applied[0]);
    }, 20_000);
    const digests = new Set(nodes.map((node) => node.machine.keyspace.digest()));
    if (digests.size !== 1) throw new Error(`members differ: ${[...digests].join(", ")}`);
    return [...digests][0];
  }
}

const WRITES = new Set(["SET", "INCR", "DEL", "APPEND", "PEXPIRE", "PSETEX"]);

/** Sends one command on a lane, as a session would. */
export function send(lane: Lane, ...words: string[]): Answer {
  const answer = new Answer();
  const request = Request.of(...words);
  if (WRITES.has(words[0])) lane.write(0, request, answer);
  else lane.read(0, request, answer);
  return answer;
}
