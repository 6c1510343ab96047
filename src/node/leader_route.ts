/**
 * The way of this node's batches and reads to the leader, whoever that is (architecture D4): into
 * the core when this node leads, over the link to the leader when it does not. The leader stamps
 * each batch with its clock.
 */

import type { Logger, LogIndex, NodeId } from "../base/mod.ts";
import { readBatchHeader, stampBatch } from "../machine/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import { type ForwardedBatch, type Raft, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import type { Batch } from "./batch.ts";
import type { LeaderClock } from "./leader_clock.ts";
import type { BatchRoute } from "./proposals.ts";
import { ProposedBatches } from "./proposed_batches.ts";
import type { ReadRoute } from "./reads.ts";
import type { Replica } from "./replica.ts";

export interface LeaderRouteOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly leaderClock: LeaderClock;
  readonly logger: Logger;
  /** Tells the core the time. */
  readonly tick: () => void;
  /** Whether a sync is under way. */
  readonly isSyncing: () => boolean;
  readonly replica: Replica;
}

/** Batches of this node's clients on their way. */
const BATCHES_MAX = 64;
/** A batch of this size goes while others are on their way. */
const BATCH_BYTES_LARGE = 64 << 10;
/** So does one that has waited so long. */
const BATCH_WAIT_MS = 2;

export class LeaderRoute implements BatchRoute, ReadRoute {
  readonly #options: LeaderRouteOptions;
  readonly #proposed: ProposedBatches;

  constructor(options: LeaderRouteOptions) {
    this.#options = options;
    this.#proposed = new ProposedBatches(() => options.replica.machine.origins);
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  submit(batch: Batch): boolean {
    const { raft, network, id } = this.#options;
    if (raft.role === "leader") {
      const record = batch.recordInLog ? batch.record.slice() : batch.record;
      const accepted = this.#propose(record, undefined);
      if (accepted && record === batch.record) batch.recordInLog = true;
      return accepted;
    }
    if (raft.leaderId === undefined) return false;
    return network.send({
      kind: "forwardedBatch",
      from: id,
      to: raft.leaderId,
      term: raft.term,
      record: batch.record,
    });
  }

  mayCut(next: Batch, batchesInFlight: number): boolean {
    const { raft, isSyncing } = this.#options;
    if (raft.leaderId === undefined || batchesInFlight >= BATCHES_MAX) return false;
    if (raft.role === "leader" && isSyncing()) return false;
    // Few large batches cost less than many small ones: a small one waits for those before it, but
    // not for long where links or disks are slow.
    return batchesInFlight === 0 || next.bytes >= BATCH_BYTES_LARGE ||
      this.nowMs() - next.openedAtMs >= BATCH_WAIT_MS;
  }

  /** A follower's batch; dropped when this node cannot take it: its origin sends it again. */
  takeForwarded(message: ForwardedBatch): void {
    const { raft, logger } = this.#options;
    if (raft.role !== "leader") return;
    const { origin } = readBatchHeader(message.record, RECORD_HEADER_BYTES);
    if (origin === message.from) {
      this.#propose(message.record, message.from);
      return;
    }
    logger.warn("dropped a batch that names another origin than its sender", {
      from: message.from,
      origin,
    });
  }

  /** Puts the batch into the log, once. */
  #propose(record: Uint8Array, awaitedBy: NodeId | undefined): boolean {
    const { raft, leaderClock } = this.#options;
    const header = readBatchHeader(record, RECORD_HEADER_BYTES);
    if (this.#proposed.has(header, raft.term)) return true;
    stampBatch(record, RECORD_HEADER_BYTES, leaderClock.read());
    const result = raft.step({ kind: "propose", entryKind: "command", record, awaitedBy });
    if (result.kind !== "proposed") return false;
    this.#proposed.add(header, raft.term);
    return true;
  }

  abandon(readId: number): void {
    this.#options.raft.step({ kind: "abandonRead", readId });
  }

  /** A lease is judged by the time of now: the process may have been stopped since the last tick. */
  ask(readId: number): boolean {
    const { raft, tick } = this.#options;
    tick();
    return raft.step({ kind: "read", readId }).kind !== "refused";
  }

  get appliedIndex(): LogIndex {
    return this.#options.replica.appliedIndex;
  }
}
