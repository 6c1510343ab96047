/** What operators ask of a node: hand over, change members, snapshot, backup. */

import { NodeId } from "../base/mod.ts";
import { type RaftStorage, type SnapshotManifest, StorageError } from "../storage/mod.ts";
import type { JoinAnswer, JoinRequest } from "../network/mod.ts";
import type { MemberChangeArg, MemberChangeReply, RefusalReason } from "../raft/mod.ts";
import type {
  BackupOutcome,
  ChangeOutcome,
  MemberChangeRequest,
  NodeActions,
  SnapshotOutcome,
  TransferOutcome,
} from "./actions.ts";
import type { LeaderAnswer, LeaderRequest } from "./change_codec.ts";
import { LeaderRequests } from "./leader_requests.ts";
import { MemberChanges } from "./member_changes.ts";
import type { RaftNode } from "./raft_node.ts";

/** How often what others do is looked at. */
const POLL_MS = 5;

export class Operations implements NodeActions {
  readonly #node: RaftNode;
  /** Snapshots that a backup is reading. */
  readonly #inUse = new Map<number, number>();
  readonly #requests: LeaderRequests;
  readonly #changes: MemberChanges;

  constructor(node: RaftNode) {
    this.#node = node;
    const { raft, options } = node;
    const timeoutMs = options.proposalLimits.operationTimeoutMs;
    this.#changes = new MemberChanges({
      ...options,
      raft,
      timeoutMs,
      schedule: () => node.schedule(),
      askLeader: (change) => this.changeMembers(change),
    });
    this.#requests = new LeaderRequests({
      ...options,
      raft,
      timeoutMs,
      run: (request) => this.#run(request),
    });
  }

  /** Whether a backup reads another snapshot than the newest. */
  get usesOlderSnapshot(): boolean {
    const newest = this.#node.options.storage.snapshots.newest?.last.index;
    return [...this.#inUse.keys()].some((index) => index !== newest);
  }

  /** See `NodeActions`. */
  async transferLeadership(to: number | undefined): Promise<TransferOutcome> {
    const answer = await this.#requests.ask({ kind: "transfer", to });
    if (answer.kind === "transfer") return answer.outcome;
    const reason = answer.kind === "noLeader"
      ? "no leader is known; try again when there is one"
      : "the leader did not answer; look at who leads before you ask again";
    return { kind: "refused", reason };
  }

  /** See `NodeActions`. */
  async changeMembers(change: MemberChangeRequest): Promise<ChangeOutcome> {
    const answer = await this.#requests.ask({ kind: "change", change });
    if (answer.kind === "change") return answer.outcome;
    if (answer.kind === "noLeader") {
      const text = "Cannot change members: no leader is known; try again when there is one";
      return { kind: "refused", text, passing: true };
    }
    const text = "The leader did not answer: look at the members before you ask again";
    return { kind: "unknown", text };
  }

  /** A process asks this node to become a member. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    return this.#changes.join(request);
  }

  onRequest(message: MemberChangeArg): void {
    void this.#requests.onRequest(message);
  }

  onAnswer(message: MemberChangeReply): void {
    this.#requests.onAnswer(message);
  }

  async #run(request: LeaderRequest): Promise<LeaderAnswer> {
    if (request.kind === "transfer") {
      return { kind: "transfer", outcome: await this.handOver(request.to) };
    }
    return { kind: "change", outcome: await this.#changes.run(request.change) };
  }

  /** From this node, which must lead; resolves when another one does. */
  async handOver(to: number | undefined): Promise<TransferOutcome> {
    const { raft, options, counters } = this.#node;
    if (!this.#hasConnectedPeer()) {
      return { kind: "refused", reason: "no other member is connected" };
    }
    const target = to === undefined ? undefined : NodeId(to);
    const result = raft.step({ kind: "transfer", to: target });
    if (result.kind === "refused") {
      return { kind: "refused", reason: whyNoTransfer(result.reason) };
    }
    this.#node.schedule();
    const endMs = options.clock.nowMs() + options.transferTimeoutMs;
    while (options.clock.nowMs() < endMs && this.#hasConnectedPeer()) {
      const { leaderId } = raft;
      if (leaderId !== undefined && leaderId !== options.id) {
        counters.transfers++;
        return { kind: "done", leaderId };
      }
      await new Promise<void>((resolve) => options.clock.setTimer(POLL_MS, resolve));
    }
    return { kind: "refused", reason: "no other member took over; this node leads on" };
  }

  #hasConnectedPeer(): boolean {
    const { raft, options } = this.#node;
    return raft.configuration.members.some(({ id }) =>
      id !== options.id && options.network.isConnected(id)
    );
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
      for await (const chunk of storage.snapshots.readAll(manifest)) {
        const wrong = this.#node.integrity.quarantined;
        // No end is better than one that looks good.
        if (wrong !== undefined) throw new StorageError("damaged", `Cannot back up: ${wrong}`);
        yield chunk;
      }
    } finally {
      const left = this.#inUse.get(index)! - 1;
      if (left > 0) this.#inUse.set(index, left);
      else this.#inUse.delete(index);
    }
  }
}

function whyNoTransfer(reason: RefusalReason): string {
  switch (reason) {
    case "notLeader":
      return "this node leads no more; ask again";
    case "transferring":
      return "leadership is being handed over already";
    case "noSuchVoter":
      return "there is no such other voter to hand leadership to";
    default:
      return reason;
  }
}
