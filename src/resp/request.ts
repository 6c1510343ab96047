/**
 * One command as a client sent it: a view of the bytes, no strings made until somebody asks. The
 * decoder refills one `Request` for every command, so `copy()` it to keep it.
 */

import { assert, type ByteWriter, latin1FromBytes, putLatin1 } from "../base/mod.ts";

export class Request {
  buffer: Uint8Array;
  /** The whole frame is `buffer[start, end)` when `canonical`: a RESP array of bulk strings. */
  start = 0;
  end = 0;
  canonical = true;
  /** Number of arguments, the command's name included. */
  length = 0;
  /** Argument i is `buffer[ranges[2 * i], ranges[2 * i + 1])`. */
  ranges: number[] = [];

  constructor(buffer: Uint8Array = new Uint8Array(0)) {
    this.buffer = buffer;
  }

  /** A request that owns its bytes, from byte strings or bytes: `Request.of("SET", "k", "v")`. */
  static of(...parts: readonly (string | Uint8Array)[]): Request {
    const request = new Request();
    const head = `*${parts.length}\r\n`;
    const heads = parts.map(({ length }) => `$${length}\r\n`);
    let end = head.length;
    for (let i = 0; i < parts.length; i++) end += heads[i].length + parts[i].length + CRLF.length;
    const buffer = new Uint8Array(end);
    let at = 0;
    const put = (part: string | Uint8Array) => {
      if (typeof part === "string") putLatin1(buffer, at, part);
      else buffer.set(part, at);
      at += part.length;
    };
    put(head);
    for (let i = 0; i < parts.length; i++) {
      put(heads[i]);
      request.ranges.push(at, at + parts[i].length);
      put(parts[i]);
      put(CRLF);
    }
    request.buffer = buffer;
    request.length = parts.length;
    request.end = end;
    return request;
  }

  /** Bytes of argument `i`: a view. */
  bytes(i: number): Uint8Array {
    return this.buffer.subarray(this.ranges[2 * i], this.ranges[2 * i + 1]);
  }

  /** Length of argument `i` in bytes. */
  byteLength(i: number): number {
    return this.ranges[2 * i + 1] - this.ranges[2 * i];
  }

  /** Argument `i` as a byte string. */
  text(i: number): string {
    return latin1FromBytes(this.buffer, this.ranges[2 * i], this.ranges[2 * i + 1]);
  }

  /** Argument `i` as a byte string in lower case (ASCII), for names and options. */
  lower(i: number): string {
    return this.text(i).replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
  }

  /** All arguments as byte strings. */
  texts(): string[] {
    return Array.from({ length: this.length }, (_, i) => this.text(i));
  }

  /** A request that owns a copy of its bytes. */
  copy(): Request {
    const copy = new Request(this.buffer.slice(this.start, this.end));
    copy.length = this.length;
    copy.canonical = this.canonical;
    copy.end = this.end - this.start;
    copy.ranges = new Array(2 * this.length);
    for (let i = 0; i < 2 * this.length; i++) copy.ranges[i] = this.ranges[i] - this.start;
    return copy;
  }

  /** Appends the command as a RESP array of bulk strings. */
  writeTo(writer: ByteWriter): void {
    if (this.canonical) {
      writer.bytes(this.buffer, this.start, this.end);
      return;
    }
    assert(this.length > 0, "Cannot write a request without arguments");
    writer.latin1(`*${this.length}\r\n`);
    for (let i = 0; i < this.length; i++) {
      writer.latin1(`$${this.byteLength(i)}\r\n`);
      writer.bytes(this.buffer, this.ranges[2 * i], this.ranges[2 * i + 1]);
      writer.latin1(CRLF);
    }
  }
}

const CRLF = "\r\n";
