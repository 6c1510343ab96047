/**
 * `RaftNetwork` without bytes: nodes of one process hand each other messages in later turns. It
 * passes the same contract suite as the TCP one, and copies what crosses, as a wire would.
 */

import { assert, type NodeId } from "../../src/base/mod.ts";
import {
  MESSAGE_KINDS,
  messageFrameBytes,
  type NetworkStats,
  type PeerAddress,
  type PeerHello,
  type RaftNetwork,
  type RaftNetworkHandler,
} from "../../src/network/mod.ts";
import type { Clock } from "../../src/platform/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";

/** What the nodes have in common: who is there. */
export class MemoryRaftHub {
  readonly clock: Clock;
  readonly #nodes = new Map<NodeId, MemoryRaftNetwork>();
  readonly #silent = new Set<string>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  find(id: NodeId): MemoryRaftNetwork | undefined {
    return this.#nodes.get(id);
  }

  join(network: MemoryRaftNetwork): void {
    this.#nodes.set(network.id, network);
    for (const other of this.#nodes.values()) this.connect(network, other);
  }

  /** Links come up when one of two knows the other and neither has anything against it. */
  connect(one: MemoryRaftNetwork, other: MemoryRaftNetwork): void {
    if (one === other || !(one.knows(other.id) || other.knows(one.id))) return;
    this.clock.setImmediate(() => {
      if (this.#nodes.get(one.id) !== one || this.#nodes.get(other.id) !== other) return;
      if (one.isConnected(other.id) || !(one.knows(other.id) || other.knows(one.id))) return;
      const refusals = [one.refusalOf(other), other.refusalOf(one)];
      other.refused(one.id, refusals[0]);
      one.refused(other.id, refusals[1]);
      if (refusals.some((refusal) => refusal !== undefined)) return;
      one.peerUp(other);
      other.peerUp(one);
    });
  }

  /** Both live on and are told nothing. */
  disconnect(one: MemoryRaftNetwork, id: NodeId): void {
    const other = this.#nodes.get(id);
    one.peerGone(id);
    other?.peerGone(one.id);
    if (other !== undefined) this.connect(one, other);
  }

  /** While `silent`, nothing from `from` reaches `to`, and nobody is told. */
  silence(from: NodeId, to: NodeId, silent: boolean): void {
    if (silent) this.#silent.add(`${from} ${to}`);
    else this.#silent.delete(`${from} ${to}`);
  }

  /** Hands a message to whoever has its receiver's id now. */
  carry(message: PeerMessage): void {
    if (this.#silent.has(`${message.from} ${message.to}`)) return;
    this.find(message.to)?.deliver(message);
  }

  leave(network: MemoryRaftNetwork): void {
    if (this.#nodes.get(network.id) !== network) return;
    this.#nodes.delete(network.id);
    for (const other of this.#nodes.values()) {
      this.clock.setImmediate(() => other.peerClosed(network.id));
    }
  }
}

/** What a refusing node says, as the TCP network's codes. */
interface MemoryRefusal {
  readonly code: "removed" | "featureLevel";
  readonly text: string;
}

export class MemoryRaftNetwork implements RaftNetwork {
  readonly id: NodeId;
  readonly hello: PeerHello;
  readonly listenPort = 0;
  /** Every peer that it was told of, in order. */
  readonly told: NodeId[] = [];
  readonly #hub: MemoryRaftHub;
  readonly #peers: Set<NodeId>;
  #removed = new Set<NodeId>();
  #featureLevelMin = 0;
  readonly #up = new Set<NodeId>();
  readonly #stats = {
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    messagesDropped: 0,
    reconnects: 0,
    handshakesRefused: 0,
    damagedFrames: 0,
    silentLinks: 0,
  };
  readonly #sentByKind = zeroCounts();
  readonly #receivedByKind = zeroCounts();
  readonly #wereUp = new Set<NodeId>();
  #queue: PeerMessage[] = [];
  #handler: RaftNetworkHandler | undefined;

  constructor(hub: MemoryRaftHub, id: NodeId, peers: readonly NodeId[], featureLevel = 1) {
    this.#hub = hub;
    this.id = id;
    this.hello = { raftAddress: `memory-${id}:7379`, featureLevel };
    this.#peers = new Set(peers.filter((peer) => peer !== id));
  }

  knows(id: NodeId): boolean {
    return this.#peers.has(id);
  }

  start(handler: RaftNetworkHandler): Promise<void> {
    assert(this.#handler === undefined, "Cannot start the network twice");
    this.#handler = handler;
    this.#hub.join(this);
    return Promise.resolve();
  }

  setPeer({ id }: PeerAddress): void {
    assert(id !== this.id, "Cannot add this node as its own peer");
    this.told.push(id);
    this.#peers.add(id);
    this.#removed.delete(id);
    const other = this.#hub.find(id);
    if (other !== undefined && this.#handler !== undefined) this.#hub.connect(this, other);
  }

  removePeer(id: NodeId): void {
    this.#removed.add(id);
    this.#leave(id);
  }

  setRemoved(ids: readonly NodeId[]): void {
    this.#removed = new Set(ids);
    for (const id of ids) this.#leave(id);
  }

  setFeatureLevel(level: number): void {
    this.#featureLevelMin = level;
  }

  #leave(id: NodeId): void {
    this.flush();
    this.#peers.delete(id);
    this.#hub.clock.setImmediate(() => this.#hub.disconnect(this, id));
  }

  /** What this node has against a link with `other`. */
  refusalOf(other: MemoryRaftNetwork): MemoryRefusal | undefined {
    if (this.#removed.has(other.id)) {
      return { code: "removed", text: `node ${other.id} was removed from the cluster` };
    }
    const { featureLevel } = other.hello;
    if (featureLevel >= this.#featureLevelMin) return undefined;
    const text = `feature level ${featureLevel} found, the cluster uses ${this.#featureLevelMin}`;
    return { code: "featureLevel", text };
  }

  refused(by: NodeId, refusal: MemoryRefusal | undefined): void {
    if (refusal === undefined) return;
    this.#stats.handshakesRefused++;
    this.#handler?.onRefused(by, refusal.code, refusal.text);
  }

  send(message: PeerMessage): boolean {
    if (!this.#up.has(message.to)) {
      this.#stats.messagesDropped++;
      return false;
    }
    this.#stats.messagesSent++;
    this.#stats.bytesSent += messageFrameBytes(message);
    this.#sentByKind[message.kind]++;
    this.#queue.push(structuredClone(message));
    return true;
  }

  flush(): void {
    const messages = this.#queue;
    this.#queue = [];
    if (messages.length === 0) return;
    this.#hub.clock.setImmediate(() => {
      for (const message of messages) this.#hub.carry(message);
    });
  }

  isConnected(peer: NodeId): boolean {
    return this.#up.has(peer);
  }

  stats(): NetworkStats {
    return {
      ...this.#stats,
      sentByKind: { ...this.#sentByKind },
      receivedByKind: { ...this.#receivedByKind },
    };
  }

  close(): Promise<void> {
    this.flush();
    this.vanish();
    return Promise.resolve();
  }

  /** As SIGKILL does it. */
  vanish(): void {
    this.#handler = undefined;
    this.#up.clear();
    this.#hub.clock.setImmediate(() => this.#hub.leave(this));
  }

  deliver(message: PeerMessage): void {
    if (this.#handler === undefined) return;
    this.#stats.messagesReceived++;
    this.#stats.bytesReceived += messageFrameBytes(message);
    this.#receivedByKind[message.kind]++;
    this.#handler.onMessage(message);
  }

  peerUp(other: MemoryRaftNetwork): void {
    const peer = other.id;
    if (this.#handler === undefined || this.#up.has(peer)) return;
    this.#handler.onPeerHello(peer, other.hello);
    this.#up.add(peer);
    if (this.#wereUp.has(peer)) this.#stats.reconnects++;
    this.#wereUp.add(peer);
    this.#handler.onPeerUp(peer);
  }

  peerGone(peer: NodeId): void {
    this.#up.delete(peer);
  }

  peerClosed(peer: NodeId): void {
    if (!this.#up.delete(peer)) return;
    this.#handler?.onPeerClosed(peer);
  }
}

function zeroCounts(): Record<PeerMessage["kind"], number> {
  return Object.fromEntries(MESSAGE_KINDS.map((kind) => [kind, 0])) as Record<
    PeerMessage["kind"],
    number
  >;
}
