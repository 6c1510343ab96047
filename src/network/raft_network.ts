/**
 * How nodes reach each other. Messages are one-way and may be lost: Raft repeats what matters, so a
 * network never keeps a message for later. An implementation must deliver each message at most once
 * a connection, in order on a connection, never altered and never to the wrong node.
 *
 * Who is let in: every process that knows the cluster's id and proves its secret, but for removed
 * nodes, older processes of a node, and programs too old for the cluster. One that was never set as
 * a peer is dialled back where it says, and forgotten when its link ends.
 *
 * Time-outs. There is no time-out for a message: the protocol's own timers cover loss. A link has
 * three. A connect attempt ends after `connectTimeoutMs`, a handshake after `handshakeTimeoutMs`,
 * and an established link that was silent for `silentIntervalsMax` ping intervals is closed and
 * dialled again, because TCP alone takes many minutes to notice a silent partition.
 */

import type { NodeId } from "../base/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import type { JoinAnswer, JoinRequest } from "./join.ts";
import type { RefusalCode } from "./refusal.ts";

/** Where a peer listens. Port 0 means "not known yet": it is not dialled until it is set. */
export interface PeerAddress {
  readonly id: NodeId;
  readonly hostname: string;
  readonly port: number;
}

/** What a process says of itself when it connects. */
export interface PeerHello {
  /** `host:port` where it wants to be dialled. */
  readonly raftAddress: string;
  /** The highest feature level that its program supports. */
  readonly featureLevel: number;
}

/** Receives what arrives. Calls come one at a time; an error thrown here is not caught. */
export interface RaftNetworkHandler {
  /** A whole, verified message of `message.from` to this node. Its memory belongs to the handler. */
  onMessage(message: PeerMessage): void;
  /**
   * A process of `peer` has proven that it knows the secret. Called each time that a link with it is
   * made, by whichever side, and before anything else that concerns this link. `peer` may be a node
   * that was never set: this node may be behind.
   */
  onPeerHello(peer: NodeId, hello: PeerHello): void;
  /** Messages to `peer` can leave from now on. */
  onPeerUp(peer: NodeId): void;
  /**
   * The process of `peer` ended or is ending: it closed an established connection, or came back as
   * a newer incarnation. Called at once and once for each process. Not called for what this node
   * closes itself, for a silent link, or when a living peer says that it only drops a connection.
   */
  onPeerClosed(peer: NodeId): void;
  /** `peer` refused our handshake. Called for each attempt; `text` says why and what to do. */
  onRefused(peer: NodeId, reason: RefusalCode, text: string): void;
  /**
   * A process that has proven that it knows the secret asks to become a member. It may have gone
   * when the answer is there, and may ask again: the same request must not add it twice.
   */
  onJoin(request: JoinRequest): Promise<JoinAnswer>;
}

/** Transport between members: `TcpRaftNetwork` in production, others in tests. */
export interface RaftNetwork {
  /** Listens, then starts to dial all peers. Rejects when it cannot listen. Called once. */
  start(handler: RaftNetworkHandler): Promise<void>;
  /**
   * Adds a peer, or says where a known one is to be found now; a link that is up stays. A peer that
   * was removed is welcome again.
   */
  setPeer(address: PeerAddress): void;
  /**
   * Sends what is flushed, then closes the links to a peer; nothing is reported. Its handshakes are
   * refused from now on with the code `removed`.
   */
  removePeer(id: NodeId): void;
  /** The nodes that are refused as removed: these, and no others. Links to them are closed. */
  setRemoved(ids: readonly NodeId[]): void;
  /**
   * The feature level that the cluster uses: nodes that do not support it are refused from now on,
   * those that want to join too. Links that are up stay.
   */
  setFeatureLevel(level: number): void;
  /**
   * Queues `message` for `message.to`. False when the link is down or the queue is full: the message
   * is dropped and counted. Large messages that can wait (`isBulkKind`) travel on a connection of
   * their own, are in order among themselves, and never delay the others.
   */
  send(message: PeerMessage): boolean;
  /** Hands what is queued to the system; call it once a turn of the event loop. */
  flush(): void;
  /** Whether messages to `peer` can leave now. */
  isConnected(peer: NodeId): boolean;
  stats(): NetworkStats;
  /** The port bound by `start`. */
  readonly listenPort: number;
  /** Sends what was flushed, closes every link and stops listening. Nothing is reported after it. */
  close(): Promise<void>;
}

/** A count for each kind of message. */
export type KindCounts = Readonly<Record<PeerMessage["kind"], number>>;

/** Counters since the start. */
export interface NetworkStats {
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** With frame heads, pings and handshakes. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Not sent: the link was down, its queue full, or the message larger than a frame may be. */
  readonly messagesDropped: number;
  /** Links to a peer that came up again after having been up before. */
  readonly reconnects: number;
  /** Handshakes that ended in a refusal, made here or received. */
  readonly handshakesRefused: number;
  /** Connections dropped for bytes that the format forbids. */
  readonly damagedFrames: number;
  /** Established links closed because the peer was silent. */
  readonly silentLinks: number;
  readonly sentByKind: KindCounts;
  readonly receivedByKind: KindCounts;
}
