/**
 * One TCP connection between two nodes, either side of it: frames in, frames out, pings, and an end
 * that is told once and with its kind.
 */

import { assert, DecodeError } from "../base/mod.ts";
import type { Connection, OutputBuffer, PlatformError, Timer } from "../platform/mod.ts";
import {
  type Frame,
  FRAME_CLOSING,
  FRAME_PING,
  FRAME_PONG,
  NO_BYTES,
  PREAMBLE,
  writeFrame,
} from "./frame.ts";
import { FrameAssembler } from "./frame_assembler.ts";
import type { ConnectionContext } from "./link_context.ts";
import { bodyLeadBytes } from "./message_codec.ts";

/**
 * - `peerClosed`: the other process closed it, without a word: it ended or is ending.
 * - `retired`: the other process closed it and said that it lives.
 * - `networkError`: the way to the peer failed. `silent`: nothing was heard for too long.
 * - `damaged`: bytes that the format forbids; dropped from here.
 */
export type EndKind = "peerClosed" | "retired" | "networkError" | "silent" | "damaged";

export interface PeerConnectionOwner {
  /** A frame other than pings; the owner calls `damaged` for one that it cannot decode. */
  onFrame(frame: Frame): void;
  /** Once, unless this side ended the connection by `retire`, `shutDown` or `destroy`. */
  onEnded(kind: EndKind, detail: string): void;
}

/** Errors that mean "the other process is gone", and not "the way to it is". */
const GONE_CODES: readonly string[] = ["ECONNRESET", "EPIPE", "ECONNABORTED"];
/** A closed connection whose last bytes nobody takes is destroyed after this time. */
export const LINGER_MS = 1000;

export class PeerConnection {
  readonly #connection: Connection;
  readonly #context: ConnectionContext;
  readonly #owner: PeerConnectionOwner;
  readonly #assembler = new FrameAssembler(bodyLeadBytes);
  #ended = false;
  #gone = false;
  #peerIsClosing = false;
  #heard = false;
  #silentTicks = 0;
  #silentTicksMax = 0;
  #pings = false;
  #linger: Timer | undefined;

  constructor(connection: Connection, context: ConnectionContext, owner: PeerConnectionOwner) {
    this.#connection = connection;
    this.#context = context;
    this.#owner = owner;
  }

  get remote(): string {
    return `${this.#connection.remoteHostname}:${this.#connection.remotePort}`;
  }

  /** Where messages are written; `flush` sends them. */
  get output(): OutputBuffer {
    return this.#connection.output;
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the preamble and begins to read. */
  begin(): void {
    this.#context.lifetimes.add(this);
    this.#connection.output.bytes(PREAMBLE);
    this.#context.counters.bytesSent += PREAMBLE.length;
    this.#connection.start({
      onData: (bytes) => this.#onData(bytes),
      onClosed: (error) => this.#onClosed(error),
    });
  }

  /** The peer is who it says: large frames are welcome and silence is watched from now on. */
  establish(options: { readonly pings: boolean; readonly silentTicksMax: number }): void {
    assert(!this.#ended, "Cannot establish a connection that has ended");
    this.#assembler.frameBytesMax = this.#context.limits.frameBytesMax;
    this.#pings = options.pings;
    this.#silentTicksMax = options.silentTicksMax;
    this.#context.established.add(this);
  }

  /** Larger frames are welcome, on a connection that is no link between members. */
  acceptFrames(bytesMax: number): void {
    this.#assembler.frameBytesMax = bytesMax;
  }

  /** Sends a short frame at once. */
  sendFrame(type: number, fields: Uint8Array, body: Uint8Array = NO_BYTES): void {
    if (this.#ended) return;
    this.#context.counters.bytesSent += writeFrame(this.#connection.output, type, fields, body);
    this.#connection.flush();
  }

  flush(): void {
    if (!this.#ended) this.#connection.flush();
  }

  /**
   * Once each ping interval. Counted in ticks and not in time, so that a process that was stopped
   * for a while does not take its own silence for its peer's.
   */
  tick(): void {
    const heard = this.#heard;
    this.#heard = false;
    this.#silentTicks = heard ? 0 : this.#silentTicks + 1;
    if (this.#silentTicks >= this.#silentTicksMax) {
      this.#context.counters.silentLinks++;
      this.retire();
      this.#owner.onEnded("silent", `nothing was heard for ${this.#silentTicks} intervals`);
    } else if (this.#pings) {
      this.sendFrame(FRAME_PING, NO_BYTES);
    } else if (heard && this.#assembler.insideBody) {
      // A ping may be stuck behind this large frame: say that it is arriving.
      this.sendFrame(FRAME_PONG, NO_BYTES);
    }
  }

  /** Drops the connection for bytes that cannot be: counted, and the owner hears of it. */
  damaged(error: DecodeError): void {
    if (this.#ended) return;
    this.#context.counters.damagedFrames++;
    if (this.#context.established.has(this)) this.retire();
    else this.destroy();
    this.#owner.onEnded("damaged", error.message);
  }

  /** Closes this connection alone, and says so, that the peer does not think this process died. */
  retire(): void {
    this.sendFrame(FRAME_CLOSING, NO_BYTES);
    this.shutDown();
  }

  /** Sends what is written, then closes: the peer may think that this process is ending. */
  shutDown(): void {
    if (this.#ended) return;
    this.#end();
    this.#connection.close();
    if (this.#gone) return;
    this.#linger = this.#context.clock.setTimer(LINGER_MS, () => this.#connection.destroy());
  }

  /** Closes at once. */
  destroy(): void {
    if (this.#ended) return;
    this.#end();
    this.#connection.destroy();
  }

  #end(): void {
    this.#ended = true;
    this.#context.established.delete(this);
  }

  #onData(bytes: Uint8Array): void {
    this.#context.counters.bytesReceived += bytes.length;
    if (this.#ended) return;
    this.#assembler.feed(bytes);
    while (!this.#ended) {
      const frame = this.#nextFrame();
      if (frame === undefined) break;
      this.#heard = true;
      if (!this.#context.established.has(this) || frame.type < FRAME_PING) {
        this.#owner.onFrame(frame);
      } else {
        this.#onLinkFrame(frame);
      }
    }
    if (this.#assembler.insideBody) this.#heard = true;
  }

  /** Only decoding is guarded: an error of whoever handles the frame is not damage. */
  #nextFrame(): Frame | undefined {
    try {
      return this.#assembler.next();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.damaged(error);
      return undefined;
    }
  }

  #onLinkFrame(frame: Frame): void {
    const empty = frame.fields.remaining === 0 && frame.body.length === 0;
    if (empty && frame.type === FRAME_PING) this.sendFrame(FRAME_PONG, NO_BYTES);
    else if (empty && frame.type === FRAME_CLOSING) this.#peerIsClosing = true;
    else if (!empty || frame.type !== FRAME_PONG) {
      this.damaged(new DecodeError(`Cannot accept frame of type ${frame.type} on this link`));
    }
  }

  #onClosed(error: PlatformError | undefined): void {
    this.#gone = true;
    this.#linger?.cancel();
    if (!this.#ended) {
      this.#end();
      this.#owner.onEnded(this.#endKind(error), error?.message ?? "closed by the peer");
    }
    this.#context.lifetimes.delete(this);
  }

  #endKind(error: PlatformError | undefined): EndKind {
    if (this.#peerIsClosing) return "retired";
    if (error === undefined || GONE_CODES.includes(error.code)) return "peerClosed";
    return "networkError";
  }
}
