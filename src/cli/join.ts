/**
 * The first start of a node that joins a running cluster: it asks a member until it is taken in or
 * refused. What it is told is kept in its data directory, and later starts ask no more.
 */

import type { Logger } from "../base/mod.ts";
import { NodeId, parseHostPort } from "../base/mod.ts";
import type { Settings } from "../config/mod.ts";
import { type JoinAnswer, joinCluster, type JoinRequest } from "../network/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { FEATURE_LEVEL } from "../raft/mod.ts";
import { CliFailure } from "./failure.ts";
import type { Secrets } from "./settings_source.ts";
import { addressesOf } from "./wiring.ts";

/** More than the members need to decide, or to find that they cannot. */
const ANSWER_TIMEOUT_MS = 30_000;
const PAUSE_MS = 1000;
/** While the answer stays the same it is said again this often. */
const REMINDER_MS = 30_000;

/** What the cluster tells a node that it has taken in. */
export type Joined = Extract<JoinAnswer, { readonly kind: "joined" }>;

export interface JoiningOptions {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly logger: Logger;
  /** The address of a member, `host:port`. */
  readonly member: string;
}

export class Joining {
  readonly #options: JoiningOptions;
  #stopped = false;
  #wake: () => void = () => {};
  #lastAnswer = "";
  #saidAtMs = 0;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  /** For the readiness probe. */
  get reason(): string {
    const why = this.#lastAnswer === "" ? "no answer yet" : this.#lastAnswer;
    return `joining the cluster through ${this.#options.member}: ${why}`;
  }

  /** Undefined when it was stopped before. Throws a `CliFailure` "refused". */
  async run(): Promise<Joined | undefined> {
    const { platform, secrets, logger, member } = this.#options;
    const request = this.#request();
    logger.info("joining a cluster", {
      through: member,
      as: request.as,
      raft: request.raftAddress,
    });
    while (!this.#stopped) {
      const answer = await joinCluster(platform, {
        address: parseHostPort(member)!,
        secret: new TextEncoder().encode(secrets.raftSecret),
        request,
        timeoutMs: ANSWER_TIMEOUT_MS,
      });
      if (answer.kind === "joined") {
        logger.info("joined", { cluster: answer.clusterId, node: answer.nodeId });
        return answer;
      }
      if (answer.kind === "refused") {
        throw new CliFailure("refused", [`Cannot join the cluster: ${answer.text}`]);
      }
      this.#say(answer.text);
      await this.#pause();
    }
    return undefined;
  }

  /** Lets `run` come to its end soon. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  #request(): JoinRequest {
    const { settings } = this.#options;
    const { node, raft } = settings;
    return {
      ...addressesOf(settings, NodeId(node.id ?? 1)),
      as: raft.joinAs,
      nodeId: node.id === undefined ? undefined : NodeId(node.id),
      replaces: raft.joinReplaces === undefined ? undefined : NodeId(raft.joinReplaces),
      featureLevel: FEATURE_LEVEL,
    };
  }

  #say(text: string): void {
    const nowMs = this.#options.platform.clock.nowMs();
    if (text === this.#lastAnswer && nowMs - this.#saidAtMs < REMINDER_MS) return;
    this.#lastAnswer = text;
    this.#saidAtMs = nowMs;
    this.#options.logger.warn("not joined yet, trying again", { why: text });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.platform.clock.setTimer(PAUSE_MS, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      if (this.#stopped) this.#wake();
    });
  }
}
