/**
 * Requests out of a client's bytes, as they arrive (redis.io protocol spec; `networking.c` of Redis
 * 7.0 for everything odd). Parses on the received chunk itself; only what is left over when the
 * chunk's time is up is copied. Memory follows the bytes received, never a length announced.
 */

import { assert, ByteWriter, latin1FromBytes } from "../base/mod.ts";
import { splitInline } from "./inline.ts";
import { Request } from "./request.ts";

/** What `next` found: a request, nothing whole yet, or bytes that break the protocol. */
export type DecodeStep = "request" | "more" | "error";

export interface DecoderLimits {
  /** Longest argument, `proto-max-bulk-len`. May change while running. */
  bulkBytesMax: number;
  /** Most arguments of a command. */
  readonly argumentsMax: number;
  /** Most bytes of one command, `client-query-buffer-limit`. */
  readonly requestBytesMax: number;
}

/** Longest inline command and longest count line, in bytes (`PROTO_INLINE_MAX_SIZE`). */
export const INLINE_BYTES_MAX = 64 * 1024;
/** Before authentication: most arguments and longest argument (CVE-2021-32675). */
export const UNAUTHENTICATED_ARGUMENTS_MAX = 10;
export const UNAUTHENTICATED_BULK_BYTES_MAX = 16 * 1024;

export const DECODER_LIMITS: Readonly<DecoderLimits> = {
  bulkBytesMax: 512 * 1024 * 1024,
  argumentsMax: 1024 * 1024,
  requestBytesMax: 1024 * 1024 * 1024,
};

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
/** Buffers and range lists above these sizes are let go once they are empty. */
const KEPT_BUFFER_BYTES = 64 * 1024;
const KEPT_RANGES = 4096;
const FIRST_BUFFER_BYTES = 1024;

/** No bulk length read yet. */
const UNKNOWN = -1;

/**
 * Use: `push(chunk)`, then `next()` until it is not `"request"` or the caller has had enough, then
 * `keep()` before the chunk becomes invalid. `request` is refilled by every `next`; `copy()` it to
 * keep it. After `"error"` the stream is lost: send `-ERR Protocol error: ` + `error` and close.
 */
export class RequestDecoder {
  readonly request = new Request();
  /** Until this is set, `UNAUTHENTICATED_*` hold. */
  authenticated = true;
  /** What broke the protocol, in Redis's words; empty: no reply, just close. */
  error = "";

  readonly #limits: DecoderLimits;
  /** Bytes being parsed: the pushed chunk, or `#own`. */
  #buffer: Uint8Array = EMPTY;
  #end = 0;
  /** Start of the command being parsed, and how far parsing has got. */
  #start = 0;
  #at = 0;
  /** The copy of what was left over; in use when `#buffer === #own`. */
  #own: Uint8Array<ArrayBuffer> = EMPTY;
  #argumentsLeft = 0;
  #argumentCount = 0;
  #bulkLength = UNKNOWN;
  #canonical = true;
  /** Bytes from `#at` on that hold no end of line. */
  #scanned = 0;
  #inline = new ByteWriter(0);

