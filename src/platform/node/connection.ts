/**
 * A TCP connection on `node:net`. What `onData` and `onDrained` throw is a bug: it leaves the event
 * handler as an uncaught exception, which ends the process.
 */

import type { Socket } from "node:net";
import { assert } from "../../base/mod.ts";
import { DoubleBuffer } from "../double_buffer.ts";
import { toPlatformError } from "../errors.ts";
import { CLOSE_FLUSH_MS_MAX } from "../limits.ts";
import type { Connection, ConnectionHandler, OutputBuffer } from "../ports.ts";
import { PlatformError } from "../ports.ts";

export class NodeConnection implements Connection {
  readonly remoteHostname: string;
  readonly remotePort: number;
  readonly localHostname: string;
  readonly localPort: number;
  readonly output: OutputBuffer;
  readonly #socket: Socket;
  readonly #out = new DoubleBuffer();
  readonly #written: (error?: Error | null) => void;
  #handler: ConnectionHandler | undefined = undefined;
  #paused = false;
  #flushAgain = false;
  #closing = false;
  #closed = false;
  #closeError: PlatformError | undefined = undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** The socket is connected; nothing has read from it. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.output = this.#out.output;
    this.remoteHostname = socket.remoteAddress ?? "";
    this.remotePort = socket.remotePort ?? 0;
    this.localHostname = socket.localAddress ?? "";
    this.localPort = socket.localPort ?? 0;
    this.#written = (error) => this.#handleWritten(error);
    // Without this listener a reset would end the process.
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#end(undefined));
  }

  start(handler: ConnectionHandler): void {
    assert(this.#handler === undefined, "Cannot start a connection: it was started before");
    this.#handler = handler;
    if (this.#closed) {
      // Gone before: tell the handler, but not from inside `start`.
      queueMicrotask(() => handler.onClosed(this.#closeError));
      return;
    }
    this.#socket.on("data", (bytes: Uint8Array) => {
      if (!this.#closed && !this.#closing) handler.onData(bytes);
    });
    this.#socket.on("end", () => {
      if (handler.onEnd === undefined || this.#closing) this.#end(undefined);
      else if (!this.#closed) handler.onEnd();
    });
    if (this.#paused) this.#socket.pause();
    else this.#socket.resume();
  }

  get pendingBytes(): number {
    return this.#out.pendingBytes;
  }

  flush(): void {
    if (this.#closed) this.#out.output.clear();
    else if (this.#out.writingBytes > 0) this.#flushAgain = true;
    else if (this.#out.output.length > 0) this.#write();
  }

  pause(): void {
    this.#paused = true;
    if (this.#handler !== undefined) this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#handler !== undefined) this.#socket.resume();
  }

  close(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.flush();
    if (this.#out.writingBytes === 0) return this.#end(undefined);
    this.#closeTimer = setTimeout(() => this.#end(undefined), CLOSE_FLUSH_MS_MAX);
  }

  destroy(): void {
    this.#end(undefined);
  }

  #write(): void {
    this.#flushAgain = false;
    this.#out.swap();
    this.#socket.write(this.#out.rest(), this.#written);
  }

  #handleWritten(error: Error | null | undefined): void {
    if (this.#closed) return;
    if (error) return this.#fail(error);
    this.#out.advance(this.#out.writingBytes);
    if (this.#out.output.length > 0 && (this.#flushAgain || this.#closing)) this.#write();
    else if (this.#closing) this.#end(undefined);
    else this.#handler?.onDrained?.();
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const failure = toPlatformError(error, `use ${this.remoteHostname}:${this.remotePort}`);
    // Not cancelled by us, so the peer did it: Deno's `node:net` says it so under a write.
    const wrong = failure.code === "ECANCELED";
    this.#end(wrong ? new PlatformError("ECONNRESET", failure.message) : failure);
  }

  /** The one way out: closes the socket, then tells the handler, not from inside its own call. */
  #end(error: PlatformError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    clearTimeout(this.#closeTimer);
    this.#socket.destroy();
    this.#out.drop();
    const handler = this.#handler;
    if (handler !== undefined) queueMicrotask(() => handler.onClosed(error));
  }
}
