/**
 * A node's side of a snapshot on its way from the leader: asks for its chunks, a few at a time,
 * verifies them, and goes on where it was after a lost link or with a new leader that offers the same
 * one. One at a time; offers of what this node has are answered, and those of others than the leader
 * ignored. The machine is made beside the old one, which serves on until the new one takes its place.
 */

import { DecodeError, type Logger, NewerFormatError, type NodeId, Term } from "../base/mod.ts";
import { RdbError } from "../machine/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import { type Clock, PlatformError } from "../platform/mod.ts";
import {
  decodeConfiguration,
  type EntryId,
  type Raft,
  type SnapshotChunk,
  type SnapshotEnd,
  type SnapshotGone,
  type SnapshotOffer,
  type SnapshotTransferOutcome,
} from "../raft/mod.ts";
import {
  CorruptionError,
  decodeManifest,
  type RaftStorage,
  type SnapshotManifest,
  type SnapshotReceiver,
  StorageError,
} from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import { whyOutdated } from "./feature_level.ts";
import { loadMachine, SERVING_SLICE_MS } from "./machine_loader.ts";
import type { FatalReason } from "./options.ts";
import type { ReplicaState } from "./replica.ts";

/** A complete snapshot and the machine that was made of it. */
export interface FetchedSnapshot {
  readonly from: NodeId;
  readonly state: ReplicaState;
  readonly receiver: SnapshotReceiver;
  /** To be sent when it is this node's. */
  readonly installed: SnapshotEnd;
}

export interface SnapshotFetcherOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  /** Gives the snapshot to the core; true when it takes this node's state's place. */
  readonly install: (fetched: FetchedSnapshot) => boolean;
  readonly onDiskFailed: (error: unknown) => void;
  /** The highest feature level that this program supports. */
  readonly featureLevel: number;
  readonly end: (reason: FatalReason) => void;
}

interface Fetch {
  readonly manifest: SnapshotManifest;
  leader: NodeId;
  /** Undefined while its file is being made. */
  receiver: SnapshotReceiver | undefined;
  /** All chunks are here. */
  loading: boolean;
  /** When each chunk was asked for. */
  readonly askedAtMs: Map<number, number>;
  /** Arrived before their turn, or while another one is written. */
  readonly arrived: Map<number, Uint8Array>;
  writing: boolean;
}

/** Chunks on their way; a chunk has 256 kB. */
const WINDOW = 4;
/** A chunk that does not come is asked for again. */
const CHUNK_TIMEOUT_MS = 2000;
/** No snapshot has it: asks for any that reaches so far. */
const NO_TERM = Term(0);
/** How often a node that cannot go on says so. */
const WANTED_INTERVAL_MS = 1000;

export class SnapshotFetcher {
  readonly #options: SnapshotFetcherOptions;
  #fetch: Fetch | undefined;
  #wantedAtMs = -Infinity;
  /** Why the last attempt failed: said once. */
  #failure: string | undefined;

  constructor(options: SnapshotFetcherOptions) {
    this.#options = options;
  }

  get isFetching(): boolean {
    return this.#fetch !== undefined;
  }

