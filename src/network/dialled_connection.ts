/** The dialler's side of one connection: proves itself, checks the acceptor, then carries frames. */

import { assert, DecodeError, type NodeId } from "../base/mod.ts";
import type { Connection, Timer } from "../platform/mod.ts";
import {
  type Frame,
  FRAME_CHALLENGE,
  FRAME_HELLO,
  FRAME_PROOF,
  FRAME_REFUSED,
  FRAME_WELCOME,
} from "./frame.ts";
import {
  checkChallenge,
  equalBytes,
  helloOf,
  proofInput,
  wrongSecretOfAcceptor,
} from "./handshake.ts";
import {
  type Challenge,
  decodeChallenge,
  decodeProof,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  NONCE_BYTES,
  type SentHello,
} from "./handshake_codec.ts";
import type { ConnectionContext, LinkContext } from "./link_context.ts";
import { type EndKind, PeerConnection, type PeerConnectionOwner } from "./peer_connection.ts";
import type { Admission } from "./peer_directory.ts";
import type { Refusal } from "./refusal.ts";

export interface DialledEvents {
  /** The handshake is done. `admission` is `known` or `replaced`. */
  onUp(admission: Admission, challenge: Challenge): void;
  /** A frame on the link that is up; throws `DecodeError` for one that has no place there. */
  onFrame(frame: Frame): void;
  /** Once; `refusal` when that is why, `received` when it was the peer's. */
  onDown(
    kind: EndKind | "timeout" | "refused",
    detail: string,
    refusal?: { readonly received: boolean; readonly refusal: Refusal },
  ): void;
}

/** What is said to the acceptor, and what is thought of it. */
export interface Errand {
  readonly hello: SentHello;
  /** Why this is not whom the dialler wants to reach; asked before anything is proven. */
  refusalOf(challenge: Challenge): Refusal | undefined;
  /** The last word, once the acceptor has proven the secret. */
  admit(challenge: Challenge): Admission;
}

type Phase =
  | { readonly kind: "challenge" }
  | {
    readonly kind: "welcome";
    readonly challenge: Challenge;
    readonly challengeFields: Uint8Array;
  }
  | { readonly kind: "up" };

export class DialledConnection implements PeerConnectionOwner {
  readonly link: PeerConnection;
  readonly #context: ConnectionContext;
  readonly #events: DialledEvents;
  readonly #errand: Errand;
  readonly #helloFields: Uint8Array;
  readonly #deadline: Timer;
  #phase: Phase = { kind: "challenge" };

  constructor(
    connection: Connection,
    errand: Errand,
    context: ConnectionContext,
    events: DialledEvents,
  ) {
    this.#context = context;
    this.#events = events;
    this.#errand = errand;
    this.#helloFields = encodeHello(errand.hello);
    this.link = new PeerConnection(connection, context, this);
    this.#deadline = context.clock.setTimer(
      context.limits.handshakeTimeoutMs,
      () => this.#onTimeout(),
    );
  }

  /** What the dialler waits for; `up` when it waits for nothing. */
  get phase(): Phase["kind"] {
    return this.#phase.kind;
  }

  begin(): void {
    this.link.begin();
    this.link.sendFrame(FRAME_HELLO, this.#helloFields);
  }

  /** Ends it without a report: `retire` says that this process lives, `shutDown` does not. */
  end(how: "retire" | "shutDown"): void {
    this.#deadline.cancel();
    if (how === "retire" && this.#phase.kind === "up") this.link.retire();
    else this.link.shutDown();
  }

  onFrame(frame: Frame): void {
    try {
      if (this.#phase.kind === "up") this.#events.onFrame(frame);
      else this.#stepHandshake(frame, this.#phase);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.link.damaged(error);
    }
  }

  onEnded(kind: EndKind, detail: string): void {
    this.#deadline.cancel();
    this.#events.onDown(kind, detail);
  }

  #stepHandshake(frame: Frame, phase: Exclude<Phase, { kind: "up" }>): void {
    if (frame.type === FRAME_REFUSED) {
      this.#refuse(decodeRefusal(frame.fields), true);
    } else if (phase.kind === "challenge" && frame.type === FRAME_CHALLENGE) {
      this.#onChallenge(frame);
    } else if (phase.kind === "welcome" && frame.type === FRAME_WELCOME) {
      this.#onWelcome(decodeProof(frame.fields), phase);
    } else {
      throw new DecodeError(`Cannot accept frame of type ${frame.type}: expected a ${phase.kind}`);
    }
  }

  #onChallenge(frame: Frame): void {
    const challengeFields = frame.fields.buffer.slice(frame.fields.at, frame.fields.end);
    const challenge = decodeChallenge(frame.fields);
    const refusal = this.#errand.refusalOf(challenge);
    if (refusal !== undefined) return this.#refuse(refusal, false);
    this.#phase = { kind: "welcome", challenge, challengeFields };
    this.link.sendFrame(FRAME_PROOF, this.#proof("dialler", challengeFields));
  }

  #onWelcome(proof: Uint8Array, phase: Extract<Phase, { kind: "welcome" }>): void {
    if (!equalBytes(proof, this.#proof("acceptor", phase.challengeFields))) {
      return this.#refuse(wrongSecretOfAcceptor(phase.challenge.nodeId), false);
    }
    const admission = this.#errand.admit(phase.challenge);
    if (admission.kind === "refused") return this.#refuse(admission.refusal, false);
    this.#phase = { kind: "up" };
    this.#deadline.cancel();
    this.#events.onUp(admission, phase.challenge);
  }

  #proof(role: "dialler" | "acceptor", challengeFields: Uint8Array): Uint8Array {
    const input = proofInput(role, this.#helloFields, challengeFields);
    return this.#context.process.hmacSha256(this.#context.secret, input);
  }

  #refuse(refusal: Refusal, received: boolean): void {
    assert(this.#phase.kind !== "up", "Cannot refuse a link that is up");
    this.#deadline.cancel();
    this.#context.counters.handshakesRefused++;
    if (received) {
      this.link.destroy();
    } else {
      this.link.sendFrame(FRAME_REFUSED, encodeRefusal(refusal));
      this.link.shutDown();
    }
    this.#events.onDown("refused", refusal.text, { received, refusal });
  }

  #onTimeout(): void {
    this.link.destroy();
    this.#events.onDown("timeout", "the handshake took too long");
  }
}

/** On a link that this node dialled the peer only answers pings. */
export function refuseFrame({ type }: Frame): never {
  throw new DecodeError(`Cannot accept frame of type ${type}: expected answers to pings`);
}

/** Reaching one peer, for its messages or for what is large. */
export function errandTo(
  peer: NodeId,
  purpose: "messages" | "bulk",
  { self, limits, process, directory }: LinkContext,
): Errand {
  const nonce = process.randomBytes(NONCE_BYTES);
  const { pingIntervalMs } = limits;
  const hello = helloOf({ ...self, purpose, expectedId: peer, pingIntervalMs, nonce });
  return {
    hello,
    refusalOf: (challenge) => checkChallenge(challenge, hello) ?? directory.refusalOf(challenge),
    admit: (challenge) => directory.admit(challenge),
  };
}
