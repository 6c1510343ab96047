/**
 * The platform's `Net` inside one process, in virtual time: hosts by name, connections as queues of
 * bytes, and the faults that loopback TCP cannot show. Bytes that are cut off are kept, as TCP would
 * send them again: they arrive when the cut heals, unless the connection is gone by then.
 */

import { ByteWriter } from "../../src/base/mod.ts";
import {
  type Clock,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Net,
  PlatformError,
} from "../../src/platform/mod.ts";

type ListenOptions = Parameters<Net["listen"]>[0];

export class MemoryNet {
  /** Largest piece in which bytes are delivered: 1 gives byte by byte. */
  chunkBytesMax = 64 * 1024;
  /** Time between two pieces of a connection. */
  pieceMs = 0;
  /** Every attempt to connect, in order. */
  readonly dials: { readonly from: string; readonly to: string; readonly atMs: number }[] = [];
  /** Sees, and may change, every piece on its way. */
  onPiece: (bytes: Uint8Array, from: string, to: string) => void = () => {};
  readonly clock: Clock;
  readonly #listeners = new Map<string, ListenOptions>();
  readonly #cuts = new Set<string>();
  readonly #connections = new Set<MemoryConnection>();
  #nextPort = 40_000;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The network as a process on `hostname` sees it. */
  host(hostname: string): Net {
    return {
      listen: (options) => Promise.resolve(this.#listen(hostname, options)),
      connect: (options) => this.#connect(hostname, options),
    };
  }

  /** Nothing passes from `from` to `to` any more, and nobody is told. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  /** What was held back arrives. */
  heal(): void {
    this.#cuts.clear();
    for (const connection of this.#connections) connection.pump();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  /** As SIGKILL does it: the host's process hears nothing more, its peers' connections end. */
  kill(hostname: string): void {
    for (const address of [...this.#listeners.keys()]) {
      if (address.startsWith(`${hostname}:`)) this.#listeners.delete(address);
    }
    for (const connection of [...this.#connections]) {
      if (connection.localHostname === hostname) connection.killed();
    }
  }

  /** Connections that are open on `hostname`. */
  openOn(hostname: string): number {
    let count = 0;
    for (const connection of this.#connections) {
      if (connection.localHostname === hostname) count++;
    }
    return count;
  }

  forget(connection: MemoryConnection): void {
    this.#connections.delete(connection);
  }

  #listen(hostname: string, options: ListenOptions): Listener {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    const address = `${hostname}:${port}`;
    if (this.#listeners.has(address)) {
      throw new PlatformError("EADDRINUSE", `Cannot listen on ${address}: it is in use`);
    }
    this.#listeners.set(address, options);
    const close = () => {
      if (this.#listeners.get(address) === options) this.#listeners.delete(address);
    };
    return { hostname, port, close };
  }

  async #connect(from: string, options: Parameters<Net["connect"]>[0]): Promise<Connection> {
    const { hostname: to, port, timeoutMs } = options;
    this.dials.push({ from, to, atMs: this.clock.nowMs() });
    if (this.isCut(from, to) || this.isCut(to, from)) {
      await new Promise<void>((resolve) => this.clock.setTimer(timeoutMs, resolve));
      throw new PlatformError("ETIMEDOUT", `Cannot connect to ${to}:${port}: no answer`);
    }
    await new Promise<void>((resolve) => this.clock.setTimer(0.2, resolve));
    const listener = this.#listeners.get(`${to}:${port}`);
    if (listener === undefined) {
      throw new PlatformError("ECONNREFUSED", `Cannot connect to ${to}:${port}: refused`);
    }
    const fromPort = this.#nextPort++;
    const dialled = new MemoryConnection(this, from, fromPort, to, port);
    const accepted = new MemoryConnection(this, to, port, from, fromPort);
    dialled.peer = accepted;
    accepted.peer = dialled;
    this.#connections.add(dialled).add(accepted);
    this.clock.setImmediate(() => listener.onConnection(accepted));
    return dialled;
  }
}

class MemoryConnection implements Connection {
  readonly output = new ByteWriter();
  peer: MemoryConnection | undefined;
  readonly remoteHostname: string;
  readonly remotePort: number;
  readonly localHostname: string;
  readonly localPort: number;
  readonly #net: MemoryNet;
  #handler: ConnectionHandler | undefined;
  /** On the way to the peer. */
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #finQueued: { readonly error: PlatformError | undefined } | undefined;
  #closed = false;
  #paused = false;
  #pumping = false;

  constructor(net: MemoryNet, local: string, localPort: number, remote: string, port: number) {
    this.#net = net;
    this.localHostname = local;
    this.localPort = localPort;
    this.remoteHostname = remote;
    this.remotePort = port;
  }

  get pendingBytes(): number {
    return this.output.length + this.#queuedBytes;
  }

  start(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.peer?.pump();
  }

  flush(): void {
    if (this.output.length === 0) return;
    const bytes = this.output.take();
    if (this.#closed || this.#finQueued !== undefined) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.pump();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.peer?.pump();
  }

  /** Local end at once when nothing is queued, else when the last byte has left. */
  close(): void {
    this.flush();
    this.#finQueued ??= { error: undefined };
    if (this.#queue.length === 0) this.#end(undefined);
    this.pump();
  }

  destroy(): void {
    this.#dropQueue();
    this.#finQueued ??= { error: undefined };
    this.#end(undefined);
    this.pump();
  }

  /** The process is gone: no callback here, a reset for the peer. */
  killed(): void {
    this.#handler = undefined;
    this.#dropQueue();
    this.#finQueued = { error: new PlatformError("ECONNRESET", "The connection was reset") };
    this.#closed = true;
    this.pump();
    this.#net.forget(this);
  }

  /** Moves bytes to the peer while the way is open. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const move = () => {
      this.#pumping = false;
      this.#moveOne();
    };
    const { clock, pieceMs } = this.#net;
    if (pieceMs === 0) clock.setImmediate(move);
    else clock.setTimer(pieceMs, move);
  }

  #moveOne(): void {
    const peer = this.peer;
    if (peer === undefined || this.#net.isCut(this.localHostname, this.remoteHostname)) return;
    if (peer.#closed) return this.#dropQueue();
    if (peer.#handler === undefined || peer.#paused) return;
    const first = this.#queue[0];
    if (first === undefined) {
      if (this.#finQueued !== undefined) peer.#end(this.#finQueued.error);
      return;
    }
    const piece = first.slice(0, this.#net.chunkBytesMax);
    if (piece.length === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(piece.length);
    this.#queuedBytes -= piece.length;
    if (this.#queue.length === 0 && this.#finQueued !== undefined) this.#end(undefined);
    this.#net.onPiece(piece, this.localHostname, this.remoteHostname);
    this.pump();
    peer.#handler.onData(piece);
    // Whoever kept the bytes will notice.
    piece.fill(0xee);
    if (this.#queue.length === 0) this.#handler?.onDrained?.();
  }

  #dropQueue(): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  #end(error: PlatformError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#net.forget(this);
    this.output.clear();
    const handler = this.#handler;
    if (handler !== undefined) this.#net.clock.setImmediate(() => handler.onClosed(error));
    // A closed end answers nothing: the other one learns of it unless the way is cut.
    this.#finQueued ??= { error: undefined };
    this.pump();
  }
}