  constructor(limits: DecoderLimits = DECODER_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes received and not yet parsed into a request. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** Bytes this decoder holds for itself, whatever their use. */
  get heldBytes(): number {
    return this.#own.length + this.#inline.buffer.length;
  }

  /** Adds bytes. They are not copied unless earlier ones wait; `keep()` before they change. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#at = 0;
      this.#end = chunk.length;
      return;
    }
    assert(this.#buffer === this.#own, "Cannot push: the last chunk was not kept");
    if (this.#end + chunk.length > this.#own.length) this.#grow(this.pendingBytes + chunk.length);
    this.#own.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Copies what is not parsed yet, so that the chunk may be used again. */
  keep(): void {
    const rest = this.#end - this.#start;
    if (rest === 0) {
      this.#buffer = EMPTY;
      this.#start = this.#at = this.#end = 0;
      if (this.#own.length > KEPT_BUFFER_BYTES) this.#own = EMPTY;
      if (this.#inline.buffer.length > KEPT_BUFFER_BYTES) this.#inline = new ByteWriter(0);
      return;
    }
    if (this.#buffer === this.#own) {
      if (this.#start === 0) return;
      this.#own.copyWithin(0, this.#start, this.#end);
    } else {
      if (rest > this.#own.length) this.#own = new Uint8Array(capacityFor(rest));
      this.#own.set(this.#buffer.subarray(this.#start, this.#end));
    }
    this.#moveTo(this.#own);
  }

  /** Parses one command. `"request"`: it is in `request`, valid until the next call or `keep`. */
  next(): DecodeStep {
    if (this.request.ranges.length > KEPT_RANGES && this.#argumentsLeft === 0) {
      this.request.ranges = [];
    }
    while (true) {
      if (this.#argumentsLeft === 0) {
        this.#start = this.#at;
        if (this.#at === this.#end) return "more";
        const step = this.#buffer[this.#at] === STAR ? this.#readCount() : this.#readInline();
        if (step === "skip") continue;
        if (step !== "bulks") return step;
      }
      return this.#readBulks();
    }
  }

  /** Reads `*<count>CRLF`; the usual form, one digit, first. */
  #readCount(): DecodeStep | "bulks" | "skip" {
    const buffer = this.#buffer;
    const at = this.#at;
    const digit = buffer[at + 1] - 48;
    if (
      digit >= 1 && digit <= 9 && at + 3 < this.#end && buffer[at + 2] === CR &&
      buffer[at + 3] === LF
    ) {
      this.#canonical = true;
      this.#at = at + 4;
      this.#scanned = 0;
      return this.#beginBulks(digit);
    }
    return this.#readOddCount();
  }

  #beginBulks(count: number): "bulks" {
    this.#argumentsLeft = count;
    this.#argumentCount = count;
    this.#bulkLength = UNKNOWN;
    return "bulks";
  }

  #readOddCount(): DecodeStep | "bulks" | "skip" {
    const line = this.#findLine(CR, "too big mbulk count string");
    if (line < 0) return this.#noLine();
    const count = this.#integer(this.#at + 1, line);
    if (count === undefined || count > this.#limits.argumentsMax) {
      return this.#fail("invalid multibulk length");
    }
    if (count > UNAUTHENTICATED_ARGUMENTS_MAX && !this.authenticated) {
      return this.#fail("unauthenticated multibulk length");
    }
    this.#canonical = this.#buffer[line + 1] === LF;
    this.#at = line + 2;
    return count <= 0 ? "skip" : this.#beginBulks(count);
  }

  #readBulks(): DecodeStep {
    const buffer = this.#buffer;
    const end = this.#end;
    const ranges = this.request.ranges;
    let at = this.#at;
    let slot = 2 * (this.#argumentCount - this.#argumentsLeft);
    while (this.#argumentsLeft > 0) {
      if (this.#bulkLength === UNKNOWN) {
        this.#at = at;
        const step = this.#readBulkLength();
        if (step !== "bulks") return step;
        at = this.#at;
      }
      const valueEnd = at + this.#bulkLength;
      if (valueEnd + 2 > end) {
        this.#at = at;
        return this.#checkSize(valueEnd + 2);
      }
      // Redis skips these two bytes unseen; the frame is then written anew for the log.
      if (buffer[valueEnd] !== CR || buffer[valueEnd + 1] !== LF) this.#canonical = false;
      ranges[slot++] = at;
      ranges[slot++] = valueEnd;
      at = valueEnd + 2;
      this.#bulkLength = UNKNOWN;
      this.#argumentsLeft--;
    }
    const request = this.request;
    request.buffer = buffer;
    request.start = this.#start;
    request.end = at;
    request.length = this.#argumentCount;
    request.canonical = this.#canonical;
    this.#at = at;
    this.#start = at;
    return "request";
  }

  /** Reads `$<length>CRLF`; the usual form first, byte by byte. */
  #readBulkLength(): DecodeStep | "bulks" {
    const buffer = this.#buffer;
    let at = this.#at;
    if (buffer[at] === DOLLAR) {
      let length = buffer[at + 1] - 48;
      if (length >= 0 && length <= 9 && at + 3 < this.#end) {
        at += 2;
        let digit = buffer[at] - 48;
        while (digit >= 0 && digit <= 9 && length > 0 && length < 100_000_000) {
          length = length * 10 + digit;
          digit = buffer[++at] - 48;
        }
        const plain = buffer[at] === CR && buffer[at + 1] === LF && at + 1 < this.#end;
        if (plain && length <= this.#bulkMax()) {
          this.#bulkLength = length;
          this.#at = at + 2;
          this.#scanned = 0;
          return "bulks";
        }
      }
    }
    return this.#readOddBulkLength();
  }

  #readOddBulkLength(): DecodeStep | "bulks" {
    const line = this.#findLine(CR, "too big bulk count string");
    if (line < 0) return this.#noLine();
    const first = this.#buffer[this.#at];
    if (first !== DOLLAR) return this.#fail(`expected '$', got '${String.fromCharCode(first)}'`);
    const length = this.#integer(this.#at + 1, line);
    if (length === undefined || length < 0 || length > this.#limits.bulkBytesMax) {
      return this.#fail("invalid bulk length");
    }
    if (length > UNAUTHENTICATED_BULK_BYTES_MAX && !this.authenticated) {
      return this.#fail("unauthenticated bulk length");
    }
    if (this.#buffer[line + 1] !== LF) this.#canonical = false;
    this.#at = line + 2;
    this.#bulkLength = length;
    return "bulks";
  }

  #readInline(): DecodeStep | "skip" {
    const line = this.#findLine(LF, "too big inline request");
    if (line < 0) return this.#noLine();
    const lineEnd = line > this.#at && this.#buffer[line - 1] === CR ? line - 1 : line;
    const parts = splitInline(latin1FromBytes(this.#buffer, this.#at, lineEnd));
    if (parts === undefined) return this.#fail("unbalanced quotes in request");
    this.#at = line + 1;
    this.#start = this.#at;
    if (parts.length === 0) return "skip";
    this.#fillInline(parts);
    return "request";
  }

  /** Writes an inline command as the frame that a client library would have sent. */
  #fillInline(parts: readonly string[]): void {
    const writer = this.#inline;
    const request = this.request;
    writer.clear();
    writer.latin1(`*${parts.length}\r\n`);
    for (let i = 0; i < parts.length; i++) {
      writer.latin1(`$${parts[i].length}\r\n`);
      request.ranges[2 * i] = writer.length;
      writer.latin1(parts[i]);
      request.ranges[2 * i + 1] = writer.length;
      writer.latin1("\r\n");
    }
    request.buffer = writer.buffer;
    request.start = 0;
    request.end = writer.length;
    request.length = parts.length;
    request.canonical = true;
  }

  /**
   * Where the line that starts at `#at` has its first `mark`, or -1. Like Redis, a NUL before the
   * mark hides it, and the byte behind a CR must be there too.
   */
  #findLine(mark: number, tooLong: string): number {
    const buffer = this.#buffer;
    const end = this.#end;
    let at = this.#at + this.#scanned;
    while (at < end && buffer[at] !== mark && buffer[at] !== 0) at++;
    if (at < end && buffer[at] === mark) {
      if (mark === LF || at + 1 < end) {
        this.#scanned = 0;
        return at;
      }
      this.#scanned = at - this.#at;
      return NO_LINE;
    }
    this.#scanned = at - this.#at;
    if (end - this.#at <= INLINE_BYTES_MAX) return NO_LINE;
    this.error = tooLong;
    return LINE_TOO_LONG;
  }

  #noLine(): DecodeStep {
    return this.error === "" ? this.#checkSize(this.#end) : "error";
  }

  /** A command may not outgrow its limit, however it is cut into arguments. */
  #checkSize(neededEnd: number): DecodeStep {
    if (neededEnd - this.#start <= this.#limits.requestBytesMax) return "more";
    return this.#fail("");
  }

  #fail(error: string): "error" {
    this.error = error;
    return "error";
  }