  onOffer({ from, term, last, manifest: bytes }: SnapshotOffer): void {
    if (!this.#isLeader(from, term)) return;
    let manifest: SnapshotManifest;
    let outdated: string | undefined;
    try {
      manifest = decodeManifest(bytes);
      const members = decodeConfiguration(manifest.configuration);
      outdated = whyOutdated(members, this.#options.featureLevel);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (!(error instanceof NewerFormatError)) return this.#failed(from, last, error.message);
      return this.#options.end({ kind: "outdated", text: error.message });
    }
    // Before anything of it is taken for what it would have meant to this release.
    if (outdated !== undefined) return this.#options.end({ kind: "outdated", text: outdated });
    if (!this.#isNeeded(manifest.last)) return this.#end(from, manifest.last, "notNeeded");
    const current = this.#fetch;
    if (current?.loading || (current !== undefined && current.receiver === undefined)) return;
    if (current !== undefined && isSame(current.manifest, manifest)) {
      if (current.leader !== from) current.askedAtMs.clear();
      current.leader = from;
      return this.#ask(current);
    }
    void this.#begin(from, manifest);
  }

  onChunk({ from, last, chunk, bytes }: SnapshotChunk): void {
    const fetch = this.#fetch;
    if (fetch === undefined || from !== fetch.leader || !isSameEntry(fetch.manifest.last, last)) {
      return;
    }
    if (!fetch.askedAtMs.has(chunk)) return;
    this.#options.counters.snapshotBytesReceived += bytes.length;
    fetch.arrived.set(chunk, bytes);
    if (!fetch.writing && fetch.receiver !== undefined) void this.#write(fetch, fetch.receiver);
  }

  /** The leader has a newer one; its offer follows. */
  onGone({ from, last }: SnapshotGone): void {
    const fetch = this.#fetch;
    if (fetch === undefined || fetch.loading || fetch.leader !== from) return;
    if (isSameEntry(fetch.manifest.last, last)) this.#drop(fetch);
  }

  /** Asks again for what does not come; gives up what is not needed any more. */
  tick(nowMs: number): void {
    const fetch = this.#fetch;
    if (fetch === undefined) return this.#askForAny(nowMs);
    if (fetch.loading) return;
    if (!this.#isNeeded(fetch.manifest.last)) {
      // Nobody goes on with it ever: the disk has better use for its room.
      if (fetch.receiver !== undefined) void this.#abandon(fetch.receiver);
      return this.#drop(fetch);
    }
    // Another one leads: it may have the same, and must hear that this node needs any.
    if (!this.#isLeader(fetch.leader, this.#options.raft.term)) return this.#askForAny(nowMs);
    for (const [chunk, askedAtMs] of fetch.askedAtMs) {
      const isLost = nowMs - askedAtMs > CHUNK_TIMEOUT_MS && !fetch.arrived.has(chunk);
      if (isLost) fetch.askedAtMs.delete(chunk);
    }
    this.#ask(fetch);
  }

  #askForAny(nowMs: number): void {
    const { raft } = this.#options;
    if (!raft.needsSnapshot || nowMs < this.#wantedAtMs) return;
    if (raft.leaderId === undefined || raft.role === "leader") return;
    this.#wantedAtMs = nowMs + WANTED_INTERVAL_MS;
    this.#request(raft.leaderId, { term: NO_TERM, index: raft.snapshotIndexMin }, 0);
  }

  #isLeader(from: NodeId, term: Term): boolean {
    const { raft } = this.#options;
    return from === raft.leaderId && term === raft.term;
  }

  #isNeeded(last: EntryId): boolean {
    const { raft } = this.#options;
    return raft.needsSnapshot ? last.index >= raft.snapshotIndexMin : last.index > raft.commitIndex;
  }

  async #begin(leader: NodeId, manifest: SnapshotManifest): Promise<void> {
    const fetch: Fetch = {
      manifest,
      leader,
      receiver: undefined,
      loading: false,
      askedAtMs: new Map(),
      arrived: new Map(),
      writing: false,
    };
    this.#fetch = fetch;
    const { storage, logger } = this.#options;
    const { last, bytes } = manifest;
    logger.info("receives a snapshot", { from: leader, index: last.index, bytes });
    try {
      const receiver = await storage.snapshots.receive(manifest);
      if (this.#fetch !== fetch) return;
      fetch.receiver = receiver;
      this.#ask(fetch);
      if (receiver.complete) void this.#load(fetch, receiver);
    } catch (error) {
      this.#writeFailed(fetch, error);
    }
  }

  /** Keeps a few chunks on their way. */
  #ask(fetch: Fetch): void {
    const { receiver, manifest, askedAtMs } = fetch;
    const first = receiver?.nextChunk;
    if (first === undefined || fetch.loading) return;
    const nowMs = this.#options.clock.nowMs();
    const end = Math.min(first + WINDOW, manifest.checksums.length);
    for (let chunk = first; chunk < end; chunk++) {
      if (askedAtMs.has(chunk)) continue;
      askedAtMs.set(chunk, nowMs);
      this.#request(fetch.leader, manifest.last, chunk);
    }
    this.#options.network.flush();
  }

  async #write(fetch: Fetch, receiver: SnapshotReceiver): Promise<void> {
    fetch.writing = true;
    try {
      for (;;) {
        const chunk = receiver.nextChunk;
        const bytes = chunk === undefined ? undefined : fetch.arrived.get(chunk);
        if (chunk === undefined || bytes === undefined || this.#fetch !== fetch) break;
        fetch.arrived.delete(chunk);
        fetch.askedAtMs.delete(chunk);
        await this.#put(receiver, chunk, bytes);
        if (this.#fetch === fetch) this.#ask(fetch);
      }
    } catch (error) {
      this.#writeFailed(fetch, error);
    }
    fetch.writing = false;
    if (this.#fetch === fetch && receiver.complete) void this.#load(fetch, receiver);
  }

  async #put(receiver: SnapshotReceiver, chunk: number, bytes: Uint8Array): Promise<void> {
    try {
      await receiver.put(chunk, bytes);
    } catch (error) {
      // Damaged on its way or at its source: it is asked for again.
      if (!(error instanceof CorruptionError)) throw error;
      this.#options.logger.warn("a chunk of a snapshot came damaged", { why: error.message });
    }
  }

  #writeFailed(fetch: Fetch, error: unknown): void {
    if (this.#fetch !== fetch) return;
    if (error instanceof PlatformError) return this.#options.onDiskFailed(error);
    if (!(error instanceof StorageError)) throw error;
    this.#fetch = undefined;
    this.#failed(fetch.leader, fetch.manifest.last, error.message);
  }

  /** Makes the machine and hands it over, unless the log has caught up meanwhile. */
  async #load(fetch: Fetch, receiver: SnapshotReceiver): Promise<void> {
    if (fetch.loading) return;
    fetch.loading = true;
    const { clock, counters, logger, install } = this.#options;
    const { last, bytes } = fetch.manifest;
    const startMs = clock.nowMs();
    let state: ReplicaState;
    try {
      state = await loadMachine(receiver.readAll(), clock, SERVING_SLICE_MS);
    } catch (error) {
      return this.#loadFailed(fetch, receiver, error);
    }
    this.#fetch = undefined;
    this.#failure = undefined;
    if (!isSameEntry(state.last, last)) {
      await this.#abandon(receiver);
      return this.#failed(fetch.leader, last, `it holds entry ${state.last.index}`);
    }
    const installed = this.#endOf(fetch.leader, last, "installed");
    if (install({ from: fetch.leader, state, receiver, installed })) {
      counters.snapshotsInstalled++;
      const loadMs = Math.round(clock.nowMs() - startMs);
      logger.info("installs a snapshot", { from: fetch.leader, index: last.index, bytes, loadMs });
    } else {
      await this.#abandon(receiver);
      this.#end(fetch.leader, last, "notNeeded");
    }
  }

  async #loadFailed(fetch: Fetch, receiver: SnapshotReceiver, error: unknown): Promise<void> {
    const isExpected = error instanceof RdbError || error instanceof DecodeError ||
      error instanceof CorruptionError || error instanceof StorageError;
    if (error instanceof PlatformError) return this.#options.onDiskFailed(error);
    if (!isExpected) throw error;
    if (this.#fetch === fetch) this.#fetch = undefined;
    await this.#abandon(receiver);
    this.#failed(fetch.leader, fetch.manifest.last, error.message);
  }

  /** Removes what nobody needs; a disk that cannot is a failed one. */
  async #abandon(receiver: SnapshotReceiver): Promise<void> {
    try {
      await receiver.abandon();
    } catch (error) {
      this.#options.onDiskFailed(error);
    }
  }

