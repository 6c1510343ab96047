/** Everything about snapshots of one node: taken here, sent to peers, received from the leader. */

import { assert, type Logger, type NodeId } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { DriverMessage, Raft, Ready } from "../raft/mod.ts";
import type { RaftStorage } from "../storage/mod.ts";
import type { Counters } from "./counters.ts";
import type { FatalReason } from "./options.ts";
import type { Replica } from "./replica.ts";
import { type FetchedSnapshot, SnapshotFetcher } from "./snapshot_fetcher.ts";
import { SnapshotSender } from "./snapshot_sender.ts";
import { SnapshotTaker, type TakenSnapshot } from "./snapshot_taker.ts";

export interface SnapshotsOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly replica: Replica;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly snapshotLogBytes: number;
  readonly snapshotRateBytes: number;
  /** Why the state of this node is to be trusted by nobody. */
  readonly distrusted: () => string | undefined;
  /** Whether a snapshot of a peer waits to become this node's on disk. */
  readonly isInstalling: () => boolean;
  /** Whether an operator reads a snapshot that is not the newest. */
  readonly isOlderInUse: () => boolean;
  /** Does now what the core asks for. */
  readonly pump: () => void;
  readonly schedule: () => void;
  readonly onDiskFailed: (error: unknown) => void;
  /** The highest feature level that this program supports. */
  readonly featureLevel: number;
  readonly end: (reason: FatalReason) => void;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #taker: SnapshotTaker;
  readonly #sender: SnapshotSender;
  readonly #fetcher: SnapshotFetcher;
  /** Received, and given to the core. */
  #fetched: FetchedSnapshot | undefined;
  #stopped = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    const { raft, schedule } = options;
    this.#taker = new SnapshotTaker({
      ...options,
      logBytes: options.snapshotLogBytes,
      isOlderInUse: () => options.isOlderInUse() || this.#sender.usesOlderSnapshot,
      onCompacted: (start) => {
        raft.step({ kind: "compacted", start });
        schedule();
      },
    });
    this.#sender = new SnapshotSender({
      ...options,
      rateBytes: options.snapshotRateBytes,
      takeSnapshot: () => this.take(),
    });
    this.#fetcher = new SnapshotFetcher({
      ...options,
      install: (fetched) => this.#install(fetched),
    });
  }

  /** Whether one is being taken here. */
  get isTaking(): boolean {
    return this.#taker.isTaking;
  }

  /** Whether one is on its way from the leader. */
  get isFetching(): boolean {
    return this.#fetcher.isFetching;
  }

  sendingTo(peer: NodeId): { readonly sentBytes: number; readonly bytes: number } | undefined {
    return this.#sender.progressOf(peer);
  }

  take(): Promise<TakenSnapshot> {
    return this.#taker.take();
  }

  /** Entries were applied: starts a snapshot when one is due. */
  onApplied(): void {
    this.#taker.maybeStart();
  }

  onPeerClosed(peer: NodeId): void {
    this.#sender.onPeerClosed(peer);
  }

  tick(nowMs: number): void {
    this.#sender.tick(nowMs);
    this.#fetcher.tick(nowMs);
  }

  /** True when the message was about a snapshot. */
  onMessage(message: DriverMessage): boolean {
    switch (message.kind) {
      case "snapshotOffer":
        this.#fetcher.onOffer(message);
        return true;
      case "snapshotChunk":
        this.#fetcher.onChunk(message);
        return true;
      case "snapshotGone":
        this.#fetcher.onGone(message);
        return true;
      case "snapshotRequest":
        this.#sender.onRequest(message);
        return true;
      case "snapshotEnd":
        this.#sender.onEnd(message);
        return true;
      default:
        return false;
    }
  }

  /** What a Ready says of snapshots; the one that it installs is to be persisted with it. */
  onReady(ready: Ready): FetchedSnapshot | undefined {
    for (const { peer } of ready.snapshots) this.#sender.begin(peer);
    if (ready.snapshot === undefined) return undefined;
    const fetched = this.#fetched;
    this.#fetched = undefined;
    assert(
      fetched !== undefined && fetched.state.last.index === ready.snapshot.last.index,
      `Cannot install snapshot ${ready.snapshot.last.index}: it was not received`,
    );
    this.#taker.replaced();
    return fetched;
  }

  /** A snapshot holds what is committed: it counts whoever leads now. */
  #install(fetched: FetchedSnapshot): boolean {
    if (this.#stopped) return false;
    const { raft, pump } = this.#options;
    const { last, configuration } = fetched.state;
    this.#fetched = fetched;
    raft.step({
      kind: "snapshotReceived",
      from: raft.leaderId,
      term: raft.term,
      last,
      configuration,
    });
    pump();
    const isInstalled = this.#fetched === undefined;
    this.#fetched = undefined;
    return isInstalled;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#taker.stop();
  }
}
