/**
 * `RaftNetwork` over TCP. Each node dials every peer and sends its messages on that connection; on
 * the connections it accepts it only listens, answers the handshake and answers pings. So every
 * direction has one owner who redials, and there are no crossed connections to choose between. A node
 * that dials without having been set as a peer is dialled back where it says.
 */

import { assert, formatHostPort, type HostPort, type Logger, NodeId, Prng } from "../base/mod.ts";
import type { Clock, Connection, Listener, Net, Process, Timer } from "../platform/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import { AcceptedConnection, type AcceptedEvents } from "./accepted_connection.ts";
import { BulkLink } from "./bulk_link.ts";
import { ChangeLog } from "./change_log.ts";
import { NetworkCounters } from "./counters.ts";
import { CLUSTER_ID_BYTES_MAX, type Identity, NONCE_BYTES } from "./handshake_codec.ts";
import type { JoinRequest } from "./join.ts";
import { Lifetimes } from "./lifetimes.ts";
import { checkedLimits, type NetworkLimits } from "./limits.ts";
import type { LinkContext } from "./link_context.ts";
import { isBulkKind } from "./message_codec.ts";
import { type OutgoingEvents, OutgoingLink } from "./outgoing_link.ts";
import { LINGER_MS } from "./peer_connection.ts";
import { type Admission, PeerDirectory } from "./peer_directory.ts";
import type { NetworkStats, PeerAddress, RaftNetwork, RaftNetworkHandler } from "./raft_network.ts";

/** The parts of the platform that the network uses. */
export interface NetworkPlatform {
  readonly net: Net;
  readonly clock: Clock;
  readonly process: Pick<Process, "randomBytes" | "hmacSha256">;
  readonly logger: Logger;
}

export interface TcpRaftNetworkOptions {
  readonly self: {
    readonly id: NodeId;
    /** From the data directory: rises with each start. */
    readonly incarnation: number;
    /** At most 64 bytes of UTF-8. */
    readonly clusterId: string;
    /** The highest feature level that this program supports: 0 to 65535. */
    readonly featureLevel: number;
  };
  /** Port 0 for any free one; see `listenPort`. */
  readonly listen: { readonly hostname: string; readonly port: number };
  /** Where others are told to dial this node; absent: the address that it listens on. */
  readonly advertise?: HostPort | undefined;
  /** The other members; an entry with this node's own id is passed over. */
  readonly peers: readonly PeerAddress[];
  /** Shared by the cluster; empty for none. */
  readonly secret: Uint8Array;
  readonly limits?: Partial<NetworkLimits>;
  /** Seeds the pauses between dials; different on every member. */
  readonly seed: number;
}

export class TcpRaftNetwork implements RaftNetwork {
  readonly #options: TcpRaftNetworkOptions;
  readonly #context: LinkContext;
  readonly #outgoing = new Map<NodeId, OutgoingLink>();
  readonly #bulk = new Map<NodeId, BulkLink>();
  readonly #accepted = new Map<NodeId, AcceptedConnection>();
  readonly #acceptedBulk = new Map<NodeId, AcceptedConnection>();
  readonly #joins = new Set<AcceptedConnection>();
  readonly #handshaking = new Set<AcceptedConnection>();
  readonly #outgoingEvents: OutgoingEvents;
  readonly #acceptedEvents: AcceptedEvents;
  #dirty: (OutgoingLink | BulkLink)[] = [];
  #handler: RaftNetworkHandler | undefined;
  #listener: Listener | undefined;
  #ticker: Timer | undefined;
  #closed = false;

