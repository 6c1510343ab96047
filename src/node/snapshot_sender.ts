/**
 * A leader's side of snapshots on their way to peers that need entries which the log has no more. The
 * peer pulls: it is offered the newest snapshot, again and again until it asks, and is given the chunks
 * that it asks for, at a bounded rate. Whatever is lost is asked for again.
 */

import type { Logger, LogIndex, NodeId } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import { type Clock, PlatformError } from "../platform/mod.ts";
import type { EntryId, Raft, SnapshotEnd, SnapshotRequest } from "../raft/mod.ts";
import {
  CorruptionError,
  encodeManifest,
  type RaftStorage,
  type SnapshotManifest,
  StorageError,
} from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import type { TakenSnapshot } from "./snapshot_taker.ts";

export interface SnapshotSenderOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  /** Chunks of all transfers together, bytes a second. */
  readonly rateBytes: number;
  readonly takeSnapshot: () => Promise<TakenSnapshot>;
  /** Asks for a turn of the node. */
  readonly schedule: () => void;
}

/** One peer's transfer. */
interface Transfer {
  readonly peer: NodeId;
  /** Undefined until there is a snapshot to offer. */
  manifest: SnapshotManifest | undefined;
  /** The next offer leaves at this time unless the peer asks for chunks. */
  offerAtMs: number;
  heardAtMs: number;
  /** Asked for and not sent. */
  wanted: number[];
  sentBytes: number;
}

