/**
 * Byte strings: a JavaScript string whose character codes are bytes (0 to 255). V8 stores one in a
 * byte a character, a third of what a small `Uint8Array` costs, so keys and small values use them.
 */

const SLICE = 4096;

/** The bytes `[start, end)` as a byte string. */
export function latin1FromBytes(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const length = end - start;
  if (length <= 24) {
    let text = "";
    for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]);
    return text;
  }
  if (length <= SLICE) return fromCharCodes(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at += SLICE) {
    text += fromCharCodes(bytes.subarray(at, Math.min(at + SLICE, end)));
  }
  return text;
}

/** Writes a byte string at `at`; the caller has made room for `text.length` bytes. */
export function putLatin1(buffer: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) buffer[at + i] = text.charCodeAt(i);
}

/** A byte string as new bytes. */
export function bytesFromLatin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  putLatin1(bytes, 0, text);
  return bytes;
}

function fromCharCodes(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
