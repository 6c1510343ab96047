/** Nodes of a test that are nothing but a network: three worlds, one face. */

import { type Logger, NodeId, parseHostPort, silentLogger } from "../../src/base/mod.ts";
import {
  type NetworkLimits,
  type PeerAddress,
  type PeerHello,
  type RaftNetwork,
  type RaftNetworkHandler,
  type RefusalCode,
  TcpRaftNetwork,
} from "../../src/network/mod.ts";
import type {
  Clock,
  Connection,
  Listener,
  Net,
  Platform,
  Process,
} from "../../src/platform/mod.ts";
import { denoPlatform } from "../../src/platform/deno/mod.ts";
import { nodePlatform } from "../../src/platform/node/mod.ts";
import type { PeerMessage } from "../../src/raft/mod.ts";
import { MemoryNet } from "../support/memory_net.ts";
import { MemoryRaftHub, MemoryRaftNetwork } from "../support/memory_raft_network.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { until } from "../support/wait.ts";

/** One network and everything it reported. */
export interface TestNode<N extends RaftNetwork = RaftNetwork> {
  readonly id: NodeId;
  readonly network: N;
  readonly messages: PeerMessage[];
  readonly hellos: (PeerHello & { readonly peer: number })[];
  readonly ups: number[];
  readonly closed: number[];
  readonly refusals: { readonly peer: number; readonly code: RefusalCode; readonly text: string }[];
  readonly lines: string[];
}

export interface NodeOptions {
  readonly id: number;
  readonly incarnation?: number;
  readonly clusterId?: string;
  readonly secret?: string;
  readonly limits?: Partial<NetworkLimits>;
  /** Hears of a message instead of the list. */
  readonly onMessage?: (message: PeerMessage) => void;
  /** Answers who wants to join. */
  readonly onJoin?: RaftNetworkHandler["onJoin"];
  /** Ids that it is told of at the start; all of `MEMBERS` unless given. */
  readonly peers?: readonly number[];
  readonly featureLevel?: number;
  /** `host:port`; over TCP where it listens unless given. */
  readonly advertise?: string;
}

/** A way to run networks. */
export interface World {
  readonly name: string;
  start(options: NodeOptions): Promise<TestNode>;
  /** The process of the node dies without a word. */
  kill(node: TestNode): void;
  /** Where others find the node. */
  addressOf(node: TestNode): PeerAddress;
  until(what: string, probe: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export const MEMBERS: readonly NodeId[] = [NodeId(1), NodeId(2), NodeId(3)];

/** Starts `network` and records what it reports. */
export async function record<N extends RaftNetwork>(
  id: NodeId,
  network: N,
  lines: string[],
  { onMessage, onJoin }: Partial<Pick<RaftNetworkHandler, "onMessage" | "onJoin">> = {},
): Promise<TestNode<N>> {
  const node: TestNode<N> = {
    id,
    network,
    messages: [],
    hellos: [],
    ups: [],
    closed: [],
    refusals: [],
    lines,
  };
  await network.start({
    onMessage: onMessage ?? ((message) => node.messages.push(message)),
    onPeerHello: (peer, hello) => node.hellos.push({ peer, ...hello }),
    onPeerUp: (peer) => node.ups.push(peer),
    onPeerClosed: (peer) => node.closed.push(peer),
    onRefused: (peer, code, text) => node.refusals.push({ peer, code, text }),
    onJoin: onJoin ?? (() => Promise.reject(new Error("Cannot join: nobody is expected to"))),
  });
  return node;
}

/** Whether all of `nodes` can send to each other. */
export function meshed(nodes: readonly TestNode[]): boolean {
  return nodes.every((node) =>
    nodes.every((other) => other === node || node.network.isConnected(other.id))
  );
}

export class MemoryWorld implements World {
  readonly name = "memory";
  readonly clock = new VirtualClock();
  readonly #hub = new MemoryRaftHub(this.clock);

  start(options: NodeOptions): Promise<TestNode> {
    const id = NodeId(options.id);
    const network = new MemoryRaftNetwork(this.#hub, id, peersOf(options), options.featureLevel);
    return record(id, network, [], options);
  }

  kill(node: TestNode): void {
    (node.network as MemoryRaftNetwork).vanish();
  }

  addressOf({ id }: TestNode): PeerAddress {
    return { id, hostname: `memory-${id}`, port: 7379 };
  }

  until(_what: string, probe: () => boolean): Promise<void> {
    return this.clock.runUntil(probe, 60_000);
  }

  close(): Promise<void> {
    return this.clock.run(100);
  }
}

/** The TCP network on connections in memory, in virtual time. */
export class VirtualTcpWorld implements World {
  readonly name = "TCP in virtual time";
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  /** What each host accepted, in order. */
  readonly accepted = new Map<string, Connection[]>();
  readonly #nodes = new Set<TestNode<TcpRaftNetwork>>();

  async start(options: NodeOptions): Promise<TestNode<TcpRaftNetwork>> {
    const lines: string[] = [];
    const hostname = hostOf(options.id);
    const net = this.#watched(hostname);
    const platform = { net, clock: this.clock, process: testProcess };
    const peers = peersOf(options).map((id) => ({ id, hostname: hostOf(id), port: 7379 }));
    const network = makeTcp(options, platform, { hostname, port: 7379 }, peers, lines);
    const node = await record(NodeId(options.id), network, lines, options);
    this.#nodes.add(node);
    return node;
  }

  #watched(hostname: string): Net {
    const net = this.net.host(hostname);
    const accepted: Connection[] = [];
    this.accepted.set(hostname, accepted);
    return {
      connect: (options) => net.connect(options),
      listen: (options) =>
        net.listen({
          ...options,
          onConnection(connection) {
            accepted.push(connection);
            options.onConnection(connection);
          },
        }),
    };
  }

  /** The object lives on without a network; closing it ends its timers. */
  kill(node: TestNode): void {
    this.net.kill(hostOf(node.id));
    void node.network.close();
  }

  addressOf({ id }: TestNode): PeerAddress {
    return { id, hostname: hostOf(id), port: 7379 };
  }

  until(what: string, probe: () => boolean): Promise<void> {
    return this.clock.runUntil(probe, 60_000).catch((error) => {
      throw new Error(`Cannot see "${what}": ${error.message}`);
    });
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) void node.network.close();
    await this.clock.run(3000);
  }
}

export function hostOf(id: number): string {
  return `10.0.0.${id}`;
}

/** Real connections over loopback. Ports are told when everybody listens. */
export class TcpWorld implements World {
  readonly name: string;
  readonly #platform: Platform;
  readonly #nodes = new Map<TestNode<TcpRaftNetwork>, TrackedNet>();
  readonly #peers = new Map<TestNode, readonly NodeId[]>();

