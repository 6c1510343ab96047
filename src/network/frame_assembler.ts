/**
 * Cuts a stream of bytes into frames, however it arrives. A head is verified before anything it says
 * is believed; memory for a body follows the bytes that arrived, not the length that was announced.
 * A body is copied once (large ones, that grow while they arrive, twice at most).
 */

import { assert, ByteReader, crc32, DecodeError, getU32 } from "../base/mod.ts";
import {
  BODILESS_FRAME_BYTES_MAX,
  FIELDS_BYTES_MAX,
  type Frame,
  FRAME_HEAD_BYTES,
  NO_BYTES,
  PREAMBLE,
} from "./frame.ts";

/** Bodies up to this size get their memory at once. */
const BODY_AHEAD_BYTES = 256 * 1024;

export class FrameAssembler {
  /** Frames above it are refused; starts at the limit for handshakes. */
  frameBytesMax: number = BODILESS_FRAME_BYTES_MAX;

  readonly #leadBytesOf: (type: number) => number;
  #chunk: Uint8Array = NO_BYTES;
  #at = 0;
  #preambleBytes = 0;
  /** A head whose bytes came in pieces, or whose body has not arrived yet. */
  readonly #head = new Uint8Array(BODILESS_FRAME_BYTES_MAX);
  #headBytes = 0;
  #body: Uint8Array | undefined;
  /** Room before the body, filled part and final length; all in bytes, room included. */
  #leadBytes = 0;
  #bodyAt = 0;
  #bodyEnd = 0;

  /** `leadBytesOf` says how much room a frame's type wants in memory before its body. */
  constructor(leadBytesOf: (type: number) => number) {
    this.#leadBytesOf = leadBytesOf;
  }

  /** True while the body of a verified frame is arriving. */
  get insideBody(): boolean {
    return this.#body !== undefined;
  }

  /** Takes the next bytes; they are read until `next` returns undefined and not kept. */
  feed(chunk: Uint8Array): void {
    assert(
      this.#at === this.#chunk.length,
      "Cannot feed bytes: the ones before are not read, expected next() until undefined",
    );
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The next whole frame, or undefined when more bytes are needed. Throws `DecodeError` for bytes
   * that the format forbids; the stream cannot be read any further then.
   */
  next(): Frame | undefined {
    if (this.#preambleBytes < PREAMBLE.length) this.#takePreamble();
    while (this.#at < this.#chunk.length) {
      const frame = this.#body === undefined ? this.#takeHead() : this.#takeBody(this.#body);
      if (frame !== undefined) return frame;
    }
    this.#chunk = NO_BYTES;
    this.#at = 0;
    return undefined;
  }

  #takePreamble(): void {
    const chunk = this.#chunk;
    while (this.#preambleBytes < PREAMBLE.length && this.#at < chunk.length) {
      if (chunk[this.#at] !== PREAMBLE[this.#preambleBytes]) {
        throw new DecodeError(
          "Cannot read from the connection: found another protocol, expected Logboat's for peers",
        );
      }
      this.#preambleBytes++;
      this.#at++;
    }
  }

  #takeHead(): Frame | undefined {
    const chunk = this.#chunk;
    if (this.#headBytes === 0 && chunk.length - this.#at >= FRAME_HEAD_BYTES) {
      const headEnd = this.#at + headBytesAt(chunk, this.#at);
      if (headEnd <= chunk.length) {
        const start = this.#at;
        this.#at = headEnd;
        return this.#afterHead(chunk, start, headEnd);
      }
    }
    if (this.#headBytes < FRAME_HEAD_BYTES) this.#stage(FRAME_HEAD_BYTES);
    if (this.#headBytes < FRAME_HEAD_BYTES) return undefined;
    const headBytes = headBytesAt(this.#head, 0);
    this.#stage(headBytes);
    if (this.#headBytes < headBytes) return undefined;
    this.#headBytes = 0;
    return this.#afterHead(this.#head, 0, headBytes);
  }

  /** Moves bytes of the chunk behind the staged ones until there are `until`, or no more. */
  #stage(until: number): void {
    const take = Math.min(until - this.#headBytes, this.#chunk.length - this.#at);
    this.#head.set(this.#chunk.subarray(this.#at, this.#at + take), this.#headBytes);
    this.#headBytes += take;
    this.#at += take;
  }

  /** The head is complete in `buffer[start, headEnd)`: verifies it and looks for the body. */
  #afterHead(buffer: Uint8Array, start: number, headEnd: number): Frame | undefined {
    if (getU32(buffer, start) !== crc32(buffer, start + 4, headEnd)) {
      throw new DecodeError("Cannot read frame: the checksum does not match");
    }
    const frameBytes = getU32(buffer, start + 4);
    const bodyBytes = frameBytes - (headEnd - start);
    if (bodyBytes < 0 || frameBytes > this.frameBytesMax) {
      throw new DecodeError(
        `Cannot read frame: its length is ${frameBytes}, ` +
          `expected ${headEnd - start} to ${this.frameBytesMax}`,
      );
    }
    const type = buffer[start + 8];
    if (bodyBytes === 0) return frameOf(type, buffer, start, headEnd, NO_BYTES);
    const leadBytes = this.#leadBytesOf(type);
    if (bodyBytes <= this.#chunk.length - this.#at) {
      const body = new Uint8Array(leadBytes + bodyBytes);
      body.set(this.#chunk.subarray(this.#at, this.#at + bodyBytes), leadBytes);
      this.#at += bodyBytes;
      return frameOf(type, buffer, start, headEnd, body);
    }
    if (buffer !== this.#head) this.#head.set(buffer.subarray(start, headEnd));
    this.#leadBytes = leadBytes;
    this.#bodyAt = leadBytes;
    this.#bodyEnd = leadBytes + bodyBytes;
    this.#body = new Uint8Array(Math.min(this.#bodyEnd, leadBytes + BODY_AHEAD_BYTES));
    return undefined;
  }

  #takeBody(body: Uint8Array): Frame | undefined {
    const take = Math.min(this.#bodyEnd - this.#bodyAt, this.#chunk.length - this.#at);
    const bodyAt = this.#bodyAt + take;
    let room = body;
    if (bodyAt > body.length) {
      room = new Uint8Array(Math.min(this.#bodyEnd, Math.max(bodyAt, body.length * 2)));
      room.set(body.subarray(this.#leadBytes, this.#bodyAt), this.#leadBytes);
    }
    room.set(this.#chunk.subarray(this.#at, this.#at + take), this.#bodyAt);
    this.#at += take;
    this.#bodyAt = bodyAt;
    if (bodyAt < this.#bodyEnd) {
      this.#body = room;
      return undefined;
    }
    this.#body = undefined;
    const head = this.#head;
    return frameOf(head[8], head, 0, headBytesAt(head, 0), room);
  }
}

/** Head and fields. Not verified yet, but never more than there is room for. */
function headBytesAt(buffer: Uint8Array, at: number): number {
  const fieldsBytes = buffer[at + 9] | (buffer[at + 10] << 8);
  if (fieldsBytes > FIELDS_BYTES_MAX) {
    throw new DecodeError(
      `Cannot read frame: it has ${fieldsBytes} bytes of fields, ` +
        `expected at most ${FIELDS_BYTES_MAX}`,
    );
  }
  return FRAME_HEAD_BYTES + fieldsBytes;
}

function frameOf(
  type: number,
  head: Uint8Array,
  start: number,
  headEnd: number,
  body: Uint8Array,
): Frame {
  return { type, fields: new ByteReader(head, start + FRAME_HEAD_BYTES, headEnd), body };
}
