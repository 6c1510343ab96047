/**
 * Reads what `ByteWriter` wrote. Input may be hostile or damaged, so every read checks its bounds
 * and throws `DecodeError`, the one error that callers of codecs catch.
 */

const TWO_TO_32 = 0x1_0000_0000;

/** The bytes are not what the format says. Not a bug of ours: the input is bad. */
export class DecodeError extends Error {
  override readonly name: string = "DecodeError";
}

/** The bytes are whole, and of a later release than this one: its format says so. */
export class NewerFormatError extends DecodeError {
  override readonly name = "NewerFormatError";
}

/** What to do about data of a later release. */
export const NEWER_RELEASE_ADVICE = "start the release of Logboat that wrote it, or a later one";

export class ByteReader {
  readonly buffer: Uint8Array;
  readonly end: number;
  at: number;

  constructor(buffer: Uint8Array, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  u8(): number {
    return this.buffer[this.#advance(1)];
  }

  u16(): number {
    const at = this.#advance(2);
    return this.buffer[at] | (this.buffer[at + 1] << 8);
  }

  u32(): number {
    return getU32(this.buffer, this.#advance(4));
  }

  /** Eight bytes that must hold a safe integer. */
  u64(): number {
    return getU64(this.buffer, this.#advance(8));
  }

  /** A view of the next `length` bytes, not copied. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.buffer.subarray(at, at + length);
  }

  /** Throws unless everything was read. */
  expectEnd(): void {
    if (this.at !== this.end) {
      throw new DecodeError(`Cannot decode: ${this.end - this.at} bytes left over, expected none`);
    }
  }

  #advance(bytes: number): number {
    const at = this.at;
    if (bytes > this.end - at) {
      throw new DecodeError(`Cannot read ${bytes} bytes at ${at}: the input ends at ${this.end}`);
    }
    this.at = at + bytes;
    return at;
  }
}

/** Reads an unsigned 32-bit number, little-endian; the caller has checked the bounds. */
export function getU32(buffer: Uint8Array, at: number): number {
  return (buffer[at] | (buffer[at + 1] << 8) | (buffer[at + 2] << 16) | (buffer[at + 3] << 24)) >>>
    0;
}

/** Reads eight bytes, little-endian; throws `DecodeError` past 2^53 - 1. */
export function getU64(buffer: Uint8Array, at: number): number {
  const value = getU32(buffer, at + 4) * TWO_TO_32 + getU32(buffer, at);
  if (!Number.isSafeInteger(value)) {
    throw new DecodeError(`Cannot read the number at ${at}: it is past 2^53 - 1`);
  }
  return value;
}
