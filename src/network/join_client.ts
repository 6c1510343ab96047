/** Asks a member of a running cluster to take this process in. */

import { assert, formatHostPort, type HostPort, parseHostPort } from "../base/mod.ts";
import { PlatformError, type Timer } from "../platform/mod.ts";
import { connect } from "./connect.ts";
import { NetworkCounters } from "./counters.ts";
import { DialledConnection, type DialledEvents, type Errand } from "./dialled_connection.ts";
import { type Frame, FRAME_JOIN, FRAME_JOIN_ANSWER } from "./frame.ts";
import { checkChallenge, helloOf } from "./handshake.ts";
import { NONCE_BYTES } from "./handshake_codec.ts";
import type { JoinAnswer, JoinRequest } from "./join.ts";
import { decodeJoinAnswer, encodeJoinRequest, JOIN_ANSWER_BYTES_MAX } from "./join_codec.ts";
import { Lifetimes } from "./lifetimes.ts";
import { checkedLimits } from "./limits.ts";
import type { ConnectionContext } from "./link_context.ts";
import type { Refusal } from "./refusal.ts";

/** The parts of the platform that a join uses. */
export type JoinPlatform = Pick<ConnectionContext, "net" | "clock" | "process">;

/** Whom to ask, and what. */
export interface JoinOptions {
  /** The peer listener of a member, whichever. */
  readonly address: HostPort;
  /** Shared by the cluster; empty for none. */
  readonly secret: Uint8Array;
  readonly request: JoinRequest;
  /** For all of it, > 0. A change of members takes as long as a write or two. */
  readonly timeoutMs: number;
}

/** A member is busy or starting for no longer than this before it says hello. */
const HELLO_TIMEOUT_MS = 5000;

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check the address, and that the member runs",
  ETIMEDOUT: "there is no answer; check the address and the firewall",
  ENOTFOUND: "no such host is known; check the address",
};

/**
 * Asks once. Never rejects for what the network or the other side does: a failure that may pass is
 * `tryAgain`, one that will not is `refused`, and each text says what to do. After `tryAgain` the
 * node may have been added all the same.
 */
export function joinCluster(platform: JoinPlatform, options: JoinOptions): Promise<JoinAnswer> {
  return new JoinAttempt(platform, options).run();
}

class JoinAttempt {
  readonly #options: JoinOptions;
  readonly #context: ConnectionContext;
  readonly #place: string;
  #dialled: DialledConnection | undefined;
  #deadline: Timer | undefined;
  #done: ((answer: JoinAnswer) => void) | undefined;

  constructor(platform: JoinPlatform, options: JoinOptions) {
    const { secret, timeoutMs } = options;
    const stepMs = Math.min(timeoutMs, HELLO_TIMEOUT_MS);
    this.#options = options;
    this.#place = formatHostPort(options.address);
    this.#context = {
      ...platform,
      secret,
      limits: checkedLimits({ connectTimeoutMs: stepMs, handshakeTimeoutMs: stepMs }),
      counters: new NetworkCounters(),
      established: new Set(),
      lifetimes: new Lifetimes(),
    };
  }

  run(): Promise<JoinAnswer> {
    const { timeoutMs } = this.#options;
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#deadline = this.#context.clock.setTimer(timeoutMs, () => this.#onTimeout());
      void this.#dial();
    });
  }

  async #dial(): Promise<void> {
    const connection = await connect(this.#context, this.#options.address);
    if (connection instanceof PlatformError) {
      return this.#fail("tryAgain", UNREACHABLE[connection.code] ?? connection.message);
    }
    if (this.#done === undefined) return connection.destroy();
    this.#dialled = new DialledConnection(
      connection,
      this.#errand(),
      this.#context,
      this.#events(),
    );
    this.#dialled.begin();
  }

  /** This process has no id and no cluster yet: it says where it is and that it knows the secret. */
  #errand(): Errand {
    const { randomBytes } = this.#context.process;
    const { raftAddress, featureLevel } = this.#options.request;
    const address = parseHostPort(raftAddress);
    assert(address !== undefined, `Cannot join with "${raftAddress}": expected host:port`);
    const hello = helloOf({
      purpose: "join",
      expectedId: 0,
      pingIntervalMs: this.#context.limits.pingIntervalMs,
      nonce: randomBytes(NONCE_BYTES),
      nodeId: 0,
      incarnation: 0,
      clusterId: "",
      bootNonce: randomBytes(NONCE_BYTES),
      featureLevel,
      address,
    });
    return {
      hello,
      refusalOf: (challenge) => checkChallenge(challenge, hello),
      admit: () => ({ kind: "known" }),
    };
  }

  #events(): DialledEvents {
    return {
      onUp: () => {
        const { link } = this.#dialled!;
        link.acceptFrames(JOIN_ANSWER_BYTES_MAX);
        link.sendFrame(FRAME_JOIN, encodeJoinRequest(this.#options.request));
      },
      onFrame: (frame) => this.#onAnswer(frame),
      onDown: (kind, detail, refused) => {
        if (refused !== undefined) this.#onRefused(refused.refusal);
        else if (kind === "damaged" && this.#dialled!.phase === "challenge") this.#onStranger();
        else if (kind === "peerClosed" || kind === "retired") this.#onClosed();
        else this.#fail("tryAgain", `${detail}; check that a member of the cluster listens there`);
      },
    };
  }

  #onAnswer(frame: Frame): void {
    if (frame.type !== FRAME_JOIN_ANSWER) {
      return this.#fail("tryAgain", `it sent a frame of type ${frame.type} instead of an answer`);
    }
    this.#finish(decodeJoinAnswer(frame));
  }

  #onRefused({ code, text }: Refusal): void {
    this.#fail(
      "refused",
      code === "wrongSecret"
        ? "it has another secret; set raft.secret or raft.secret-file to the cluster's"
        : text,
    );
  }

  #onStranger(): void {
    this.#fail(
      "refused",
      "what answers there is no member of a Logboat cluster; give the raft address of one, " +
        "not the address for Redis clients or for the admin API",
    );
  }

  #onClosed(): void {
    this.#fail(
      "tryAgain",
      this.#dialled!.phase === "up"
        ? `the member went away before it answered; ${MAYBE_ADDED}`
        : "the connection was closed without an answer; check that a member listens there",
    );
  }

  #onTimeout(): void {
    const { timeoutMs } = this.#options;
    this.#fail(
      "tryAgain",
      this.#dialled?.phase === "up"
        ? `no answer within ${timeoutMs} ms; the cluster may have no leader; ${MAYBE_ADDED}`
        : `no answer within ${timeoutMs} ms; check that a member of the cluster listens there`,
    );
  }

  #fail(kind: "refused" | "tryAgain", why: string): void {
    this.#finish({ kind, text: `Cannot join through ${this.#place}: ${why}` });
  }

  #finish(answer: JoinAnswer): void {
    const done = this.#done;
    if (done === undefined) return;
    this.#done = undefined;
    this.#deadline?.cancel();
    this.#dialled?.end("shutDown");
    done(answer);
  }
}

const MAYBE_ADDED = "this node may have been added all the same";
