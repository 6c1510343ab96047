/**
 * A TCP connection on `Deno.TcpConn`. One asynchronous loop reads, another writes; both wait on
 * the runtime's own promises only. What `onData` and `onDrained` throw is a bug: it leaves the loop
 * as an unhandled rejection, which ends the process.
 */

import { assert } from "../../base/mod.ts";
import { DoubleBuffer } from "../double_buffer.ts";
import { toPlatformError } from "../errors.ts";
import type { Connection, ConnectionHandler, OutputBuffer, PlatformError } from "../ports.ts";
import { ReadBuffers } from "../read_buffers.ts";
import { CLOSE_FLUSH_MS_MAX } from "../limits.ts";

export class DenoConnection implements Connection {
  readonly remoteHostname: string;
  readonly remotePort: number;
  readonly localHostname: string;
  readonly localPort: number;
  readonly output: OutputBuffer;
  readonly #connection: Deno.TcpConn;
  readonly #out = new DoubleBuffer();
  #read: ReadBuffers | undefined = undefined;
  #handler: ConnectionHandler | undefined = undefined;
  #reading = false;
  #inputEnded = false;
  #paused = false;
  #writing = false;
  #flushAgain = false;
  #closing = false;
  #closed = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.output = this.#out.output;
    this.remoteHostname = connection.remoteAddr.hostname;
    this.remotePort = connection.remoteAddr.port;
    this.localHostname = connection.localAddr.hostname;
    this.localPort = connection.localAddr.port;
  }

  start(handler: ConnectionHandler): void {
    assert(this.#handler === undefined, "Cannot start a connection: it was started before");
    this.#handler = handler;
    if (this.#closed) {
      // Destroyed before: tell the handler, but not from inside `start`.
      queueMicrotask(() => handler.onClosed(undefined));
      return;
    }
    this.#read = new ReadBuffers();
    if (!this.#paused) this.#readLoop();
  }

  get pendingBytes(): number {
    return this.#out.pendingBytes;
  }

  flush(): void {
    if (this.#closed) this.#out.output.clear();
    else if (this.#writing) this.#flushAgain = true;
    else if (this.#out.output.length > 0) this.#writeLoop();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const reads = this.#reading || this.#inputEnded;
    if (this.#read !== undefined && !reads && !this.#closed) this.#readLoop();
  }

  close(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.flush();
    if (!this.#writing) return this.#end(undefined);
    this.#closeTimer = setTimeout(() => this.#end(undefined), CLOSE_FLUSH_MS_MAX);
  }

  destroy(): void {
    this.#end(undefined);
  }

  async #readLoop(): Promise<void> {
    const buffers = this.#read!;
    const handler = this.#handler!;
    this.#reading = true;
    while (!this.#paused && !this.#closed) {
      const buffer = buffers.current;
      let bytes: number | null;
      try {
        bytes = await this.#connection.read(buffer);
      } catch (error) {
        this.#reading = false;
        return this.#fail(error, "read from");
      }
      if (bytes === null) {
        this.#reading = false;
        this.#inputEnded = true;
        if (handler.onEnd === undefined || this.#closing) return this.#end(undefined);
        return handler.onEnd();
      }
      if (this.#closed || this.#closing) continue;
      handler.onData(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
      buffers.adapt(bytes);
    }
    this.#reading = false;
    if (this.#closed) buffers.release();
  }

  async #writeLoop(): Promise<void> {
    const out = this.#out;
    this.#writing = true;
    do {
      this.#flushAgain = false;
      out.swap();
      while (out.writingBytes > 0) {
        let bytes: number;
        try {
          bytes = await this.#connection.write(out.rest());
        } catch (error) {
          this.#writing = false;
          return this.#fail(error, "write to");
        }
        if (this.#closed) return;
        out.advance(bytes);
      }
    } while (out.output.length > 0 && (this.#flushAgain || this.#closing));
    this.#writing = false;
    if (this.#closing) this.#end(undefined);
    else this.#handler?.onDrained?.();
  }

  #fail(error: unknown, verb: string): void {
    if (this.#closed) return;
    this.#end(toPlatformError(error, `${verb} ${this.remoteHostname}:${this.remotePort}`));
  }

  /** The one way out: closes the socket, then tells the handler, not from inside its own call. */
  #end(error: PlatformError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#closeTimer);
    this.#connection.close();
    this.#out.drop();
    if (!this.#reading) this.#read?.release();
    const handler = this.#handler;
    if (handler !== undefined) queueMicrotask(() => handler.onClosed(error));
  }
}
