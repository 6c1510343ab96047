/**
 * Links of the simulation: messages may be lost, repeated, delayed and reordered, and nodes cut off
 * from each other. Before a message leaves, `onSend` may refuse what its sender has not earned.
 */

import type { NodeId, Prng } from "../../src/base/mod.ts";
import {
  MESSAGE_KINDS,
  type NetworkStats,
  type PeerAddress,
  type RaftNetwork,
  type RaftNetworkHandler,
  type RefusalCode,
} from "../../src/network/mod.ts";
import { isDriverMessage, type PeerMessage } from "../../src/raft/mod.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";
import { DELAY_FACTOR_MAX } from "./deadlines.ts";
import { isDamageNoticed } from "./frame_damage.ts";
import type { NodeClock } from "./node_clock.ts";

export interface LinkRules {
  drop: number;
  duplicate: number;
  reorder: boolean;
  delayMs: number;
  /** Messages that a clogged link holds; more are lost. */
  queueMax: number;
  /** The chance that a message's frame is damaged, which ends the connection. */
  damage: number;
}

/** Links that carry everything in order. */
export function quietRules(delayMs: number): LinkRules {
  return { drop: 0, duplicate: 0, reorder: false, delayMs, queueMax: 10_000, damage: 0 };
}

/** One direction between two nodes. */
interface Link {
  /** It carries nothing. */
  isCut: boolean;
  /** It holds what it carries until then. */
  cloggedUntilMs: number;
  lastArrivalMs: number;
  inFlight: number;
}

const NODES_MAX = 1024;
/** Old messages that are kept, to come again. */
const OLD_MAX = 400;
/** Who finds a frame damaged dials again after that, as `network/limits.ts` has it. */
const REDIAL_MS = 20;

export interface NetworkWatch {
  onSend(message: PeerMessage): void;
  onDeliver(message: PeerMessage): void;
  onFault(kind: string): void;
  /** A damaged frame was read as a message. */
  onDamageTaken(message: PeerMessage): void;
}

export class SimulatedHub {
  readonly clock: VirtualClock;
  readonly prng: Prng;
  readonly watch: NetworkWatch;
  rules: LinkRules = quietRules(1);
  /** Whatever was sent by now has arrived by then. */
  lastArrivalMs = 0;
  /** Whether messages are kept for `deliverOld`. */
  keepsOld = false;
  readonly #old: PeerMessage[] = [];
  readonly #links = new Map<number, Link>();
  readonly #nodes = new Map<NodeId, SimulatedNetwork>();

  constructor(clock: VirtualClock, prng: Prng, watch: NetworkWatch) {
    this.clock = clock;
    this.prng = prng;
    this.watch = watch;
  }

