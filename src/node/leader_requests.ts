/** Takes what only the leader can do to whoever leads, and the answer back. */

import { DecodeError, type Logger, type NodeId } from "../base/mod.ts";
import type { RaftNetwork } from "../network/mod.ts";
import type { Clock } from "../platform/mod.ts";
import type { MemberChangeArg, MemberChangeReply, Raft } from "../raft/mod.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  type LeaderAnswer,
  type LeaderRequest,
} from "./change_codec.ts";

export interface LeaderRequestsOptions {
  readonly id: NodeId;
  /** Keeps the ids of this process apart from those of the last one. */
  readonly incarnation: number;
  readonly raft: Raft;
  readonly network: RaftNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeoutMs: number;
  /** Carries a request out on this node, which leads or has just led. */
  readonly run: (request: LeaderRequest) => Promise<LeaderAnswer>;
}

/** Why there is no answer. */
export type NoAnswer =
  /** There was nobody to ask: nothing was begun. */
  | { readonly kind: "noLeader" }
  /** The leader was asked and has not answered: it may still happen. */
  | { readonly kind: "unknown" };

/** The leader's own wait ends before the asking node's. */
const MARGIN_MS = 1000;
const POLL_MS = 10;
const REQUESTS_PER_PROCESS = 2 ** 20;

export class LeaderRequests {
  readonly #options: LeaderRequestsOptions;
  readonly #waiting = new Map<number, (answer: LeaderAnswer) => void>();
  #lastId: number;

  constructor(options: LeaderRequestsOptions) {
    this.#options = options;
    this.#lastId = options.incarnation * REQUESTS_PER_PROCESS;
  }

  /** Here when this node leads, else over its link. Never asks twice. */
  async ask(request: LeaderRequest): Promise<LeaderAnswer | NoAnswer> {
    const { id, raft, network, clock, timeoutMs, run } = this.#options;
    const endMs = clock.nowMs() + timeoutMs;
    while (clock.nowMs() < endMs) {
      if (raft.role === "leader") return await run(request);
      const requestId = ++this.#lastId;
      const { leaderId } = raft;
      const isSent = leaderId !== undefined && network.send({
        kind: "memberChange",
        from: id,
        to: leaderId,
        term: raft.term,
        requestId,
        change: encodeRequest(request),
      });
      network.flush();
      if (isSent) return await this.#answer(requestId);
      await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
    }
    return { kind: "noLeader" };
  }

  #answer(requestId: number): Promise<LeaderAnswer | NoAnswer> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.setTimer(timeoutMs + MARGIN_MS, () => {
        this.#waiting.delete(requestId);
        resolve({ kind: "unknown" });
      });
      this.#waiting.set(requestId, (answer) => {
        timer.cancel();
        this.#waiting.delete(requestId);
        resolve(answer);
      });
    });
  }

  /** Another node asks. What cannot be read is of a release that this one does not know. */
  async onRequest({ from, requestId, change }: MemberChangeArg): Promise<void> {
    const { id, raft, network, logger, run } = this.#options;
    let answer: LeaderAnswer;
    try {
      answer = await run(decodeRequest(change));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return logger.warn("dropped a request of another node", { from, why: error.message });
    }
    network.send({
      kind: "memberChangeReply",
      from: id,
      to: from,
      term: raft.term,
      requestId,
      outcome: encodeAnswer(answer),
    });
    network.flush();
  }

  onAnswer({ from, requestId, outcome }: MemberChangeReply): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined) return;
    try {
      waiting(decodeAnswer(outcome));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn("dropped an answer of the leader", { from, why: error.message });
    }
  }
}
