/**
 * How nodes reach each other. Messages are one-way and may be lost: Raft repeats what matters, so a
 * network never keeps a message for later. An implementation must deliver each message at most once
 * a connection, in order on a connection, never altered and never to the wrong node.
 *
 * Time-outs. There is no time-out for a message: the protocol's own timers cover loss. A link has
 * three. A connect attempt ends after `connectTimeoutMs`, a handshake after `handshakeTimeoutMs`,
 * and an established link that was silent for `silentIntervalsMax` ping intervals is closed and
 * dialled again, because TCP alone takes many minutes to notice a silent partition.
 */

import type { NodeId } from "../base/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import type { RefusalCode } from "./refusal.ts";

/** Where a peer listens. Port 0 means "not known yet": it is not dialled until it is set. */
export interface PeerAddress {
  readonly id: NodeId;
  readonly hostname: string;
  readonly port: number;
}

/** Receives what arrives. Calls come one at a time; an error thrown here is not caught. */
export interface RaftNetworkHandler {
  /** A whole, verified message of `message.from` to this node. Its memory belongs to the handler. */
  onMessage(message: PeerMessage): void;
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
}

/** Transport between members: `TcpRaftNetwork` in production, others in tests. */
export interface RaftNetwork {
  /** Listens, then starts to dial all peers. Rejects when it cannot listen. Called once. */
  start(handler: RaftNetworkHandler): Promise<void>;
  /**
   * Queues `message` on the link to `message.to`. False when the link is down or its queue is full:
   * the message is dropped and counted.
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
