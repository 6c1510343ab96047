/**
 * `RaftNetwork` without bytes: nodes of one process hand each other messages in later turns. It
 * passes the same contract suite as the TCP one, and copies what crosses, as a wire would.
 */

import { assert, type NodeId } from "../../src/base/mod.ts";
import {
  MESSAGE_KINDS,
  messageFrameBytes,
  type NetworkStats,
  type RaftNetwork,
  type RaftNetworkHandler,
} from "../../src/network/mod.ts";
import type { Clock } from "../../src/platform/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";

/** What the nodes have in common: who is there. */
export class MemoryRaftHub {
  readonly clock: Clock;
  readonly #nodes = new Map<NodeId, MemoryRaftNetwork>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  find(id: NodeId): MemoryRaftNetwork | undefined {
    return this.#nodes.get(id);
  }

  join(network: MemoryRaftNetwork): void {
    this.#nodes.set(network.id, network);
    for (const other of this.#nodes.values()) {
      if (other !== network && other.knows(network.id) && network.knows(other.id)) {
        this.clock.setImmediate(() => {
          network.peerUp(other.id);
          other.peerUp(network.id);
        });
      }
    }
  }

  leave(network: MemoryRaftNetwork): void {
    if (this.#nodes.get(network.id) !== network) return;
    this.#nodes.delete(network.id);
    for (const other of this.#nodes.values()) {
      this.clock.setImmediate(() => other.peerClosed(network.id));
    }
  }
}

export class MemoryRaftNetwork implements RaftNetwork {
  readonly id: NodeId;
  readonly listenPort = 0;
  readonly #hub: MemoryRaftHub;
  readonly #peers: ReadonlySet<NodeId>;
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

  constructor(hub: MemoryRaftHub, id: NodeId, peers: readonly NodeId[]) {
    this.#hub = hub;
    this.id = id;
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
      for (const message of messages) this.#hub.find(message.to)?.deliver(message);
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

  peerUp(peer: NodeId): void {
    if (this.#handler === undefined || this.#up.has(peer)) return;
    this.#up.add(peer);
    if (this.#wereUp.has(peer)) this.#stats.reconnects++;
    this.#wereUp.add(peer);
    this.#handler.onPeerUp(peer);
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
