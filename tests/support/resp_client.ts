/**
 * A raw Redis client for tests: bytes out, the bytes of each reply back, so that two servers can be
 * compared byte for byte.
 */

import { bytesFromLatin1, latin1FromBytes } from "../../src/base/mod.ts";

/** The frame of one command. */
export function command(...parts: readonly string[]): string {
  return `*${parts.length}\r\n` + parts.map((part) => `$${part.length}\r\n${part}\r\n`).join("");
}

/** A reply for reading in tests: errors and statuses keep their mark, nulls are null. */
export type ParsedReply = string | number | null | ParsedReply[] | Map<ParsedReply, ParsedReply>;

/** Where the first whole reply in `text` ends, or -1 when it is cut short. */
export function replyEnd(text: string, start = 0): number {
  const line = text.indexOf("\r\n", start);
  if (line < 0) return -1;
  const next = line + 2;
  const count = Number(text.slice(start + 1, line));
  switch (text[start]) {
    case "$":
    case "=":
    case "!":
      if (count < 0) return next;
      return text.length >= next + count + 2 ? next + count + 2 : -1;
    case "*":
    case "~":
    case ">":
    case "%": {
      let at = next;
      const items = text[start] === "%" ? 2 * count : count;
      for (let i = 0; i < items; i++) {
        at = replyEnd(text, at);
        if (at < 0) return -1;
      }
      return at;
    }
    default:
      return next;
  }
}

/** Reads the reply at `start` into a value; the whole of it must be there. */
export function parseReply(text: string, start = 0): ParsedReply {
  return parseAt(text, start).value;
}

function parseAt(text: string, start: number): { value: ParsedReply; next: number } {
  const line = text.indexOf("\r\n", start);
  const head = text.slice(start + 1, line);
  const next = line + 2;
  switch (text[start]) {
    case ":":
    case ",":
      return { value: Number(head.replace("inf", "Infinity")), next };
    case "_":
      return { value: null, next };
    case "#":
      return { value: head === "t" ? 1 : 0, next };
    case "$":
    case "=": {
      const length = Number(head);
      if (length < 0) return { value: null, next };
      return { value: text.slice(next, next + length), next: next + length + 2 };
    }
    case "*":
    case "~":
    case ">":
      return parseItems(text, Number(head), next);
    case "%": {
      const { value, next: end } = parseItems(text, 2 * Number(head), next);
      const map = new Map<ParsedReply, ParsedReply>();
      const flat = value as ParsedReply[];
      for (let i = 0; i < flat.length; i += 2) map.set(flat[i], flat[i + 1]);
      return { value: map, next: end };
    }
    default:
      return { value: text.slice(start, line), next };
  }
}

function parseItems(
  text: string,
  count: number,
  start: number,
): { value: ParsedReply; next: number } {
  if (count < 0) return { value: null, next: start };
  const items: ParsedReply[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const { value, next } = parseAt(text, at);
    items.push(value);
    at = next;
  }
  return { value: items, next: at };
}

/** What a read gives when the server closed the connection first. */
export class ConnectionEnded extends Error {
  override readonly name = "ConnectionEnded";
}

/** One connection. Every wait has a deadline. */
export class RespClient {
  readonly #connection: Deno.TcpConn;
  readonly #timeoutMs: number;
  #received = "";
  #ended = false;

  private constructor(connection: Deno.TcpConn, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  static async connect(
    port: number,
    { hostname = "127.0.0.1", timeoutMs = 5000 }: { hostname?: string; timeoutMs?: number } = {},
  ): Promise<RespClient> {
    const connection = await Deno.connect({ hostname, port });
    connection.setNoDelay(true);
    return new RespClient(connection, timeoutMs);
  }

  get localPort(): number {
    return (this.#connection.localAddr as Deno.NetAddr).port;
  }

  /** Sends bytes as they are; a string is a byte string. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? bytesFromLatin1(data) : data;
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(bytes.subarray(at));
    }
  }

  /** The bytes of the next reply. Throws `ConnectionEnded` when the server closed first. */
  async reply(): Promise<string> {
    while (true) {
      const end = replyEnd(this.#received);
      if (end >= 0) {
        const reply = this.#received.slice(0, end);
        this.#received = this.#received.slice(end);
        return reply;
      }
      if (this.#ended) throw new ConnectionEnded(`closed after ${JSON.stringify(this.#received)}`);
      await this.#read();
    }
  }

  async replies(count: number): Promise<string[]> {
    const replies: string[] = [];
    for (let i = 0; i < count; i++) replies.push(await this.reply());
    return replies;
  }

  /** Sends one command and gives the bytes of its reply. */
  async call(...parts: readonly string[]): Promise<string> {
    await this.send(command(...parts));
    return await this.reply();
  }

  /** Sends one command and gives its reply as a value. */
  async value(...parts: readonly string[]): Promise<ParsedReply> {
    return parseReply(await this.call(...parts));
  }

  /** Everything up to the end of the connection, which the server must close. */
  async untilClosed(): Promise<string> {
    while (!this.#ended) await this.#read();
    const rest = this.#received;
    this.#received = "";
    return rest;
  }

  /** Everything that arrives up to the reply that ends with `mark`, the mark included. */
  async until(mark: string): Promise<string> {
    while (!this.#received.includes(mark)) {
      if (this.#ended) throw new ConnectionEnded(`closed after ${JSON.stringify(this.#received)}`);
      await this.#read();
    }
    const end = this.#received.indexOf(mark) + mark.length;
    const text = this.#received.slice(0, end);
    this.#received = this.#received.slice(end);
    return text;
  }

  /** Says that nothing more will be sent; replies can still be read. */
  async endInput(): Promise<void> {
    await this.#connection.closeWrite();
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Closed already, by the server or a failed read.
    }
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.close();
        reject(
          new Error(
            `No reply within ${this.#timeoutMs} ms after ${JSON.stringify(this.#received)}`,
          ),
        );
      }, this.#timeoutMs);
    });
    try {
      const reading = this.#connection.read(chunk).catch((error) => {
        if (error instanceof Deno.errors.ConnectionReset) return null;
        throw error;
      });
      const length = await Promise.race([reading, late]);
      if (length === null) this.#ended = true;
      else this.#received += latin1FromBytes(chunk, 0, length);
    } finally {
      clearTimeout(timer);
      late.catch(() => {});
    }
  }
}