  constructor(adapter: Platform["name"] = "deno") {
    this.#platform = adapter === "deno" ? denoPlatform() : nodePlatform();
    this.name = `TCP on ${adapter}`;
  }

  async start(options: NodeOptions): Promise<TestNode<TcpRaftNetwork>> {
    const lines: string[] = [];
    const net = new TrackedNet(this.#platform.net);
    const { clock, process } = this.#platform;
    const listen = { hostname: "127.0.0.1", port: 0 };
    const peers = peersOf(options).map((id) => ({ id, hostname: "127.0.0.1", port: 0 }));
    const network = makeTcp(options, { net, clock, process }, listen, peers, lines);
    const node = await record(NodeId(options.id), network, lines, options);
    for (const other of this.#nodes.keys()) {
      if (other.id === node.id) continue;
      if (peers.some(({ id }) => id === other.id)) node.network.setPeer(this.addressOf(other));
      if (this.#peers.get(other)!.includes(node.id)) other.network.setPeer(this.addressOf(node));
    }
    this.#nodes.set(node, net);
    this.#peers.set(node, peersOf(options));
    return node;
  }

  kill(node: TestNode): void {
    const tcp = node as TestNode<TcpRaftNetwork>;
    this.#nodes.get(tcp)!.kill();
    this.#nodes.delete(tcp);
    void tcp.network.close();
  }

  addressOf({ id, network }: TestNode): PeerAddress {
    return { id, hostname: "127.0.0.1", port: network.listenPort };
  }

  async until(what: string, probe: () => boolean): Promise<void> {
    await until(what, { withinMs: 10_000, everyMs: 2 }, probe);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((node) => node.network.close()));
  }
}

function peersOf({ id, peers }: NodeOptions): NodeId[] {
  const all = peers === undefined ? MEMBERS : peers.map((peer) => NodeId(peer));
  return all.filter((peer) => peer !== id);
}

function makeTcp(
  options: NodeOptions,
  platform: {
    readonly net: Net;
    readonly clock: Clock;
    readonly process: Pick<Process, "randomBytes" | "hmacSha256">;
  },
  listen: { readonly hostname: string; readonly port: number },
  peers: readonly PeerAddress[],
  lines: string[],
): TcpRaftNetwork {
  return new TcpRaftNetwork({ ...platform, logger: lineLogger(lines) }, {
    self: {
      id: NodeId(options.id),
      incarnation: options.incarnation ?? 1,
      clusterId: options.clusterId ?? "test-cluster",
      featureLevel: options.featureLevel ?? 1,
    },
    listen,
    advertise: options.advertise === undefined ? undefined : parseHostPort(options.advertise),
    peers,
    secret: new TextEncoder().encode(options.secret ?? "secret"),
    limits: options.limits,
    seed: options.id,
  });
}

/** Keeps warnings. */
function lineLogger(lines: string[]): Logger {
  return { ...silentLogger, warn: (message) => lines.push(message) };
}

export const testProcess: Pick<Process, "randomBytes" | "hmacSha256"> = denoPlatform().process;

/** A net whose connections can all be closed at once, as the kernel does for a killed process. */
class TrackedNet implements Net {
  readonly #inner: Net;
  readonly #connections: Connection[] = [];
  readonly #listeners: Listener[] = [];

  constructor(inner: Net) {
    this.#inner = inner;
  }

  async listen(options: Parameters<Net["listen"]>[0]): Promise<Listener> {
    const onConnection = (connection: Connection) => {
      this.#connections.push(connection);
      options.onConnection(connection);
    };
    const listener = await this.#inner.listen({ ...options, onConnection });
    this.#listeners.push(listener);
    return listener;
  }

  async connect(options: Parameters<Net["connect"]>[0]): Promise<Connection> {
    const connection = await this.#inner.connect(options);
    this.#connections.push(connection);
    return connection;
  }

  kill(): void {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) connection.destroy();
  }
}
