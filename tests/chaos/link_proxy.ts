/**
 * The hub's end of proxied links: connections of one member to another end here and go on from here,
 * late, with hiccups, or not at all, as the rule of each direction says. TCP loses nothing, so a lost
 * packet is one that arrives after its repetition, and holds up what is behind it; a direction that
 * loses everything is one that takes nothing until it is healed.
 */

import type { Prng } from "../../src/base/mod.ts";
import { clientAddress, memberOfClientAddress, raftAddress } from "./namespaces.ts";

export interface PathRule {
  /** From the arrival of a chunk to its sending. */
  readonly delayMs?: number;
  /** How likely each 1448 bytes are lost once, 0 to 1; they arrive `repeatMs` later. */
  readonly lossProbability?: number;
  readonly repeatMs?: number;
  /** Nothing passes, a close included, until another rule is set. */
  readonly blocked?: boolean;
}

const segmentBytes = 1448;
const chunkBytes = 65_536;
/** Bytes under way in one direction; more wait in the sender's socket. */
const underWayBytesMax = 4 * 1024 * 1024;

/** What the proxies of a cluster did to chunks of bytes. */
export interface ProxyCounts {
  connections: number;
  passed: number;
  delayed: number;
  lost: number;
  blocked: number;
}

/** The first bytes that one member said to another on one connection. */
export interface Recording {
  readonly from: number;
  readonly to: number;
  bytes: Uint8Array;
}

const recordedBytesMax = 4096;

/** All proxied links of a cluster. */
export class LinkProxies {
  readonly counts: ProxyCounts = { connections: 0, passed: 0, delayed: 0, lost: 0, blocked: 0 };
  /** The dialler's side of every connection. */
  readonly recordings: Recording[] = [];
  readonly #ids: readonly number[];
  readonly #port: number;
  readonly #random: Prng;
  readonly #rules = new Map<string, PathRule>();
  readonly #listeners: Deno.Listener[] = [];
  readonly #open = new Set<Deno.Conn>();
  #changed = Promise.withResolvers<void>();
  #closed = false;

  constructor(ids: readonly number[], port: number, random: Prng) {
    this.#ids = ids;
    this.#port = port;
    this.#random = random;
    for (const to of ids) {
      const listener = Deno.listen({ hostname: raftAddress(to), port });
      this.#listeners.push(listener);
      void this.#accept(listener, to);
    }
  }

  /** What happens to bytes from one member to another, on connections of either. */
  setRule(from: number, to: number, rule: PathRule): void {
    this.#rules.set(`${from}>${to}`, rule);
    this.#wake();
  }

  setAll(rule: PathRule): void {
    for (const from of this.#ids) {
      for (const to of this.#ids) {
        if (from !== to) this.#rules.set(`${from}>${to}`, rule);
      }
    }
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#open) closeQuietly(connection);
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  #rule(from: number, to: number): PathRule {
    return this.#rules.get(`${from}>${to}`) ?? {};
  }

  async #accept(listener: Deno.Listener, to: number): Promise<void> {
    while (!this.#closed) {
      try {
        const connection = await listener.accept();
        const from = memberOfClientAddress((connection.remoteAddr as Deno.NetAddr).hostname);
        void this.#connect(connection, from, to);
      } catch (error) {
        if (!this.#closed) throw error;
      }
    }
  }

  async #connect(near: Deno.Conn, from: number, to: number): Promise<void> {
    this.counts.connections++;
    this.#open.add(near);
    let far: Deno.TcpConn;
    try {
      far = await Deno.connect({ hostname: clientAddress(to), port: this.#port });
    } catch {
      // Nobody listens there: the dialler learns it as a connection that ends at once.
      this.#end(near);
      return;
    }
    this.#open.add(far);
    far.setNoDelay(true);
    (near as Deno.TcpConn).setNoDelay(true);
    const recording: Recording = { from, to, bytes: new Uint8Array(0) };
    this.recordings.push(recording);
    await Promise.all([
      this.#pump(near, far, from, to, recording),
      this.#pump(far, near, to, from),
    ]);
    this.#end(near);
    this.#end(far);
  }

  #end(connection: Deno.Conn): void {
    this.#open.delete(connection);
    closeQuietly(connection);
  }

  async #pump(
    source: Deno.Conn,
    target: Deno.Conn,
    from: number,
    to: number,
    recording?: Recording,
  ): Promise<void> {
    let tail: Promise<void> = Promise.resolve();
    let lastAtMs = 0;
    let underWayBytes = 0;
    let failed = false;
    while (!failed) {
      const chunk = new Uint8Array(chunkBytes);
      const count = await source.read(chunk).catch(() => null);
      await this.#passable(from, to);
      if (count === null) break;
      if (recording !== undefined) record(recording, chunk.subarray(0, count));
      lastAtMs = Math.max(lastAtMs, performance.now() + this.#lateMs(from, to, count));
      const atMs = lastAtMs;
      underWayBytes += count;
      tail = tail.then(async () => {
        await sleepUntil(atMs);
        await this.#passable(from, to);
        try {
          await writeAll(target, chunk.subarray(0, count));
        } catch {
          failed = true;
        }
        underWayBytes -= count;
      });
      if (underWayBytes > underWayBytesMax) await tail;
    }
    await tail;
    // Both ways end together: the protocol has no half-closed connections.
    closeQuietly(target);
    closeQuietly(source);
  }

  async #passable(from: number, to: number): Promise<void> {
    while (!this.#closed && this.#rule(from, to).blocked) {
      this.counts.blocked++;
      await this.#changed.promise;
    }
  }

  #lateMs(from: number, to: number, bytes: number): number {
    const { delayMs = 0, lossProbability = 0, repeatMs = 0 } = this.#rule(from, to);
    const segments = Math.ceil(bytes / segmentBytes);
    const lost = lossProbability > 0 &&
      this.#random.chance(1 - (1 - lossProbability) ** segments);
    this.counts.passed++;
    if (delayMs > 0) this.counts.delayed++;
    if (lost) this.counts.lost++;
    return delayMs + (lost ? repeatMs : 0);
  }
}

function record(recording: Recording, bytes: Uint8Array): void {
  const room = recordedBytesMax - recording.bytes.length;
  if (room <= 0) return;
  recording.bytes = Uint8Array.from([...recording.bytes, ...bytes.subarray(0, room)]);
}

function sleepUntil(atMs: number): Promise<void> {
  const leftMs = atMs - performance.now();
  if (leftMs <= 0) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, leftMs));
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It ended by itself.
  }
}