  #drop(fetch: Fetch): void {
    if (this.#fetch === fetch) this.#fetch = undefined;
  }

  #failed(leader: NodeId, last: EntryId, why: string): void {
    if (this.#failure !== why) {
      this.#options.logger.error("cannot take a snapshot of the leader; it is tried again", {
        index: last.index,
        why,
      });
    }
    this.#failure = why;
    this.#end(leader, last, "failed");
  }

  #end(to: NodeId, last: EntryId, outcome: SnapshotTransferOutcome): void {
    const { network } = this.#options;
    network.send(this.#endOf(to, last, outcome));
    network.flush();
  }

  #endOf(to: NodeId, last: EntryId, outcome: SnapshotTransferOutcome): SnapshotEnd {
    const { id, raft } = this.#options;
    return { kind: "snapshotEnd", from: id, to, term: raft.term, last, outcome };
  }

  #request(to: NodeId, last: EntryId, chunk: number): void {
    const { id, raft, network } = this.#options;
    network.send({ kind: "snapshotRequest", from: id, to, term: raft.term, last, chunk });
  }
}

function isSameEntry(a: EntryId, b: EntryId): boolean {
  return a.index === b.index && a.term === b.term;
}

/** The same bytes; another one may cover the same entries. */
function isSame(a: SnapshotManifest, b: SnapshotManifest): boolean {
  return isSameEntry(a.last, b.last) && a.bytes === b.bytes &&
    a.checksums.length === b.checksums.length &&
    a.checksums.every((checksum, at) => checksum === b.checksums[at]);
}
