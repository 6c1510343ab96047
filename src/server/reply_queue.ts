/**
 * The replies of one connection, in the order of its requests (architecture D7), and how they are
 * written: protocol version, `CLIENT REPLY`, counters.
 *
 * Invariant: a slot without `ready` is one operation of the connection's lane, in the same order.
 */

import { assert, Ring } from "../base/mod.ts";
import type { Connection } from "../platform/mod.ts";
import { encodeReply, type Reply, RespError, type RespVersion } from "../resp/mod.ts";
import type { Command } from "./command_set.ts";
import type { RedisServer } from "./server.ts";

/** Builds the reply of EXEC from what the node answered. */
export type ReplyMerge = (reply: Reply) => Reply;

/** The place of one reply, from dispatch until it is written. */
interface ReplySlot {
  readonly command: Command | undefined;
  /** The protocol at the time of the command: a later HELLO does not change it. */
  readonly version: RespVersion;
  readonly muted: boolean;
  readonly startedMs: number;
  readonly requestBytes: number;
  readonly merge: ReplyMerge | undefined;
  /** Known already, and waits only for its turn; undefined: the node has yet to answer. */
  readonly ready: { readonly reply: Reply } | undefined;
}

export class ReplyQueue {
  version: RespVersion = 2;
  /** `CLIENT REPLY OFF`. */
  off = false;
  /** Bytes of the requests that the node has yet to answer. */
  requestBytes = 0;
  readonly #server: RedisServer;
  readonly #connection: Connection;
  readonly #slots: Ring<ReplySlot> = new Ring();
  #skipNext = false;
  #skipNow = false;

  constructor(server: RedisServer, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
  }

  /** Replies that are not written yet. */
  get length(): number {
    return this.#slots.length;
  }

  /** A new command begins: a `CLIENT REPLY SKIP` before it counts for it. */
  begin(): void {
    this.#skipNow = this.#skipNext;
    this.#skipNext = false;
  }

  /** The command is put off; it will begin again. */
  putOff(): void {
    this.#skipNext = this.#skipNow;
  }

  /** `CLIENT REPLY SKIP`: the next command is not answered. */
  skipNext(): void {
    if (!this.off) this.#skipNext = true;
  }

  /** `CLIENT REPLY ON`, which is answered itself. */
  turnOn(): void {
    this.off = false;
    this.#skipNow = false;
  }

  reset(): void {
    this.version = 2;
    this.off = false;
    this.#skipNow = false;
    this.#skipNext = false;
  }

  /** Keeps the place of a command that the node will answer. */
  await(
    command: Command,
    startedMs: number,
    requestBytes: number,
    merge: ReplyMerge | undefined,
  ): void {
    this.requestBytes += requestBytes;
    this.#slots.push({
      command,
      version: this.version,
      muted: this.off || this.#skipNow,
      startedMs,
      requestBytes,
      merge,
      ready: undefined,
    });
  }

  /** Answers the command at hand, when its turn comes. */
  add(reply: Reply): void {
    const muted = this.off || this.#skipNow;
    if (this.#slots.length === 0) return this.#write(reply, this.version, muted);
    this.#slots.push({
      command: undefined,
      version: this.version,
      muted,
      startedMs: 0,
      requestBytes: 0,
      merge: undefined,
      ready: { reply },
    });
  }

  /** The node has answered the oldest of its commands. */
  finish(answer: Reply): void {
    const slot = this.#slots.shift();
    assert(slot?.command !== undefined, "Cannot answer: nothing is pending at the node");
    const { command } = slot;
    const failed = typeof answer === "object" && answer instanceof RespError;
    const reply = slot.merge === undefined || failed ? answer : slot.merge(answer);
    this.requestBytes -= slot.requestBytes;
    command.calls++;
    command.elapsedMs += this.#server.turnMs() - slot.startedMs;
    if (failed) command.failed++;
    this.#write(reply, slot.version, slot.muted);
    for (let next = this.#slots.peek(); next?.ready !== undefined; next = this.#slots.peek()) {
      this.#slots.shift();
      this.#write(next.ready.reply, next.version, next.muted);
    }
  }

  #write(reply: Reply, version: RespVersion, muted: boolean): void {
    if (muted) return;
    const { stats } = this.#server;
    if (typeof reply === "object" && reply instanceof RespError) stats.countError(reply.text);
    const output = this.#connection.output;
    const before = output.length;
    encodeReply(output, reply, version);
    stats.outputBytes += output.length - before;
  }
}