const OFFER_INTERVAL_MS = 1000;
/** After the peer could not take it. */
const OFFER_AGAIN_MS = 5000;
/** A peer that has not asked for so long has no claim on the snapshot that it was offered. */
const CLAIM_MS = 15_000;
/** Chunks that one peer may have asked for; more than its window is a repetition. */
const WANTED_MAX = 64;

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<NodeId, Transfer>();
  /** What a snapshot must cover to be of use to a peer that said so. */
  readonly #neededIndexes = new Map<NodeId, LogIndex>();
  #isServing = false;
  #isTaking = false;
  /** The rate allows the next chunk from here on. */
  #allowedAtMs = -Infinity;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** The core says that `peer` needs a snapshot. */
  begin(peer: NodeId): void {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    this.#transfers.set(peer, {
      peer,
      manifest: undefined,
      offerAtMs: nowMs,
      heardAtMs: -Infinity,
      wanted: [],
      sentBytes: 0,
    });
    this.tick(nowMs);
  }

  /** Whether a peer is in the middle of a snapshot that is not the newest. */
  get usesOlderSnapshot(): boolean {
    const { clock, storage } = this.#options;
    const newest = storage.snapshots.newest?.last.index;
    const claimMs = clock.nowMs() - CLAIM_MS;
    for (const { manifest, heardAtMs } of this.#transfers.values()) {
      if (heardAtMs > claimMs && manifest?.last.index !== newest) return true;
    }
    return false;
  }

  /** How far the transfer to `peer` is; undefined when there is none. */
  progressOf(peer: NodeId): { readonly sentBytes: number; readonly bytes: number } | undefined {
    const transfer = this.#transfers.get(peer);
    if (transfer?.manifest === undefined) return undefined;
    const { bytes } = transfer.manifest;
    return { sentBytes: Math.min(transfer.sentBytes, bytes), bytes };
  }

  /** Offers what is due; forgets everything on a node that leads no more. */
  tick(nowMs: number): void {
    const { raft } = this.#options;
    if (this.#transfers.size === 0) return;
    if (raft.role !== "leader") {
      this.#neededIndexes.clear();
      return this.#transfers.clear();
    }
    // A member that was removed needs nothing any more once the core has forgotten it.
    const peers = new Set(raft.progress().map(({ peer }) => peer));
    for (const transfer of this.#transfers.values()) {
      if (!peers.has(transfer.peer)) {
        this.#transfers.delete(transfer.peer);
        this.#neededIndexes.delete(transfer.peer);
        continue;
      }
      if (nowMs >= transfer.offerAtMs) this.#offer(transfer, nowMs);
    }
  }

  onRequest({ from, last, chunk }: SnapshotRequest): void {
    const { raft, clock } = this.#options;
    if (raft.role !== "leader") return;
    const transfer = this.#transfers.get(from);
    if (last.term === 0) {
      // It cannot go on with the log that it has, which begins behind `last`.
      this.#neededIndexes.set(from, last.index);
      if (transfer === undefined) raft.step({ kind: "snapshotWanted", peer: from });
      return;
    }
    const manifest = transfer?.manifest;
    if (manifest === undefined || !isSameEntry(manifest.last, last)) {
      this.#send({ kind: "snapshotGone", to: from, last });
      return;
    }
    const { wanted } = transfer!;
    transfer!.heardAtMs = clock.nowMs();
    transfer!.offerAtMs = transfer!.heardAtMs + OFFER_INTERVAL_MS;
    const isKnown = chunk < manifest.checksums.length && !wanted.includes(chunk);
    if (!isKnown || wanted.length >= WANTED_MAX) return;
    wanted.push(chunk);
    if (!this.#isServing) void this.#serve();
  }

  onEnd({ from, last, outcome }: SnapshotEnd): void {
    const { raft, clock, logger } = this.#options;
    const transfer = this.#transfers.get(from);
    if (transfer?.manifest === undefined || !isSameEntry(transfer.manifest.last, last)) return;
    if (outcome === "failed") {
      transfer.wanted = [];
      transfer.offerAtMs = clock.nowMs() + OFFER_AGAIN_MS;
      return;
    }
    this.#transfers.delete(from);
    this.#neededIndexes.delete(from);
    logger.info("a member has the snapshot", { peer: from, index: last.index, outcome });
    raft.step({ kind: "snapshotDone", peer: from, sent: true });
  }

  /** The peer's process has ended; the core knows it. */
  onPeerClosed(peer: NodeId): void {
    this.#transfers.delete(peer);
  }

  #offer(transfer: Transfer, nowMs: number): void {
    const { storage, raft } = this.#options;
    transfer.offerAtMs = nowMs + OFFER_INTERVAL_MS;
    const { newest } = storage.snapshots;
    const isOld = transfer.manifest !== undefined && nowMs - transfer.heardAtMs > CLAIM_MS;
    if (transfer.manifest === undefined || isOld) {
      const needed = Math.max(
        raft.snapshotIndexMin,
        this.#neededIndexes.get(transfer.peer) ?? 0,
      );
      if (newest === undefined || newest.last.index < needed) {
        return void this.#take();
      }
      if (newest !== transfer.manifest) this.#restart(transfer, newest);
    }
    const manifest = transfer.manifest!;
    this.#send({
      kind: "snapshotOffer",
      to: transfer.peer,
      last: manifest.last,
      manifest: encodeManifest(manifest),
    });
  }

  #restart(transfer: Transfer, manifest: SnapshotManifest): void {
    transfer.manifest = manifest;
    transfer.wanted = [];
    transfer.sentBytes = 0;
    const { logger } = this.#options;
    const { last, bytes } = manifest;
    logger.info("offers a member a snapshot", { peer: transfer.peer, index: last.index, bytes });
  }

  /** Without a snapshot that joins the log: what the machine has now is one. */
  async #take(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    const taken = await this.#options.takeSnapshot();
    this.#isTaking = false;
    if (taken.kind === "done") this.tick(this.#options.clock.nowMs());
    this.#options.schedule();
  }

  /** Sends what peers have asked for, in turns, one chunk after the other. */
  async #serve(): Promise<void> {
    this.#isServing = true;
    for (let next = this.#nextWanted(); next !== undefined; next = this.#nextWanted()) {
      if (this.#options.raft.role !== "leader") break;
      await this.#serveChunk(next, next.wanted.shift()!);
    }
    this.#isServing = false;
  }

  #nextWanted(): Transfer | undefined {
    for (const [peer, transfer] of this.#transfers) {
      if (transfer.wanted.length === 0) continue;
      // To the end of the line.
      this.#transfers.delete(peer);
      this.#transfers.set(peer, transfer);
      return transfer;
    }
    return undefined;
  }

  async #serveChunk(transfer: Transfer, chunk: number): Promise<void> {
    const { storage, clock, network, counters, rateBytes } = this.#options;
    const manifest = transfer.manifest!;
    await this.#waitForRate();
    let bytes: Uint8Array;
    try {
      bytes = await storage.snapshots.read(manifest, chunk);
    } catch (error) {
      return this.#readFailed(transfer, manifest, error);
    }
    const isCurrent = this.#transfers.get(transfer.peer) === transfer &&
      transfer.manifest === manifest;
    if (!isCurrent) return;
    this.#allowedAtMs = Math.max(this.#allowedAtMs, clock.nowMs()) +
      bytes.length / rateBytes * 1000;
    const sent = this.#send({
      kind: "snapshotChunk",
      to: transfer.peer,
      last: manifest.last,
      chunk,
      bytes,
    });
    network.flush();
    if (!sent) return;
    counters.snapshotBytesSent += bytes.length;
    transfer.sentBytes = Math.max(transfer.sentBytes, chunk * manifest.chunkBytes + bytes.length);
  }

  async #waitForRate(): Promise<void> {
    const { clock } = this.#options;
    const waitMs = this.#allowedAtMs - clock.nowMs();
    if (waitMs > 0) await new Promise<void>((resolve) => clock.setTimer(waitMs, resolve));
  }

  /** A newer one took its place, or it is damaged: then the machine still is a snapshot. */
  #readFailed(transfer: Transfer, manifest: SnapshotManifest, error: unknown): void {
    const isDamaged = error instanceof CorruptionError;
    const isRefused = error instanceof PlatformError;
    if (!isDamaged && !isRefused && !(error instanceof StorageError)) throw error;
    const { logger, clock, network } = this.#options;
    if (isDamaged || isRefused) logger.error("cannot send a snapshot", { why: error.message });
    // What the system refuses now it may give later: the peer asks again.
    if (isRefused || transfer.manifest !== manifest) return;
    transfer.wanted = [];
    transfer.manifest = undefined;
    this.#send({ kind: "snapshotGone", to: transfer.peer, last: manifest.last });
    if (isDamaged) void this.#take();
    else this.#offer(transfer, clock.nowMs());
    network.flush();
  }

  #send(
    message:
      | { kind: "snapshotOffer"; to: NodeId; last: EntryId; manifest: Uint8Array }
      | { kind: "snapshotChunk"; to: NodeId; last: EntryId; chunk: number; bytes: Uint8Array }
      | { kind: "snapshotGone"; to: NodeId; last: EntryId },
  ): boolean {
    const { id, raft, network } = this.#options;
    return network.send({ ...message, from: id, term: raft.term });
  }
}

function isSameEntry(a: EntryId, b: EntryId): boolean {
  return a.index === b.index && a.term === b.term;
}
