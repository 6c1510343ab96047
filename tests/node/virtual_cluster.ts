/** Whole nodes in virtual time: production code over a clock, disks and links of the tests. */

import { LogIndex, NodeId, silentLogger } from "../../src/base/mod.ts";
import { Request } from "../../src/machine/mod.ts";
import {
  type FatalReason,
  type Lane,
  mayRepair,
  type OperationFailure,
  RaftNode,
  type RaftNodeOptions,
  type ReplyTarget,
  silentObserver,
} from "../../src/node/mod.ts";
import {
  type Configuration,
  decodeConfiguration,
  EMPTY_CONFIGURATION,
  FEATURE_LEVEL,
  firstConfiguration,
  votersOf,
} from "../../src/raft/mod.ts";
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

export function addressesOf(id: NodeId) {
  return { raftAddress: `127.0.0.1:${7000 + id}`, redisAddress: `127.0.0.1:${6000 + id}` };
}

export class VirtualCluster {
  readonly clock = new VirtualClock();
  readonly hub = new MemoryRaftHub(this.clock);
  /** Every node that was ever made. */
  readonly ids: NodeId[];
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly live = new Map<NodeId, LiveNode>();
  readonly fatal = new Map<NodeId, FatalReason>();
  /** What the settings of the next node to start say of where it is. */
  advertise: RaftNodeOptions["advertise"] = {};
  /** The feature level that a node's program supports, 1 unless given: what starts next has it. */
  readonly levels = new Map<NodeId, number>();
  /** What newcomers were told when they were taken in. */
  readonly #joined = new Map<NodeId, Configuration>();
  readonly #seed: number;
  readonly #size: number;
  readonly #changes: Partial<RaftNodeOptions>;

  constructor(size: number, seed = 1, changes: Partial<RaftNodeOptions> = {}) {
    this.ids = Array.from({ length: size }, (_, i) => NodeId(i + 1));
    this.#seed = seed;
    this.#size = size;
    this.#changes = changes;
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
      options: {
        fsync: "always",
        fsyncIntervalMs: 1000,
        segmentBytes: 1 << 14,
        preallocateBytes: 1 << 10,
      },
      clock: this.clock,
      logger: silentLogger,
      repairs: (configuration) => mayRepair(id, configuration),
      onFatal: (error) => holder.node?.diskFailed(error),
    });
    const network = new MemoryRaftNetwork(this.hub, id, [], this.levels.get(id));
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
      bootstrap: this.#bootstrapOf(id),
      featureLevel: this.levels.get(id) ?? FEATURE_LEVEL,
      reading: { reads: "linearizable", stalenessMsMax: 1000 },
      snapshotLogBytes: Infinity,
      advertise: this.advertise,
      snapshotRateBytes: Infinity,
      ...LAN,
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
      readLimits: { operationTimeoutMs: 5000 },
      diskLimits: { stepDownMs: 2000, exitMs: 10_000 },
      transferTimeoutMs: 2000,
      storage,
      network,
      clock: this.clock,
      logger: silentLogger,
      observer: silentObserver,
      seed: this.#seed * 100 + id,
      onFatal: (reason) => {
        if (this.live.get(id)?.storage !== storage) return;
        this.fatal.set(id, reason);
        // Its process ends, and nobody starts it again.
        const isForGood = reason.kind === "removed" || reason.kind === "outdated";
        if (isForGood) this.clock.setImmediate(() => this.kill(id));
      },
      ...this.#changes,
    });
  }

  /** A node that is not one of the first knows whom it was told, if it has asked to join. */
  #bootstrapOf(id: NodeId) {
    if (id > this.#size) return this.#joined.get(id) ?? EMPTY_CONFIGURATION;
    return firstConfiguration(
      this.ids.slice(0, this.#size).map((member) => ({
        id: member,
        ...addressesOf(member),
      })),
    );
  }

  /** Asks `by` to become a member, as `logboat serve --join` does, and starts the new node. */
  async join(
    by: LiveNode,
    as: "voter" | "learner" = "voter",
    replaces?: NodeId,
  ): Promise<NodeId> {
    const expected = NodeId(this.ids.length + 1);
    const asked = by.node.operations.join({
      ...addressesOf(expected),
      as,
      featureLevel: this.levels.get(expected) ?? FEATURE_LEVEL,
      ...(replaces === undefined ? {} : { replaces }),
    });
    const answer = await this.finish(asked);
    if (answer.kind !== "joined") throw new Error(`${answer.kind}: ${answer.text}`);
    this.ids.push(answer.nodeId);
    this.#joined.set(answer.nodeId, decodeConfiguration(answer.members));
    this.disks.set(answer.nodeId, new MemoryDisk());
    await this.start(answer.nodeId);
    return answer.nodeId;
  }

  /** Runs the clock until `promise` has settled. */
  async finish<T>(promise: Promise<T>, limitMs = 20_000): Promise<T> {
    let settled = false;
    const done = () => settled = true;
    promise.then(done, done);
    await this.clock.runUntil(() => settled, limitMs);
    return await promise;
  }

  /** Runs until all that live agree that these vote, and nobody else. */
  async voters(...ids: number[]): Promise<void> {
    const expected = ids.join(",");
    await this.clock.runUntil(
      () =>
        [...this.live.values()].every(({ node: { raft } }) =>
          raft.committedConfiguration === raft.configuration &&
          raft.configuration.outgoing.length === 0 &&
          votersOf(raft.configuration).join(",") === expected
        ),
      20_000,
    );
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
  async converge(limitMs = 20_000): Promise<string> {
    const nodes = [...this.live.values()].map(({ node }) => node);
    await this.clock.runUntil(() => {
      const applied = nodes.map((node) => node.appliedIndex);
      return applied.every((index) => index === applied[0] && index >= LogIndex(1)) &&
        nodes.every((node) => node.raft.lastEntry.index === applied[0]);
    }, limitMs);
    const digests = new Set(
      nodes.map(({ machine }) => `${machine.keyspace.digest()} ${machine.stateHash}`),
    );
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
