/** A simulated network: delay, loss, repetition, reordering, cuts; it counts what it carries. */

import type { NodeId, Prng } from "../../../src/base/mod.ts";
import type { RaftMessage } from "../../../src/raft/mod.ts";
import type { EventQueue } from "./event_queue.ts";

/** What happens to messages. Probabilities are 0 to 1. */
export interface LinkOptions {
  delayMs: { min: number; max: number };
  lossRequest: number;
  lossReply: number;
  repeat: number;
  /** Replies that are late by `lateMs`. */
  lateReply: number;
  lateMs: { min: number; max: number };
  /** Keeps the order of messages between two nodes, as one TCP connection does. */
  inOrder: boolean;
}

export function reliableLinks(min = 1, max = 5): LinkOptions {
  return {
    delayMs: { min, max },
    lossRequest: 0,
    lossReply: 0,
    repeat: 0,
    lateReply: 0,
    lateMs: { min: 0, max: 0 },
    inOrder: true,
  };
}

/** The labs' unreliable network: 0 to 26 ms, a tenth of requests and of replies lost. */
export function unreliableLinks(): LinkOptions {
  return {
    ...reliableLinks(0, 26),
    lossRequest: 0.1,
    lossReply: 0.1,
    lateMs: { min: 200, max: 2200 },
    inOrder: false,
  };
}

export class SimulatedNetwork {
  links: LinkOptions;
  /** Requests, as the labs count remote calls; replies are not calls. */
  requests = 0;
  bytes = 0;
  readonly #events: EventQueue;
  readonly #prng: Prng;
  readonly #deliver: (message: RaftMessage) => void;
  readonly #cutOff = new Set<NodeId>();
  /** Ordered pairs "from>to" that carry nothing. */
  readonly #cutPairs = new Set<string>();
  readonly #arrivalMs = new Map<string, number>();

  constructor(
    events: EventQueue,
    prng: Prng,
    links: LinkOptions,
    deliver: (message: RaftMessage) => void,
  ) {
    this.#events = events;
    this.#prng = prng;
    this.links = links;
    this.#deliver = deliver;
  }

  /** Cuts a node off from everybody, or joins it again. */
  setConnected(node: NodeId, connected: boolean): void {
    if (connected) this.#cutOff.delete(node);
    else this.#cutOff.add(node);
  }

  isConnected(node: NodeId): boolean {
    return !this.#cutOff.has(node);
  }

  cutPair(from: NodeId, to: NodeId): void {
    this.#cutPairs.add(`${from}>${to}`);
  }

  healPairs(): void {
    this.#cutPairs.clear();
  }

  carries(from: NodeId, to: NodeId): boolean {
    return !this.#cutOff.has(from) && !this.#cutOff.has(to) && !this.#cutPairs.has(`${from}>${to}`);
  }

  send(message: RaftMessage): void {
    const reply = isReply(message);
    if (!reply) this.requests++;
    this.bytes += sizeOf(message);
    const { links } = this;
    if (!this.carries(message.from, message.to)) return;
    if (this.#prng.chance(reply ? links.lossReply : links.lossRequest)) return;
    const copies = this.#prng.chance(links.repeat) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) this.#schedule(message, reply);
  }

  #schedule(message: RaftMessage, reply: boolean): void {
    const { links } = this;
    const { min, max } = links.delayMs;
    let delayMs = min + this.#prng.unit() * (max - min);
    if (reply && this.#prng.chance(links.lateReply)) {
      delayMs += this.#prng.between(links.lateMs.min, links.lateMs.max);
    }
    let atMs = this.#events.nowMs + delayMs;
    if (links.inOrder) {
      const pair = `${message.from}>${message.to}`;
      atMs = Math.max(atMs, this.#arrivalMs.get(pair) ?? 0);
      this.#arrivalMs.set(pair, atMs);
    }
    this.#events.at(atMs, () => {
      if (this.carries(message.from, message.to)) this.#deliver(message);
    });
  }
}

export function isReply(message: RaftMessage): boolean {
  return message.kind.endsWith("Reply");
}

/** About what a message takes on the wire: a fixed part and the records. */
function sizeOf(message: RaftMessage): number {
  let bytes = 48;
  if (message.kind === "appendEntries") {
    for (const entry of message.entries) bytes += entry.record.length;
  }
  return bytes;
}
