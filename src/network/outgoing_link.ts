/**
 * This node's way to one peer: dials, redials with growing pauses, queues messages while it is up
 * and drops them while it is not. A peer may be at the address that this node was given, or at the
 * one that its process tells in its handshakes: after a failure it is the other's turn.
 */

import { formatHostPort, type HostPort, type NodeId } from "../base/mod.ts";
import { PlatformError, type Timer } from "../platform/mod.ts";
import type { PeerMessage } from "../raft/mod.ts";
import { connect } from "./connect.ts";
import {
  DialledConnection,
  type DialledEvents,
  errandTo,
  refuseFrame,
} from "./dialled_connection.ts";
import type { LinkContext } from "./link_context.ts";
import { isShort, messageFrameBytes, writeMessage } from "./message_codec.ts";
import type { Admission } from "./peer_directory.ts";
import type { Identity } from "./handshake_codec.ts";
import type { Refusal } from "./refusal.ts";

export interface OutgoingEvents {
  onUp(identity: Identity, admission: Admission): void;
  /** The peer's process closed the established link. */
  onPeerClosed(peer: NodeId): void;
  onRefused(peer: NodeId, refusal: Refusal): void;
  /** The link has output that `flush` should send. */
  onDirty(link: OutgoingLink): void;
}

type State =
  | { readonly kind: "noAddress" }
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "connecting" }
  | { readonly kind: "handshaking"; readonly dialled: DialledConnection }
  | { readonly kind: "up"; readonly dialled: DialledConnection; readonly sinceMs: number }
  | { readonly kind: "closed" };

/** 2^16 times the smallest pause is above any largest one. */
const FAILURES_MAX = 16;

export class OutgoingLink {
  readonly peer: NodeId;
  /** Where this node was told that the peer is; undefined when it was not. */
  #given: HostPort | undefined;
  /** Where the peer says that it is. */
  #told: HostPort | undefined;
  #triesTold = false;
  readonly #context: LinkContext;
  readonly #events: OutgoingEvents;
  #state: State = { kind: "noAddress" };
  #failures = 0;
  #wasUp = false;
  /** The peer has shown that it is there while a dial was under way: do not wait after that one. */
  #urgent = false;
  #dirty = false;

  constructor(peer: NodeId, context: LinkContext, events: OutgoingEvents) {
    this.peer = peer;
    this.#context = context;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#state.kind === "up";
  }

  /** Where the peer is dialled now, or next. */
  get address(): HostPort | undefined {
    return this.#triesTold ? this.#told ?? this.#given : this.#given ?? this.#told;
  }

  /** Dials now unless a dial is under way or done. */
  dialNow(): void {
    const state = this.#state;
    if (state.kind === "connecting") this.#urgent = true;
    if (state.kind !== "waiting" && state.kind !== "noAddress") return;
    if (state.kind === "waiting") state.timer.cancel();
    this.#failures = 0;
    this.#dial();
  }

  /** Leaves the connection that there is, for one to a dead process, and dials again. */
  redial(): void {
    const state = this.#state;
    if (state.kind === "up" || state.kind === "handshaking") {
      state.dialled.end("retire");
      this.#state = { kind: "noAddress" };
    }
    this.dialNow();
  }

  /** The peer is to be found at `address`, as this node was told. A connection that is up stays. */
  move(address: HostPort): void {
    this.#given = address.port === 0 ? undefined : address;
    this.#triesTold = false;
  }

  /** The peer is there, and says where it wants to be dialled. */
  learn(address: HostPort): void {
    this.#told = address;
    this.dialNow();
  }

