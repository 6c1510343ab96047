/** The acceptor's side of one connection: checks who dials, then delivers their messages. */

import { assert, DecodeError, NodeId } from "../base/mod.ts";
import type { Connection, Timer } from "../platform/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import {
  type Frame,
  FRAME_CHALLENGE,
  FRAME_HELLO,
  FRAME_JOIN,
  FRAME_JOIN_ANSWER,
  FRAME_PROOF,
  FRAME_REFUSED,
  FRAME_WELCOME,
} from "./frame.ts";
import {
  bulkFirst,
  checkHello,
  equalBytes,
  proofInput,
  PROTOCOL_VERSION_MAX,
  wrongSecretOfDialler,
} from "./handshake.ts";
import {
  decodeHello,
  decodeProof,
  decodeRefusal,
  encodeChallenge,
  encodeRefusal,
  type Hello,
  type Identity,
  NONCE_BYTES,
} from "./handshake_codec.ts";
import type { JoinAnswer, JoinRequest } from "./join.ts";
import { decodeJoinRequest, encodeJoinAnswer } from "./join_codec.ts";
import type { LinkContext } from "./link_context.ts";
import { isBulkKind, readMessage } from "./message_codec.ts";
import { type EndKind, PeerConnection, type PeerConnectionOwner } from "./peer_connection.ts";
import type { Admission } from "./peer_directory.ts";
import type { Refusal } from "./refusal.ts";

export interface AcceptedEvents {
  /** The handshake of a link is done. `admission` is `known` or `replaced`. */
  onUp(accepted: AcceptedConnection, identity: Identity, admission: Admission): void;
  onMessage(message: PeerMessage): void;
  /** A process that knows the secret asks to join; `answer` ends the connection. */
  onJoin(accepted: AcceptedConnection, request: JoinRequest): void;
  /** Once, unless ended from outside; `peer` is undefined before the handshake is done. */
  onDown(accepted: AcceptedConnection, peer: NodeId | undefined, kind: EndKind | "handshake"): void;
}

type Phase =
  | { readonly kind: "hello" }
  | {
    readonly kind: "proof";
    readonly hello: Hello;
    readonly helloFields: Uint8Array;
    readonly challengeFields: Uint8Array;
  }
  | { readonly kind: "up"; readonly peer: NodeId; readonly bulk: boolean }
  /** It has proven itself and is about to say what it wants. */
  | { readonly kind: "join" }
  | { readonly kind: "answer" };

/** Ping intervals outside of this range are taken as its ends. */
const PING_INTERVAL_MS_MAX = 60_000;

export class AcceptedConnection implements PeerConnectionOwner {
  readonly link: PeerConnection;
  readonly #context: LinkContext;
  readonly #events: AcceptedEvents;
  #deadline: Timer;
  #phase: Phase = { kind: "hello" };

  constructor(connection: Connection, context: LinkContext, events: AcceptedEvents) {
    this.#context = context;
    this.#events = events;
    this.link = new PeerConnection(connection, context, this);
    this.#deadline = context.clock.setTimer(context.limits.handshakeTimeoutMs, () => this.#drop());
  }

  begin(): void {
    this.link.begin();
    this.link.flush();
  }

  /** True for a link of a member that carries what is large. */
  get isBulk(): boolean {
    return this.#phase.kind === "up" && this.#phase.bulk;
  }

  /** Answers a join, if who asked is still there. */
  answer(answer: JoinAnswer): void {
    if (this.link.ended) return;
    const { fields, body } = encodeJoinAnswer(answer);
    this.#deadline.cancel();
    this.link.sendFrame(FRAME_JOIN_ANSWER, fields, body);
    this.link.shutDown();
    this.#events.onDown(this, undefined, "handshake");
  }