  #bulkMax(): number {
    const max = this.#limits.bulkBytesMax;
    return this.authenticated ? max : Math.min(max, UNAUTHENTICATED_BULK_BYTES_MAX);
  }

  /** A decimal integer as `string2ll` takes it: no sign `+`, no zeros in front, no blanks. */
  #integer(start: number, end: number): number | undefined {
    if (end - start < 1 || end - start > 20) return undefined;
    const text = latin1FromBytes(this.#buffer, start, end);
    if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return undefined;
    const value = BigInt(text);
    if (value !== BigInt.asIntN(64, value)) return undefined;
    return Number(value);
  }

  #grow(needBytes: number): void {
    const bigger = needBytes > this.#own.length
      ? new Uint8Array(capacityFor(needBytes))
      : new Uint8Array(this.#own.length);
    bigger.set(this.#own.subarray(this.#start, this.#end));
    this.#own = bigger;
    this.#moveTo(bigger);
  }

  /** The unparsed bytes now stand at the front of `buffer`: shift everything that points at them. */
  #moveTo(buffer: Uint8Array): void {
    const shift = this.#start;
    this.#buffer = buffer;
    this.#end -= shift;
    this.#at -= shift;
    this.#start = 0;
    if (shift === 0 || this.#argumentsLeft === 0) return;
    const filled = 2 * (this.#argumentCount - this.#argumentsLeft);
    const ranges = this.request.ranges;
    for (let slot = 0; slot < filled; slot++) ranges[slot] -= shift;
  }
}

const NO_LINE = -1;
const LINE_TOO_LONG = -2;
const EMPTY = new Uint8Array(0);

/** Room for `bytes`, at most twice as much. */
function capacityFor(bytes: number): number {
  let capacity = FIRST_BUFFER_BYTES;
  while (capacity < bytes) capacity *= 2;
  return capacity;
}