  send(message: PeerMessage): boolean {
    const { counters, limits } = this.#context;
    if (this.#state.kind !== "up") {
      counters.messagesDropped++;
      return false;
    }
    const { link } = this.#state.dialled;
    const bytes = messageFrameBytes(message);
    if (bytes > limits.frameBytesMax) {
      this.#context.changeLog.warn(
        `large:${message.to}`,
        `Cannot send ${message.kind} to node ${message.to}: it has ${bytes} bytes, ` +
          `expected at most ${limits.frameBytesMax}`,
      );
      counters.messagesDropped++;
      return false;
    }
    const pendingBytes = link.pendingBytes;
    const room = limits.queueBytesMax + (isShort(message) ? limits.queueReserveBytes : 0);
    // An empty queue takes any frame, so that a large one gets through at all.
    if (pendingBytes > 0 && pendingBytes + bytes > room) {
      counters.messagesDropped++;
      return false;
    }
    writeMessage(link.output, message);
    counters.sent(message.kind, bytes);
    if (!this.#dirty) {
      this.#dirty = true;
      this.#events.onDirty(this);
    }
    return true;
  }

  flush(): void {
    this.#dirty = false;
    if (this.#state.kind === "up") this.#state.dialled.link.flush();
  }

  /** `retire` says that this process lives, `shutDown` does not. */
  close(how: "retire" | "shutDown"): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "waiting") state.timer.cancel();
    if (state.kind === "up" || state.kind === "handshaking") state.dialled.end(how);
  }

  #dial(): void {
    const { address } = this;
    if (address === undefined) {
      this.#state = { kind: "noAddress" };
      return;
    }
    this.#state = { kind: "connecting" };
    this.#urgent = false;
    void this.#connect(address);
  }

  async #connect(address: HostPort): Promise<void> {
    const connection = await connect(this.#context, address);
    if (connection instanceof PlatformError) {
      if (this.#state.kind === "connecting") this.#failed(connection.message);
      return;
    }
    if (this.#state.kind !== "connecting") return connection.destroy();
    const dialled: DialledConnection = new DialledConnection(
      connection,
      errandTo(this.peer, "messages", this.#context),
      this.#context,
      this.#eventsOf(() => dialled),
    );
    this.#state = { kind: "handshaking", dialled };
    dialled.begin();
  }

  /** Events of a connection that is no longer this link's are ignored. */
  #eventsOf(dialled: () => DialledConnection): DialledEvents {
    const isCurrent = () => "dialled" in this.#state && this.#state.dialled === dialled();
    return {
      onUp: (admission, challenge) => {
        if (isCurrent()) this.#onUp(dialled(), admission, challenge);
      },
      onFrame: refuseFrame,
      onDown: (kind, detail, refused) => {
        if (!isCurrent()) return;
        if (refused !== undefined) this.#failures = FAILURES_MAX;
        const peerClosed = this.#state.kind === "up" && kind === "peerClosed";
        this.#lost(detail);
        if (refused?.received) this.#events.onRefused(this.peer, refused.refusal);
        if (peerClosed) this.#events.onPeerClosed(this.peer);
      },
    };
  }

  #onUp(dialled: DialledConnection, admission: Admission, identity: Identity): void {
    const { clock, counters, changeLog, limits, logger } = this.#context;
    dialled.link.establish({ pings: true, silentTicksMax: limits.silentIntervalsMax });
    this.#state = { kind: "up", dialled, sinceMs: clock.nowMs() };
    if (this.#wasUp) counters.reconnects++;
    this.#wasUp = true;
    this.#told = identity.address;
    changeLog.clear(`out:${this.peer}`);
    logger.info(`Connected to node ${this.peer}`, { remote: dialled.link.remote });
    this.#events.onUp(identity, admission);
  }

  #lost(detail: string): void {
    const state = this.#state;
    if (state.kind === "up") {
      const upMs = this.#context.clock.nowMs() - state.sinceMs;
      if (upMs >= this.#context.limits.redialDelayMaxMs) this.#failures = 0;
    }
    this.#failed(detail);
  }

  #failed(detail: string): void {
    const { address, peer } = this;
    this.#context.changeLog.warn(`out:${peer}`, `No link to node ${peer}: ${detail}`, {
      address: address === undefined ? "none" : formatHostPort(address),
    });
    this.#triesTold = !this.#triesTold;
    const { redialDelayMinMs, redialDelayMaxMs } = this.#context.limits;
    if (this.#urgent) this.#failures = 0;
    const pauseMs = Math.min(redialDelayMaxMs, redialDelayMinMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, FAILURES_MAX);
    const delayMs = pauseMs * (1 - this.#context.prng.unit() / 2);
    const timer = this.#context.clock.setTimer(delayMs, () => this.#dial());
    this.#state = { kind: "waiting", timer };
  }
}
