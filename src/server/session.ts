/**
 * One Redis connection: parses requests, runs session commands, hands data commands to its lane and
 * lets its reply queue answer them in order. Not in here: what a single command does, and anything
 * about keys.
 */

import { addressText } from "./address_text.ts";
import { assert } from "../base/mod.ts";
import type { Lane, OperationFailure, ReplyTarget, TransactionItem } from "../node/mod.ts";
import type { Connection, ConnectionHandler, PlatformError } from "../platform/mod.ts";
import { QUEUED, type Reply, type Request, RequestDecoder, RespError } from "../resp/mod.ts";
import type { Command } from "./command_set.ts";
import {
  execRefused,
  failureReply,
  NO_AUTH,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "./errors.ts";
import { type ReplyMerge, ReplyQueue } from "./reply_queue.ts";
import type { RedisServer } from "./server.ts";
import { BLOCKED, NO_REPLY, type SessionReply } from "./session_command.ts";
import { Transaction } from "./transaction.ts";

/** Operations in flight for one client; beyond it the connection is not read. */
const PENDING_MAX = 4096;
const PENDING_RESUME = PENDING_MAX / 2;
/** Commands served before the loop gets its turn, so that nobody else starves. */
const COMMANDS_PER_SLICE = 512;
/** Output worth a look at the limits while a turn is still going on. */
const OUTPUT_CHECK_BYTES = 256 * 1024;

export class Session implements ConnectionHandler, ReplyTarget {
  readonly id: number;
  readonly server: RedisServer;
  readonly connection: Connection;
  readonly connectedMs: number;
  lastInputMs: number;
  /** When the command that is still incomplete began to arrive; 0 when there is none. */
  assemblingSinceMs = 0;
  /** When the output passed the soft limit; 0 when it is below. */
  outputHighSinceMs = 0;

  db = 0;
  name = "";
  libraryName = "";
  libraryVersion = "";
  authenticated: boolean;
  noEvict = false;
  noTouch = false;
  transaction: Transaction | undefined = undefined;
  /** A command of EXEC is running: it must not block. */
  insideExec = false;
  lastCommand: Command | undefined = undefined;

  readonly replies: ReplyQueue;
  readonly #decoder: RequestDecoder;
  readonly lane: Lane;
  /** A command that must wait: for earlier replies, or for the end of CLIENT PAUSE. */
  #held: Request | undefined = undefined;
  #blocked: { readonly command: Command; readonly startedMs: number } | undefined = undefined;
  #onUnblocked: (() => void) | undefined = undefined;
  #inputEnded = false;
  #closing = false;
  #destroyed = false;
  #closed = false;
  #paused = false;
  #continues = false;
  #dirty = false;

  constructor(server: RedisServer, connection: Connection, id: number) {
    this.server = server;
    this.connection = connection;
    this.id = id;
    this.connectedMs = server.clock.nowMs();
    this.lastInputMs = this.connectedMs;
    this.authenticated = !server.authentication.required;
    this.#decoder = new RequestDecoder(server.decoderLimits);
    this.#decoder.authenticated = this.authenticated;
    this.lane = server.gateway.openLane();
    this.replies = new ReplyQueue(server, connection);
  }

  // Bytes in.

  onData(bytes: Uint8Array): void {
    if (this.#closing || this.#closed) return;
    const server = this.server;
    this.lastInputMs = server.clock.nowMs();
    server.stats.inputBytes += bytes.length;
    server.stats.reads++;
    this.#decoder.push(bytes);
    this.#serve();
  }

  /** As with `printf … | nc`: what was asked is answered before the end. */
  onEnd(): void {
    this.#inputEnded = true;
    if (!this.#closing && !this.#closed) this.#serve();
  }

  onClosed(_error: PlatformError | undefined): void {
    this.#closed = true;
    this.lane.close();
    this.#held = undefined;
    this.#onUnblocked?.();
    this.server.forget(this);
  }

  /** Goes on after a pause, in a turn of its own. */
  wake(): void {
    if (this.#continues || this.#closed) return;
    this.#continues = true;
    this.server.clock.setImmediate(this.#continue);
  }

  readonly #continue = (): void => {
    this.#continues = false;
    if (!this.#closed && !this.#closing) this.#serve();
  };

  #serve(): void {
    const more = this.#parse();
    this.#decoder.keep();
    if (more && this.#inputEnded) this.closeAfterReplies();
    else if (!more && !this.#paused) {
      this.#paused = true;
      this.connection.pause();
    } else if (more && this.#paused) {
      this.#paused = false;
      this.connection.resume();
    }
    this.#flush();
  }

  /** Serves what has arrived. False: something must happen before more input is of use. */
  #parse(): boolean {
    const decoder = this.#decoder;
    let left = COMMANDS_PER_SLICE;
    while (!this.#closing && !this.#closed) {
      if (this.#blocked !== undefined || this.#mustWait()) return false;
      if (this.#held !== undefined) {
        const held = this.#held;
        this.#held = undefined;
        this.#dispatch(held);
        if (this.#held !== undefined) return false;
        continue;
      }
      const step = decoder.next();
      if (step === "request") {
        this.#dispatch(decoder.request);
        if (--left > 0) continue;
        this.wake();
        return false;
      }
      if (step === "error") {
        this.#breakOff();
        return false;
      }
      this.#noteAssembly(left < COMMANDS_PER_SLICE);
      return true;
    }
    return false;
  }

  /** Too much of this client's, or of everybody's, is unfinished. */
  #mustWait(): boolean {
    if (this.replies.length >= PENDING_MAX) return true;
    if (this.replies.requestBytes >= this.server.settings.queryBytesMax) return true;
    if (!this.server.gateway.saturated) return false;
    this.server.wakeOnRelief(this);
    return true;
  }

  #noteAssembly(servedSome: boolean): void {
    if (this.#decoder.pendingBytes === 0) this.assemblingSinceMs = 0;
    else if (servedSome || this.assemblingSinceMs === 0) this.assemblingSinceMs = this.lastInputMs;
  }

  #breakOff(): void {
    this.server.stats.protocolErrors++;
    const error = this.#decoder.error;
    if (error !== "") {
      this.replies.begin();
      this.replies.add(new RespError(`ERR Protocol error: ${error}`));
    }
    this.closeAfterReplies();
  }

  // Commands.

  #dispatch(request: Request): void {
    this.replies.begin();
    const command = this.server.commands.lookup(request);
    if (command === undefined) return this.#refuseUnknown(request);
    if (command.subcommands.length > 0 && request.length > 1) {
      return this.#refuse(command, unknownSubcommand(command.name, request));
    }
    if (!command.accepts(request.length)) return this.#refuse(command, wrongArity(command.name));
    if (!this.authenticated && !command.noAuth) return this.#refuse(command, NO_AUTH);
    if (command.takesKeys && this.server.redirects) {
      const moved = this.server.redirection(this, command, request);
      if (moved !== undefined) return this.#refuse(command, moved);
    }
    this.lastCommand = command;
    if (this.transaction !== undefined && command.session?.notQueued !== true) {
      return this.#queue(command, request, this.transaction);
    }
    if (this.server.pausedUntilMs > 0 && this.#holdsWhilePaused(command)) {
      return this.#hold(request);
    }
    this.server.stats.commandsProcessed++;
    if (command.session !== undefined) return this.#runHere(command, request);
    if (command.route === "write") this.lane.write(this.db, request, this);
    else this.lane.read(this.db, request, this);
    this.#await(command, request.end - request.start, undefined);
  }

  #runHere(command: Command, request: Request): void {
    const session = command.session!;
    if (session.afterPending === true && this.replies.length > 0) return this.#hold(request);
    const startedMs = this.server.clock.nowMs();
    const reply = session.execute(this, request);
    if (reply === BLOCKED) {
      this.#blocked = { command, startedMs };
      return;
    }
    this.#count(command, startedMs, reply);
    if (reply !== NO_REPLY) this.replies.add(reply);
  }

  /** Ends a command that answered `BLOCKED`. */
  unblock(reply: SessionReply): void {
    const blocked = this.#blocked;
    assert(blocked !== undefined, "Cannot unblock a session that is not blocked");
    assert(reply !== BLOCKED, "Cannot unblock with a reply that blocks");
    this.#blocked = undefined;
    this.#onUnblocked = undefined;
    this.interrupt = undefined;
    if (this.#closed) return;
    this.#count(blocked.command, blocked.startedMs, reply);
    if (reply !== NO_REPLY) this.replies.add(reply);
    this.wake();
  }

  /** Ends a blocking command early (`CLIENT UNBLOCK`); undefined when nothing can be ended. */
  interrupt: ((reason: "timeout" | "error") => void) | undefined = undefined;

  /** What to undo (timers) when the client goes while its command blocks. */
  set onUnblocked(callback: () => void) {
    this.#onUnblocked = callback;
  }

  get blocked(): boolean {
    return this.#blocked !== undefined;
  }

  #queue(command: Command, request: Request, transaction: Transaction): void {
    const refusal = transaction.add(command, request);
    if (refusal !== undefined) return this.#refuse(command, refusal);
    this.replies.add(QUEUED);
  }

  /** Runs several commands as one; `merge` makes EXEC's reply of the node's. */
  submit(items: readonly TransactionItem[], writes: boolean, merge: ReplyMerge): void {
    let bytes = 0;
    for (const item of items) bytes += item.request.end - item.request.start;
    this.lane.transaction(items, writes, this);
    this.#await(this.lastCommand!, bytes, merge);
  }

  #await(command: Command, requestBytes: number, merge: ReplyMerge | undefined): void {
    this.replies.await(command, this.lastInputMs, requestBytes, merge);
  }

  /** Keeps a command, and everything behind it, until it may run. */
  #hold(request: Request): void {
    this.#held = request.copy();
    this.replies.putOff();
  }

  #holdsWhilePaused(command: Command): boolean {
    if (!this.server.isPaused()) return false;
    if (this.server.pauseMode === "all") return true;
    return command.route === "write" ||
      (command.name === "exec" && this.transaction?.writes === true);
  }

  #refuseUnknown(request: Request): void {
    const name = request.lower(0);
    if (name === "post" || name === "host:") {
      // A browser made to speak to this port: say nothing and go (CVE-2016-10517 and its kind).
      this.server.logger.warn("Closed a connection that speaks HTTP to the Redis port", {
        client: this.remoteAddress,
      });
      return this.closeAfterReplies();
    }
    this.#refuse(undefined, unknownCommand(request));
  }

  #refuse(command: Command | undefined, error: RespError): void {
    if (command !== undefined) command.rejected++;
    if (this.transaction !== undefined) this.transaction.failed = true;
    if (command?.name !== "exec") return this.replies.add(error);
    this.transaction = undefined;
    this.replies.add(execRefused(error));
  }

  admit(): void {
    this.authenticated = true;
    this.#decoder.authenticated = true;
  }

  /** Back to the state of a new connection (`RESET`). */
  reset(): void {
    this.db = 0;
    this.name = "";
    this.replies.reset();
    this.transaction = undefined;
    this.lane.readsLocally = false;
    this.noEvict = false;
    this.noTouch = false;
    this.authenticated = !this.server.authentication.required;
    this.#decoder.authenticated = this.authenticated;
  }

  // Replies.

  onReply(reply: Reply): void {
    this.replies.finish(reply);
    this.#afterReply();
  }

  onFailure(failure: OperationFailure): void {
    this.replies.finish(failureReply(failure));
    this.#afterReply();
  }

  #afterReply(): void {
    if (this.connection.output.length > OUTPUT_CHECK_BYTES) this.server.checkOutput(this);
    if (!this.#dirty) {
      this.#dirty = true;
      this.server.flushLater(this);
    }
    const resumeBelow = this.#held === undefined ? PENDING_RESUME : 0;
    if (this.#paused && this.replies.length <= resumeBelow) this.wake();
  }

  #count(command: Command, startedMs: number, reply: SessionReply): void {
    command.calls++;
    command.elapsedMs += this.server.clock.nowMs() - startedMs;
    if (reply instanceof RespError) command.failed++;
  }

  /** Sends what the turn has written. */
  flush(): void {
    this.#dirty = false;
    this.#flush();
  }

  #flush(): void {
    if (this.ended) return;
    if (this.connection.output.length > 0) {
      this.server.stats.writes++;
      this.connection.flush();
      this.server.checkOutput(this);
    }
    if (this.#closing && this.replies.length === 0) this.connection.close();
  }

  // The end.

  /** Reads nothing more, answers what is pending, then closes. */
  closeAfterReplies(): void {
    this.#closing = true;
    this.#held = undefined;
    if (!this.#paused) {
      this.#paused = true;
      this.connection.pause();
    }
    if (this.replies.length === 0 && !this.#dirty) {
      this.#dirty = true;
      this.server.flushLater(this);
    }
  }

  /** Closes at once; replies not sent yet are lost. */
  destroy(): void {
    if (this.#destroyed || this.#closed) return;
    this.#destroyed = true;
    this.#closing = true;
    this.lane.close();
    this.connection.destroy();
  }

  /** `destroy` was called, or the connection is closed. */
  get ended(): boolean {
    return this.#destroyed || this.#closed;
  }

  get idle(): boolean {
    return this.replies.length === 0 && this.#blocked === undefined && this.#held === undefined;
  }

  /** Bytes received and not served yet. */
  get queryBytes(): number {
    return this.#decoder.pendingBytes;
  }

  get queryBufferBytes(): number {
    return this.#decoder.heldBytes;
  }

  get remoteAddress(): string {
    return addressText(this.connection.remoteHostname, this.connection.remotePort);
  }

  get localAddress(): string {
    return addressText(this.connection.localHostname, this.connection.localPort);
  }
}
