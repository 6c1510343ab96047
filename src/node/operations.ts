/** What operators ask of a node: hand over, snapshot, backup. */

import { NodeId } from "../base/mod.ts";
import type { RaftStorage, SnapshotManifest } from "../storage/mod.ts";
import type { BackupOutcome, SnapshotOutcome, TransferOutcome } from "./actions.ts";
import type { RaftNode } from "./raft_node.ts";

/** How often what others do is looked at. */
const POLL_MS = 5;

export class Operations {
  readonly #node: RaftNode;
  /** Snapshots that a backup is reading. */
  readonly #inUse = new Map<number, number>();

  constructor(node: RaftNode) {
    this.#node = node;
  }

  /** Whether a backup reads another snapshot than the newest. */
  get usesOlderSnapshot(): boolean {
    const newest = this.#node.options.storage.snapshots.newest?.last.index;
    return [...this.#inUse.keys()].some((index) => index !== newest);
  }

  /** See `NodeActions`. */
  async transferLeadership(to: number | undefined): Promise<TransferOutcome> {
    const { raft, options, counters } = this.#node;
    if (raft.role !== "leader") {
      return { kind: "refused", reason: "this node does not lead; ask the leader" };
    }
    const target = to === undefined ? undefined : NodeId(to);
    const result = raft.step({ kind: "transfer", to: target });
    if (result.kind === "refused") return { kind: "refused", reason: result.reason };
    this.#node.schedule();
    const endMs = options.clock.nowMs() + options.transferTimeoutMs;
    while (options.clock.nowMs() < endMs && this.#node.hasConnectedPeer()) {
      const { leaderId } = raft;
      if (leaderId !== undefined && leaderId !== options.id) {
        counters.transfers++;
        return { kind: "done", leaderId };
      }
      await this.#node.pause(POLL_MS);
    }
    return { kind: "refused", reason: "no other member took over; this node leads on" };
  }

  /** See `NodeActions`. */
  async takeSnapshot(): Promise<SnapshotOutcome> {
    const taken = await this.#node.snapshots.take();
    if (taken.kind === "refused") return taken;
    return { kind: "done", index: taken.manifest.last.index, bytes: taken.manifest.bytes };
  }

  /**
   * A snapshot that has every write that was acknowledged before the call, read from the disk: a slow
   * reader holds up nothing.
   */
  async backup(): Promise<BackupOutcome> {
    if (!await this.#node.readBarrier()) {
      return { kind: "refused", text: "no leader confirmed the read in time; try again" };
    }
    const taken = await this.#node.snapshots.take();
    if (taken.kind === "refused") return taken;
    const { manifest } = taken;
    const { storage } = this.#node.options;
    return {
      kind: "started",
      index: manifest.last.index,
      chunks: this.#chunks(storage, manifest),
    };
  }

  async *#chunks(storage: RaftStorage, manifest: SnapshotManifest): AsyncGenerator<Uint8Array> {
    const { index } = manifest.last;
    this.#inUse.set(index, (this.#inUse.get(index) ?? 0) + 1);
    try {
      yield* storage.snapshots.readAll(manifest);
    } finally {
      const left = this.#inUse.get(index)! - 1;
      if (left > 0) this.#inUse.set(index, left);
      else this.#inUse.delete(index);
    }
  }
}