  /** Ends it without a report: `retire` says that this process lives, `shutDown` does not. */
  end(how: "retire" | "shutDown" | "destroy"): void {
    this.#deadline.cancel();
    if (how === "destroy") this.link.destroy();
    else if (how === "retire" && this.#phase.kind === "up") this.link.retire();
    else this.link.shutDown();
  }

  onFrame(frame: Frame): void {
    const message = this.#decode(frame);
    if (message === undefined) return;
    this.#context.counters.received(message.kind);
    this.#events.onMessage(message);
  }

  onEnded(kind: EndKind, detail: string): void {
    this.#deadline.cancel();
    if (kind === "damaged" || kind === "silent") {
      const from = this.#phase.kind === "up" ? `node ${this.#phase.peer}` : "a stranger";
      this.#context.changeLog.warn(`in:${from}`, `Dropped a connection from ${from}: ${detail}`, {
        remote: this.link.remote,
      });
    }
    const peer = this.#phase.kind === "up" ? this.#phase.peer : undefined;
    this.#events.onDown(this, peer, kind);
  }

  /** A frame's message, or undefined when it was a step of the handshake or damaged. */
  #decode(frame: Frame): PeerMessage | undefined {
    try {
      if (this.#phase.kind === "up") return this.#read(frame, this.#phase);
      this.#stepHandshake(frame, this.#phase);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.link.damaged(error);
    }
    return undefined;
  }

  #read(frame: Frame, { peer, bulk }: Extract<Phase, { kind: "up" }>): PeerMessage {
    const message = readMessage(frame, peer, this.#context.self.nodeId);
    if (isBulkKind(message.kind) === bulk) return message;
    throw new DecodeError(
      `Cannot accept ${message.kind} on this link: it belongs on the other one`,
    );
  }

  #stepHandshake(frame: Frame, phase: Exclude<Phase, { kind: "up" }>): void {
    if (phase.kind === "hello" && frame.type === FRAME_HELLO) {
      this.#onHello(frame);
    } else if (phase.kind === "proof" && frame.type === FRAME_PROOF) {
      this.#onProof(decodeProof(frame.fields), phase);
    } else if (phase.kind === "proof" && frame.type === FRAME_REFUSED) {
      const refusal = decodeRefusal(frame.fields);
      this.#report(phase.hello, refusal, "The peer refused this node");
      this.#drop();
    } else if (phase.kind === "join" && frame.type === FRAME_JOIN) {
      this.#onJoin(decodeJoinRequest(frame));
    } else {
      throw new DecodeError(`Cannot accept frame of type ${frame.type}: expected a ${phase.kind}`);
    }
  }

  #onHello(frame: Frame): void {
    const helloFields = frame.fields.buffer.slice(frame.fields.at, frame.fields.end);
    const hello = decodeHello(frame.fields);
    const { self } = this.#context;
    const refusal = checkHello(hello, self);
    if (refusal !== undefined) return this.#refuse(hello, refusal);
    const challengeFields = encodeChallenge({
      ...self,
      version: Math.min(hello.versionMax, PROTOCOL_VERSION_MAX),
      nonce: this.#context.process.randomBytes(NONCE_BYTES),
    });
    this.#phase = { kind: "proof", hello, helloFields, challengeFields };
    this.link.sendFrame(FRAME_CHALLENGE, challengeFields);
  }

  #onProof(proof: Uint8Array, phase: Extract<Phase, { kind: "proof" }>): void {
    const { hello } = phase;
    if (!equalBytes(proof, this.#proof("dialler", phase))) {
      return this.#refuse(hello, wrongSecretOfDialler(hello));
    }
    if (hello.purpose === "join") {
      this.link.sendFrame(FRAME_WELCOME, this.#proof("acceptor", phase));
      this.#phase = { kind: "join" };
      return;
    }
    const bulk = hello.purpose === "bulk";
    if (bulk && !this.#context.directory.isKnown(hello.nodeId)) {
      return this.#refuse(hello, bulkFirst(hello));
    }
    const admission = this.#context.directory.admit(hello);
    if (admission.kind === "refused") return this.#refuse(hello, admission.refusal);
    const peer = NodeId(hello.nodeId);
    this.#deadline.cancel();
    this.link.sendFrame(FRAME_WELCOME, this.#proof("acceptor", phase));
    this.#phase = { kind: "up", peer, bulk };
    this.link.establish({ pings: false, silentTicksMax: this.#silentTicksMax(hello) });
    for (const key of [`in:node ${peer}`, `refused:${peer}`]) this.#context.changeLog.clear(key);
    this.#events.onUp(this, hello, admission);
  }

  #onJoin(request: JoinRequest): void {
    const { clock, limits } = this.#context;
    this.#deadline.cancel();
    this.#phase = { kind: "answer" };
    this.#deadline = clock.setTimer(limits.joinTimeoutMs, () => {
      const text =
        "The cluster has not decided in time; it may have no leader. Look at its members";
      this.answer({ kind: "tryAgain", text });
    });
    this.#events.onJoin(this, request);
  }

  /** In ticks of this node, for pings that come in the dialler's interval. */
  #silentTicksMax(hello: Hello): number {
    const { pingIntervalMs, silentIntervalsMax } = this.#context.limits;
    const theirs = Math.min(hello.pingIntervalMs, PING_INTERVAL_MS_MAX);
    return Math.ceil(silentIntervalsMax * Math.max(1, theirs / pingIntervalMs));
  }

  #proof(role: "dialler" | "acceptor", phase: Extract<Phase, { kind: "proof" }>): Uint8Array {
    const input = proofInput(role, phase.helloFields, phase.challengeFields);
    return this.#context.process.hmacSha256(this.#context.secret, input);
  }

  #refuse(hello: Hello, refusal: Refusal): void {
    assert(this.#phase.kind !== "up", "Cannot refuse a link that is up");
    this.#report(hello, refusal, "Refused a peer");
    this.#deadline.cancel();
    this.link.sendFrame(FRAME_REFUSED, encodeRefusal(refusal));
    this.link.shutDown();
    this.#events.onDown(this, undefined, "handshake");
  }

  /** Known ids have a line each; strangers, who can claim any id, share one a reason. */
  #report(hello: Hello, refusal: Refusal, what: string): void {
    this.#context.counters.handshakesRefused++;
    const known = this.#context.directory.isKnown(hello.nodeId);
    const key = known ? `refused:${hello.nodeId}` : `refused:${refusal.code}`;
    this.#context.changeLog.warn(key, `${what}: ${refusal.text}`, { remote: this.link.remote });
  }

  /** Before the handshake is done: nobody to say goodbye to. */
  #drop(): void {
    this.#deadline.cancel();
    this.link.destroy();
    this.#events.onDown(this, undefined, "handshake");
  }
}
