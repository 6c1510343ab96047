/**
 * This node's way to one peer for what is large and can wait: a connection of its own, so that no
 * heartbeat stands behind it (architecture D11). Dialled when there is something to send, closed
 * when there was nothing for a while. What is lost with it is asked for again by whoever wants it.
 */

import type { HostPort, NodeId } from "../base/mod.ts";
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
import { messageFrameBytes, writeMessage } from "./message_codec.ts";

type State =
  | { readonly kind: "idle" }
  /** After a failure: what is sent meanwhile is dropped. */
  | { readonly kind: "resting"; readonly timer: Timer }
  | { readonly kind: "connecting" }
  | { readonly kind: "handshaking"; readonly dialled: DialledConnection }
  | { readonly kind: "up"; readonly dialled: DialledConnection }
  | { readonly kind: "closed" };

const FAILURES_MAX = 16;

export class BulkLink {
  readonly #peer: NodeId;
  readonly #context: LinkContext;
  readonly #onDirty: (link: BulkLink) => void;
  #state: State = { kind: "idle" };
  /** Waits for the connection. */
  #queue: PeerMessage[] = [];
  #queueBytes = 0;
  #failures = 0;
  #dirty = false;
  #used = false;
  #idleTimer: Timer | undefined;

  constructor(peer: NodeId, context: LinkContext, onDirty: (link: BulkLink) => void) {
    this.#peer = peer;
    this.#context = context;
    this.#onDirty = onDirty;
  }

  /** Queues `message`, and dials `address` if need be. False when it is dropped. */
  send(message: PeerMessage, address: HostPort): boolean {
    const { counters, limits } = this.#context;
    const state = this.#state;
    const bytes = messageFrameBytes(message);
    const pendingBytes = state.kind === "up" ? state.dialled.link.pendingBytes : this.#queueBytes;
    // An empty queue takes any frame, so that a large one gets through at all.
    const fits = pendingBytes === 0 || pendingBytes + bytes <= limits.bulkQueueBytesMax;
    const works = state.kind !== "resting" && state.kind !== "closed";
    if (!works || !fits || bytes > limits.frameBytesMax) {
      counters.messagesDropped++;
      return false;
    }
    if (state.kind === "up") {
      this.#write(state.dialled, message, bytes);
      if (!this.#dirty) this.#onDirty(this);
      this.#dirty = true;
      return true;
    }
    this.#queue.push(message);
    this.#queueBytes += bytes;
    if (state.kind === "idle") void this.#dial(address);
    return true;
  }

  flush(): void {
    this.#dirty = false;
    if (this.#state.kind === "up") this.#state.dialled.link.flush();
  }

  /** The process that this led to is gone: the next message goes to the next one. */
  drop(): void {
    if (this.#state.kind !== "closed") this.#leave("retire", { kind: "idle" });
  }

  /** `retire` says that this process lives, `shutDown` does not. */
  close(how: "retire" | "shutDown"): void {
    this.#leave(how, { kind: "closed" });
  }

  async #dial(address: HostPort): Promise<void> {
    const attempt: State = { kind: "connecting" };
    this.#state = attempt;
    const connection = await connect(this.#context, address);
    if (connection instanceof PlatformError) {
      if (this.#state === attempt) this.#failed(connection.message);
      return;
    }
    if (this.#state !== attempt) return connection.destroy();
    const dialled: DialledConnection = new DialledConnection(
      connection,
      errandTo(this.#peer, "bulk", this.#context),
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
      onUp: () => {
        if (isCurrent()) this.#onUp(dialled());
      },
      onFrame: refuseFrame,
      onDown: (_kind, detail) => {
        if (isCurrent()) this.#failed(detail);
      },
    };
  }

  #onUp(dialled: DialledConnection): void {
    const { changeLog, limits } = this.#context;
    dialled.link.establish({ pings: true, silentTicksMax: limits.silentIntervalsMax });
    this.#state = { kind: "up", dialled };
    this.#failures = 0;
    changeLog.clear(`bulk:${this.#peer}`);
    const waiting = this.#queue;
    this.#clearQueue();
    for (const message of waiting) this.#write(dialled, message, messageFrameBytes(message));
    dialled.link.flush();
    this.#watchIdle();
  }

  #write(dialled: DialledConnection, message: PeerMessage, bytes: number): void {
    writeMessage(dialled.link.output, message);
    this.#context.counters.sent(message.kind, bytes);
    this.#used = true;
  }

  #watchIdle(): void {
    this.#used = false;
    this.#idleTimer = this.#context.clock.setTimer(this.#context.limits.bulkIdleMs, () => {
      if (this.#state.kind !== "up") return;
      if (this.#used || this.#state.dialled.link.pendingBytes > 0) this.#watchIdle();
      else this.drop();
    });
  }

  #failed(detail: string): void {
    const { changeLog, clock, limits } = this.#context;
    const text = `No link for snapshots and repairs to node ${this.#peer}: ${detail}`;
    changeLog.warn(`bulk:${this.#peer}`, text);
    const { redialDelayMinMs, redialDelayMaxMs } = limits;
    const restMs = Math.min(redialDelayMaxMs, redialDelayMinMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, FAILURES_MAX);
    const timer = clock.setTimer(restMs, () => this.#state = { kind: "idle" });
    this.#leave("retire", { kind: "resting", timer });
  }

  #leave(how: "retire" | "shutDown", next: State): void {
    const state = this.#state;
    this.#state = next;
    this.#idleTimer?.cancel();
    if (state.kind === "resting") state.timer.cancel();
    if (state.kind === "up" || state.kind === "handshaking") state.dialled.end(how);
    this.#context.counters.messagesDropped += this.#queue.length;
    this.#clearQueue();
  }

  #clearQueue(): void {
    this.#queue = [];
    this.#queueBytes = 0;
  }
}