  /** The way from one node to another. */
  link(from: NodeId, to: NodeId): Link {
    const key = from * NODES_MAX + to;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { isCut: false, cloggedUntilMs: 0, lastArrivalMs: 0, inFlight: 0 };
      this.#links.set(key, link);
    }
    return link;
  }

  /** Takes away every cut and clog. */
  heal(): void {
    for (const link of this.#links.values()) {
      Object.assign(link, { isCut: false, cloggedUntilMs: 0 });
    }
    this.reconnectAll();
  }

  join(network: SimulatedNetwork): void {
    this.#nodes.set(network.id, network);
    for (const other of this.#nodes.values()) this.connect(network, other);
  }

  /** Links come up when both can hear each other. */
  connect(one: SimulatedNetwork, other: SimulatedNetwork): void {
    if (one === other || this.#blocked(one.id, other.id) || this.#blocked(other.id, one.id)) return;
    this.clock.setImmediate(() => {
      if (this.#nodes.get(one.id) !== one || this.#nodes.get(other.id) !== other) return;
      one.dial(other);
      other.dial(one);
      if (!one.finds(other) && !other.finds(one)) return;
      const refused = one.refuses(other) || other.refuses(one);
      if (refused) return;
      one.peerUp(other);
      other.peerUp(one);
    });
  }

  /** One of two was told something about the other. */
  reconsider(one: SimulatedNetwork, id: NodeId, ends: boolean): void {
    const other = this.#nodes.get(id);
    if (ends) one.peerClosed(id, false);
    if (other === undefined) return;
    if (ends) other.peerClosed(one.id, false);
    this.connect(one, other);
  }

  reconnectAll(): void {
    const nodes = [...this.#nodes.values()];
    for (const one of nodes) for (const other of nodes) this.connect(one, other);
  }

  leave(network: SimulatedNetwork): void {
    if (this.#nodes.get(network.id) !== network) return;
    this.#nodes.delete(network.id);
    for (const other of this.#nodes.values()) {
      // Behind a cut the end of a connection is not heard.
      const heard = !this.#blocked(network.id, other.id);
      this.clock.setImmediate(() => other.peerClosed(network.id, heard));
    }
  }

  /** The connection between two breaks and is made again; what was under way is lost. */
  reset(a: NodeId, b: NodeId, pauseMs = 0): void {
    this.link(a, b).lastArrivalMs = 0;
    this.link(b, a).lastArrivalMs = 0;
    const one = this.#nodes.get(a);
    const other = this.#nodes.get(b);
    if (one === undefined || other === undefined) return;
    one.peerClosed(b, false);
    other.peerClosed(a, false);
    one.generation++;
    other.generation++;
    if (pauseMs === 0) this.connect(one, other);
    else this.clock.setTimer(pauseMs, () => this.connect(one, other));
  }

  carry(message: PeerMessage): void {
    const link = this.link(message.from, message.to);
    const { prng, rules, watch } = this;
    if (this.keepsOld) this.#keep(message);
    if (link.isCut) return watch.onFault("message cut off");
    if (rules.drop > 0 && prng.chance(rules.drop)) return watch.onFault("message dropped");
    if (link.inFlight >= rules.queueMax) return watch.onFault("queue full");
    if (rules.damage > 0 && prng.chance(rules.damage)) return this.#damage(message);
    this.#schedule(link, message);
    if (rules.duplicate > 0 && prng.chance(rules.duplicate)) {
      watch.onFault("message duplicated");
      this.#schedule(link, message);
    }
  }

  /**
   * Messages that nodes sent to each other long ago come once more, in any order, to processes that may
   * be others by now. What operators ask for is not repeated: they would see it done twice.
   */
  deliverOld(count: number): void {
    for (let left = count; left > 0 && this.#old.length > 0; left--) {
      const message = this.prng.pick(this.#old);
      const node = this.#nodes.get(message.to);
      if (node === undefined || !node.isUp(message.from)) continue;
      this.watch.onFault("old message delivered");
      node.deliver(copyOf(message));
    }
  }

  #keep(message: PeerMessage): void {
    if (isDriverMessage(message) && message.kind !== "forwardedBatch") return;
    if (this.#old.length < OLD_MAX) this.#old.push(copyOf(message));
    else if (this.prng.chance(0.2)) this.#old[this.prng.between(0, OLD_MAX - 1)] = copyOf(message);
  }

  /** The receiver notices and ends the connection. */
  #damage(message: PeerMessage): void {
    this.watch.onFault("frame damaged");
    if (!isDamageNoticed(message, this.prng)) this.watch.onDamageTaken(message);
    this.clock.setImmediate(() => this.reset(message.from, message.to, REDIAL_MS));
  }

  #schedule(link: Link, message: PeerMessage): void {
    const { prng, rules } = this;
    const nowMs = this.clock.nowMs();
    let atMs = nowMs + rules.delayMs * (DELAY_FACTOR_MAX - prng.unit());
    if (rules.reorder && prng.chance(0.3)) {
      atMs += rules.delayMs * 40 * prng.unit();
      this.watch.onFault("message delayed");
    }
    if (link.cloggedUntilMs > atMs) {
      atMs = link.cloggedUntilMs;
      this.watch.onFault("message clogged");
    }
    if (!rules.reorder) {
      atMs = Math.max(atMs, link.lastArrivalMs);
      link.lastArrivalMs = atMs;
    }
    this.lastArrivalMs = Math.max(this.lastArrivalMs, atMs);
    const copy = copyOf(message);
    link.inFlight++;
    const generation = this.#nodes.get(message.to)?.generation;
    this.clock.setTimer(atMs - nowMs, () => {
      link.inFlight--;
      const node = this.#nodes.get(message.to);
      if (node === undefined || link.isCut) return;
      if (!rules.duplicate && node.generation !== generation) return;
      node.deliver(copy);
    });
  }

  #blocked(from: NodeId, to: NodeId): boolean {
    return this.link(from, to).isCut;
  }
}

/** Messages never change; only a forwarded batch is stamped in place by its receiver. */
function copyOf(message: PeerMessage): PeerMessage {
  if (message.kind === "forwardedBatch") return { ...message, record: message.record.slice() };
  return message;
}

export class SimulatedNetwork implements RaftNetwork {
  readonly id: NodeId;
  readonly listenPort = 0;
  /** The highest that the program supports. */
  readonly featureLevel: number;
  /** Where others find it. */
  readonly port: number;
  /** Changes with each reset: what was sent before does not arrive. */
  generation = 0;
  readonly #hub: SimulatedHub;
  readonly #clock: NodeClock;
  readonly #up = new Set<NodeId>();
  /** Those of `#up` of which the node has been told. */
  readonly #greeted = new Set<NodeId>();
  /** Undefined until the node names its peers: then everybody is one. */
  #peers: Map<NodeId, number> | undefined;
  #removed = new Set<NodeId>();
  #levelInUse = 0;
  #queue: PeerMessage[] = [];
  #handler: RaftNetworkHandler | undefined;

  constructor(
    hub: SimulatedHub,
    id: NodeId,
    clock: NodeClock,
    { featureLevel, port }: Pick<SimulatedNetwork, "featureLevel" | "port">,
  ) {
    this.#hub = hub;
    this.id = id;
    this.featureLevel = featureLevel;
    this.port = port;
    this.#clock = clock;
  }

  start(handler: RaftNetworkHandler): Promise<void> {
    this.#handler = handler;
    this.#hub.join(this);
    return Promise.resolve();
  }

  setPeer({ id, port }: PeerAddress): void {
    this.#peers ??= new Map();
    this.#peers.set(id, port);
    this.#removed.delete(id);
    this.#hub.reconsider(this, id, false);
  }

  removePeer(id: NodeId): void {
    this.flush();
    this.#peers?.delete(id);
    this.#removed.add(id);
    this.#hub.reconsider(this, id, true);
  }

  setRemoved(ids: readonly NodeId[]): void {
    const known = this.#removed;
    this.#removed = new Set(ids);
    for (const id of ids) if (!known.has(id)) this.removePeer(id);
  }

  setFeatureLevel(level: number): void {
    this.#levelInUse = level;
  }

  /** Whether it looks for `other` where that is. */
  finds({ id, port }: SimulatedNetwork): boolean {
    return this.#peers === undefined || this.#peers.get(id) === port;
  }

  /** Whoever was expected where `other` is now: it says that it is somebody else. */
  dial(other: SimulatedNetwork): void {
    for (const [id, port] of this.#peers ?? []) {
      if (port !== other.port || id === other.id) continue;
      this.#hub.watch.onFault("wrong node refused");
      this.refusedBy(id, "wrongTarget", `this is node ${other.id}, not ${id}`);
    }
  }

  isUp(peer: NodeId): boolean {
    return this.#up.has(peer);
  }

  /** Turns `other` away if it was removed, or is too old and not linked yet. */
  refuses(other: SimulatedNetwork): boolean {
    if (this.#removed.has(other.id)) {
      other.refusedBy(this.id, "removed", "this node was removed from the cluster");
      return true;
    }
    if (other.featureLevel >= this.#levelInUse || this.#up.has(other.id)) return false;
    this.#hub.watch.onFault("older release refused by a peer");
    other.refusedBy(this.id, "featureLevel", `the cluster uses ${this.#levelInUse}`);
    return true;
  }

  refusedBy(peer: NodeId, code: RefusalCode, text: string): void {
    this.#clock.whenAwake(() => this.#handler?.onRefused(peer, code, text));
  }

  send(message: PeerMessage): boolean {
    if (!this.#up.has(message.to)) return false;
    this.#hub.watch.onSend(message);
    this.#queue.push(message);
    return true;
  }

  flush(): void {
    const messages = this.#queue;
    if (messages.length === 0) return;
    this.#queue = [];
    for (const message of messages) this.#hub.carry(message);
  }

  isConnected(peer: NodeId): boolean {
    return this.#up.has(peer) && this.#greeted.has(peer);
  }

  stats(): NetworkStats {
    const kinds = Object.fromEntries(MESSAGE_KINDS.map((kind) => [kind, 0]));
    const byKind = kinds as NetworkStats["sentByKind"];
    return {
      messagesSent: 0,
      messagesReceived: 0,
      bytesSent: 0,
      bytesReceived: 0,
      messagesDropped: 0,
      reconnects: 0,
      handshakesRefused: 0,
      damagedFrames: 0,
      silentLinks: 0,
      sentByKind: byKind,
      receivedByKind: byKind,
    };
  }

  close(): Promise<void> {
    this.flush();
    this.vanish();
    return Promise.resolve();
  }

  /** The process is gone. */
  vanish(): void {
    this.#handler = undefined;
    this.#queue = [];
    this.#up.clear();
    this.#hub.leave(this);
  }

  deliver(message: PeerMessage): void {
    this.#clock.whenAwake(() => {
      if (this.#handler === undefined) return;
      this.#hub.watch.onDeliver(message);
      this.#handler.onMessage(message);
    });
  }

  peerUp({ id: peer, featureLevel }: SimulatedNetwork): void {
    if (this.#handler === undefined || this.#up.has(peer)) return;
    this.#up.add(peer);
    const hello = { raftAddress: `node-${peer}:7379`, featureLevel };
    this.#clock.whenAwake(() => {
      this.#greeted.add(peer);
      this.#handler?.onPeerHello(peer, hello);
      this.#handler?.onPeerUp(peer);
    });
  }

  peerClosed(peer: NodeId, heard: boolean): void {
    this.#greeted.delete(peer);
    if (!this.#up.delete(peer) || !heard) return;
    this.#clock.whenAwake(() => this.#handler?.onPeerClosed(peer));
  }
}