  constructor(platform: NetworkPlatform, options: TcpRaftNetworkOptions) {
    const { self } = options;
    const limits = checkedLimits(options.limits);
    assert(
      new TextEncoder().encode(self.clusterId).length <= CLUSTER_ID_BYTES_MAX,
      `Cannot use cluster id "${self.clusterId}": want at most ${CLUSTER_ID_BYTES_MAX} bytes`,
    );
    this.#options = options;
    this.#context = {
      ...platform,
      self: {
        nodeId: self.id,
        incarnation: self.incarnation,
        clusterId: self.clusterId,
        bootNonce: platform.process.randomBytes(NONCE_BYTES),
        featureLevel: self.featureLevel,
        address: options.advertise ?? options.listen,
      },
      secret: options.secret,
      limits,
      changeLog: new ChangeLog(platform.logger, platform.clock),
      prng: new Prng(options.seed),
      counters: new NetworkCounters(),
      directory: new PeerDirectory(limits.learnedPeersMax),
      established: new Set(),
      lifetimes: new Lifetimes(),
    };
    this.#outgoingEvents = this.#makeOutgoingEvents();
    this.#acceptedEvents = this.#makeAcceptedEvents();
    for (const peer of options.peers) {
      if (peer.id !== self.id) this.setPeer(peer);
    }
  }

  get listenPort(): number {
    assert(this.#listener !== undefined, "Cannot tell the port: the network has not started");
    return this.#listener.port;
  }

  async start(handler: RaftNetworkHandler): Promise<void> {
    assert(this.#handler === undefined, "Cannot start the network twice");
    this.#handler = handler;
    const { net, logger } = this.#context;
    const listener = await net.listen({
      ...this.#options.listen,
      onConnection: (connection) => this.#onConnection(connection),
      onError: (error) => logger.warn(`Cannot accept a peer: ${error.message}`),
    });
    this.#listener = listener;
    if (this.#closed) return listener.close();
    if (this.#options.advertise === undefined) {
      const { hostname } = this.#options.listen;
      this.#context.self = { ...this.#context.self, address: { hostname, port: listener.port } };
    }
    this.#scheduleTick();
    for (const link of this.#outgoing.values()) link.dialNow();
  }

  setPeer({ id, hostname, port }: PeerAddress): void {
    assert(id !== this.#options.self.id, "Cannot add this node as its own peer");
    this.#context.directory.add(id);
    const link = this.#linkTo(id);
    link.move({ hostname, port });
    if (this.#listener !== undefined && !this.#closed) link.dialNow();
  }

  removePeer(id: NodeId): void {
    this.#context.directory.remove(id);
    this.#leave(id);
  }

  setRemoved(ids: readonly NodeId[]): void {
    this.#context.directory.setRemoved(ids);
    for (const id of ids) this.#leave(id);
  }

  setFeatureLevel(level: number): void {
    this.#context.directory.featureLevel = level;
  }

  send(message: PeerMessage): boolean {
    const link = this.#outgoing.get(message.to);
    if (link !== undefined && !isBulkKind(message.kind)) return link.send(message);
    if (link?.isUp && link.address !== undefined) {
      return this.#bulkTo(message.to).send(message, link.address);
    }
    this.#context.counters.messagesDropped++;
    return false;
  }

  flush(): void {
    if (this.#dirty.length === 0) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const link of dirty) link.flush();
  }

  isConnected(peer: NodeId): boolean {
    return this.#outgoing.get(peer)?.isUp ?? false;
  }

  stats(): NetworkStats {
    return this.#context.counters.snapshot();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ticker?.cancel();
    this.#listener?.close();
    for (const link of this.#outgoing.values()) link.close("shutDown");
    for (const link of this.#bulk.values()) link.close("shutDown");
    for (const accepted of this.#handshaking) accepted.end("destroy");
    for (const links of [this.#accepted, this.#acceptedBulk]) {
      for (const accepted of links.values()) accepted.end("shutDown");
    }
    for (const accepted of this.#joins) accepted.end("shutDown");
    this.#handshaking.clear();
    this.#accepted.clear();
    // A little more than connections linger, so that their timers come first.
    await this.#context.lifetimes.whenEmpty(this.#context.clock, LINGER_MS + 100);
  }

  /** The link to a peer, made now if it is new; it does not dial before it has an address. */
  #linkTo(id: NodeId): OutgoingLink {
    const known = this.#outgoing.get(id);
    if (known !== undefined) return known;
    const link = new OutgoingLink(id, this.#context, this.#outgoingEvents);
    this.#outgoing.set(id, link);
    return link;
  }

  #bulkTo(id: NodeId): BulkLink {
    let link = this.#bulk.get(id);
    if (link === undefined) {
      link = new BulkLink(id, this.#context, (dirty) => this.#dirty.push(dirty));
      this.#bulk.set(id, link);
    }
    return link;
  }

  /** Ends what there is between this node and `id`; both live on. */
  #leave(id: NodeId): void {
    this.#outgoing.get(id)?.close("retire");
    this.#outgoing.delete(id);
    this.#bulk.get(id)?.close("retire");
    this.#bulk.delete(id);
    this.#leaveAccepted(id);
  }

  #leaveAccepted(id: NodeId): void {
    for (const links of [this.#accepted, this.#acceptedBulk]) {
      links.get(id)?.end("retire");
      links.delete(id);
    }
  }

  #makeOutgoingEvents(): OutgoingEvents {
    return {
      onUp: (identity, admission) => {
        const peer = this.#onAdmission(identity, admission, "dialled");
        this.#onPeerHello(peer, identity);
        if (!this.#closed) this.#handler?.onPeerUp(peer);
      },
      onPeerClosed: (peer) => this.#onProcessClosed(peer),
      onRefused: (peer, { code, text }) => {
        if (!this.#closed) this.#handler?.onRefused(peer, code, text);
      },
      onDirty: (link) => this.#dirty.push(link),
    };
  }

  #makeAcceptedEvents(): AcceptedEvents {
    return {
      onUp: (accepted, identity, admission) => {
        this.#handshaking.delete(accepted);
        const peer = this.#onAdmission(identity, admission, "accepted");
        const links = accepted.isBulk ? this.#acceptedBulk : this.#accepted;
        // The peer dialled again: its earlier connection is dead, though nothing may have said so.
        links.get(peer)?.end("retire");
        links.set(peer, accepted);
        if (accepted.isBulk) return;
        this.#onPeerHello(peer, identity);
        this.#linkTo(peer).learn(identity.address);
      },
      onJoin: (accepted, request) => this.#onJoin(accepted, request),
      onMessage: (message) => {
        if (!this.#closed) this.#handler?.onMessage(message);
      },
      onDown: (accepted, peer, kind) => {
        this.#handshaking.delete(accepted);
        this.#joins.delete(accepted);
        if (peer === undefined) return;
        if (accepted.isBulk) {
          if (this.#acceptedBulk.get(peer) === accepted) this.#acceptedBulk.delete(peer);
          return;
        }
        const current = this.#accepted.get(peer) === accepted;
        if (kind === "peerClosed") this.#onProcessClosed(peer);
        if (!current) return;
        this.#accepted.delete(peer);
        // It dials again if it needs to.
        if (this.#context.directory.forgetLearned(peer)) this.#leave(peer);
      },
    };
  }

  #onConnection(connection: Connection): void {
    if (this.#closed) return connection.destroy();
    if (this.#handshaking.size >= this.#context.limits.handshakesMax) {
      // The oldest has had its time; refusing the newest would let strangers lock peers out.
      const [oldest] = this.#handshaking;
      this.#handshaking.delete(oldest);
      oldest.end("destroy");
    }
    const accepted = new AcceptedConnection(connection, this.#context, this.#acceptedEvents);
    this.#handshaking.add(accepted);
    accepted.begin();
  }

  /** A newer process of `peer` has shown up: what is left of the older one's links is dropped. */
  #onAdmission(identity: Identity, admission: Admission, via: "dialled" | "accepted"): NodeId {
    const peer = NodeId(identity.nodeId);
    if (admission.kind === "replaced") {
      this.#leaveAccepted(peer);
      this.#bulk.get(peer)?.drop();
      if (via === "accepted") this.#outgoing.get(peer)?.redial();
      if (admission.wasPresent && !this.#closed) this.#handler?.onPeerClosed(peer);
    }
    return peer;
  }

  /** A link for messages with the current process of `peer` is there. */
  #onPeerHello(peer: NodeId, { featureLevel, address }: Identity): void {
    this.#context.directory.markPresent(peer);
    if (this.#closed) return;
    this.#handler?.onPeerHello(peer, { raftAddress: formatHostPort(address), featureLevel });
  }

  #onJoin(accepted: AcceptedConnection, request: JoinRequest): void {
    const { directory, limits, logger } = this.#context;
    const handler = this.#handler;
    this.#handshaking.delete(accepted);
    if (handler === undefined || this.#closed) return accepted.end("shutDown");
    const remote = accepted.link.remote;
    logger.info("A process asks to join", { remote, raft: request.raftAddress });
    if (request.featureLevel < directory.featureLevel) {
      const text = `This program supports feature level ${request.featureLevel} at most, ` +
        `the cluster uses ${directory.featureLevel}; start it with a newer release of Logboat`;
      return accepted.answer({ kind: "refused", text });
    }
    if (this.#joins.size >= limits.joinsMax) {
      const text = `${limits.joinsMax} other nodes are joining just now`;
      return accepted.answer({ kind: "tryAgain", text });
    }
    this.#joins.add(accepted);
    void handler.onJoin(request).then((answer) => accepted.answer(answer));
  }

  #onProcessClosed(peer: NodeId): void {
    const news = this.#context.directory.markClosed(peer);
    this.#bulk.get(peer)?.drop();
    if (news && !this.#closed) this.#handler?.onPeerClosed(peer);
  }

  #scheduleTick(): void {
    this.#ticker = this.#context.clock.setTimer(this.#context.limits.pingIntervalMs, () => {
      for (const connection of [...this.#context.established]) connection.tick();
      if (!this.#closed) this.#scheduleTick();
    });
  }
}
