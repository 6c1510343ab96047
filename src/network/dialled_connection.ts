/** The dialler's side of one connection: proves itself, checks the acceptor, then carries messages. */

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
  proofInput,
  PROTOCOL_VERSION_MAX,
  PROTOCOL_VERSION_MIN,
  wrongSecret,
} from "./handshake.ts";
import {
  type Challenge,
  decodeChallenge,
  decodeProof,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  NONCE_BYTES,
} from "./handshake_codec.ts";
import type { LinkContext } from "./link_context.ts";
import { type EndKind, PeerConnection, type PeerConnectionOwner } from "./peer_connection.ts";
import type { Admission } from "./peer_directory.ts";
import type { Refusal } from "./refusal.ts";

export interface DialledEvents {
  /** The handshake is done. `admission` is `known` or `replaced`. */
  onUp(admission: Admission, challenge: Challenge): void;
  /** Once; `refusal` when that is why, `received` when it was the peer's. */
  onDown(
    kind: EndKind | "timeout" | "refused",
    detail: string,
    refusal?: { readonly received: boolean; readonly refusal: Refusal },
  ): void;
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
  readonly #context: LinkContext;
  readonly #events: DialledEvents;
  readonly #hello: Parameters<typeof encodeHello>[0];
  readonly #helloFields: Uint8Array;
  readonly #deadline: Timer;
  #phase: Phase = { kind: "challenge" };

  constructor(connection: Connection, peer: NodeId, context: LinkContext, events: DialledEvents) {
    this.#context = context;
    this.#events = events;
    this.#hello = {
      ...context.self,
      versionMin: PROTOCOL_VERSION_MIN,
      versionMax: PROTOCOL_VERSION_MAX,
      purpose: "messages",
      expectedId: peer,
      pingIntervalMs: context.limits.pingIntervalMs,
      nonce: context.process.randomBytes(NONCE_BYTES),
    };
    this.#helloFields = encodeHello(this.#hello);
    this.link = new PeerConnection(connection, context, this);
    this.#deadline = context.clock.setTimer(
      context.limits.handshakeTimeoutMs,
      () => this.#onTimeout(),
    );
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
      this.#stepHandshake(frame);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.link.damaged(error);
    }
  }

  onEnded(kind: EndKind, detail: string): void {
    this.#deadline.cancel();
    this.#events.onDown(kind, detail);
  }

  #stepHandshake(frame: Frame): void {
    const phase = this.#phase;
    if (phase.kind === "up") {
      throw new DecodeError(`Cannot accept frame of type ${frame.type}: expected answers to pings`);
    }
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
    const refusal = checkChallenge(challenge, this.#hello) ??
      this.#context.directory.refusalOf(challenge);
    if (refusal !== undefined) return this.#refuse(refusal, false);
    this.#phase = { kind: "welcome", challenge, challengeFields };
    this.link.sendFrame(FRAME_PROOF, this.#proof("dialler", challengeFields));
  }

  #onWelcome(proof: Uint8Array, phase: Extract<Phase, { kind: "welcome" }>): void {
    if (!equalBytes(proof, this.#proof("acceptor", phase.challengeFields))) {
      return this.#refuse(wrongSecret(this.#hello.expectedId), false);
    }
    const admission = this.#context.directory.admit(phase.challenge);
    if (admission.kind === "refused") return this.#refuse(admission.refusal, false);
    this.#phase = { kind: "up" };
    this.#deadline.cancel();
    this.link.establish({
      pings: true,
      silentTicksMax: this.#context.limits.silentIntervalsMax,
    });
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
