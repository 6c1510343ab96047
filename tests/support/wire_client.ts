/**
 * A small Redis client for tests: what goes over the wire and nothing else. It knows RESP2 and RESP3
 * by itself, so that it does not share a mistake with the server's codec. Text is Latin-1, one
 * character a byte.
 */

import { within } from "./wait.ts";

export type WireReply =
  | null
  | string
  | number
  | bigint
  | boolean
  | WireError
  | WireReply[]
  | Map<WireReply, WireReply>;

/** An error reply: a value, because tests look at it. */
export class WireError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** The connection ended before the reply was complete. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

interface Waiter {
  resolve(reply: WireReply): void;
  reject(error: Error): void;
}

export class WireClient {
  readonly #connection: Deno.TcpConn;
  readonly #waiters: Waiter[] = [];
  /** Out-of-band messages of RESP3. */
  readonly pushes: WireReply[] = [];
  #received = new Uint8Array(0);
  #writing: Promise<void> = Promise.resolve();
  #lost: ConnectionLost | undefined;
  /** Resolves when the connection has ended, from whichever side. */
  readonly closed: Promise<void>;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.closed = this.#read();
  }

  static async connect(port: number, hostname = "127.0.0.1"): Promise<WireClient> {
    const connection = await Deno.connect({ hostname, port });
    connection.setNoDelay(true);
    return new WireClient(connection);
  }

  get isClosed(): boolean {
    return this.#lost !== undefined;
  }

  /** Sends one command at once; the reply may be a `WireError`. Throws `ConnectionLost`. */
  command(...args: readonly (string | number)[]): Promise<WireReply> {
    return this.pipeline([args]).then((replies) => replies[0]);
  }

  /** Sends the commands in one write. */
  pipeline(commands: readonly (readonly (string | number)[])[]): Promise<WireReply[]> {
    const replies = commands.map(() => this.#expect());
    this.send(commands.map(encodeCommand).join(""));
    return Promise.all(replies);
  }

  /** Like `command`, and throws when the reply is an error or late. */
  async call(...args: readonly (string | number)[]): Promise<WireReply> {
    const [reply] = await this.callAll([args]);
    return reply;
  }

  /** Like `pipeline`, and throws when a reply is an error or they are late. */
  async callAll(commands: readonly (readonly (string | number)[])[]): Promise<WireReply[]> {
    const what = (at: number) => `reply to ${commands[at].join(" ").slice(0, 80)}`;
    if (commands.length === 0) return [];
    const replies = await within(what(commands.length - 1), 15_000, this.pipeline(commands));
    for (const [at, reply] of replies.entries()) {
      if (reply instanceof WireError) throw new Error(`${what(at)}: ${reply.message}`);
    }
    return replies;
  }

  /** Puts raw bytes on the wire, expecting nothing. */
  send(text: string): void {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    this.#writing = this.#writing.then(async () => {
      try {
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#connection.write(bytes.subarray(sent));
        }
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** One more reply, for bytes sent with `send`. */
  nextReply(): Promise<WireReply> {
    return this.#expect();
  }

  close(): void {
    this.#fail(new Error("closed by the test"));
  }

  #expect(): Promise<WireReply> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      while (true) {
        const count = await this.#connection.read(chunk);
        if (count === null) return this.#fail(new Error("closed by the server"));
        this.#take(chunk.subarray(0, count));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#received.length + bytes.length);
    joined.set(this.#received);
    joined.set(bytes, this.#received.length);
    const parser = new ReplyParser(joined);
    while (true) {
      const start = parser.position;
      const reply = parser.next();
      if (reply === undefined) {
        this.#received = joined.slice(start);
        return;
      }
      if (reply.push) {
        this.pushes.push(reply.value);
        continue;
      }
      const waiter = this.#waiters.shift();
      if (waiter === undefined) throw new Error("Cannot place a reply that nobody waits for");
      waiter.resolve(reply.value);
    }
  }

  #fail(error: unknown): void {
    if (this.#lost !== undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#lost = new ConnectionLost(`Cannot get a reply: ${reason}`);
    try {
      this.#connection.close();
    } catch {
      // It was closed by the runtime already.
    }
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#lost);
  }
}

/** The request as an array of bulk strings, in Latin-1. */
export function encodeCommand(args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) {
    const value = String(arg);
    text += `$${value.length}\r\n${value}\r\n`;
  }
  return text;
}

const incomplete = Symbol("incomplete");

/** Reads replies from a buffer; an incomplete one is read again from its start later. */
class ReplyParser {
  readonly #bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next whole reply; undefined, and the position unmoved, when there is none. */
  next(): { value: WireReply; push: boolean } | undefined {
    const start = this.position;
    const push = this.#bytes[start] === 0x3e;
    try {
      return { value: this.#value(), push };
    } catch (error) {
      if (error !== incomplete) throw error;
      this.position = start;
      return undefined;
    }
  }

  #value(): WireReply {
    const line = this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return rest;
      case "-":
        return new WireError(rest);
      case ":":
        return Number(rest);
      case ",":
        return rest === "inf" ? Infinity : rest === "-inf" ? -Infinity : Number(rest);
      case "(":
        return BigInt(rest);
      case "#":
        return rest === "t";
      case "_":
        return null;
      case "$":
        return rest === "-1" ? null : this.#bulk(Number(rest));
      case "!":
        return new WireError(this.#bulk(Number(rest)));
      case "=":
        return this.#bulk(Number(rest)).slice(4);
      case "*":
      case "~":
      case ">":
        return rest === "-1" ? null : this.#values(Number(rest));
      case "%": {
        const flat = this.#values(2 * Number(rest));
        const map = new Map<WireReply, WireReply>();
        for (let i = 0; i < flat.length; i += 2) map.set(flat[i], flat[i + 1]);
        return map;
      }
      default:
        throw new Error(`Cannot read a reply: found ${JSON.stringify(line.slice(0, 40))}`);
    }
  }

  #values(count: number): WireReply[] {
    const values: WireReply[] = [];
    for (let i = 0; i < count; i++) values.push(this.#value());
    return values;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end === -1) throw incomplete;
    if (this.#bytes[end - 1] !== 0x0d) throw new Error("Cannot read a reply: LF without CR");
    const line = latin1(this.#bytes.subarray(this.position, end - 1));
    this.position = end + 1;
    return line;
  }

  #bulk(length: number): string {
    const start = this.position;
    const end = start + length;
    if (end + 2 > this.#bytes.length) throw incomplete;
    if (this.#bytes[end] !== 0x0d || this.#bytes[end + 1] !== 0x0a) {
      throw new Error("Cannot read a reply: a bulk string does not end with CR LF");
    }
    this.position = end + 2;
    return latin1(this.#bytes.subarray(start, end));
  }
}

const latin1Decoder = new TextDecoder("latin1");

function latin1(bytes: Uint8Array): string {
  // The decoder's "latin1" is windows-1252, which differs from 0x80 to 0x9f.
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] >= 0x80 && bytes[i] < 0xa0) {
      return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    }
  }
  return latin1Decoder.decode(bytes);
}
