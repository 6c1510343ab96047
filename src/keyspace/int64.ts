/** Redis's 64-bit integers: a JavaScript number while it is exact, else a bigint. */

/** Exact: a number is a safe integer, a bigint lies beyond 2^53 - 1 and within 64 bits. */
export type Int64 = number | bigint;

export const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
export const INT64_MIN = -0x8000_0000_0000_0000n;

/** The longest decimal form: `-9223372036854775808`. */
export const INT64_TEXT_MAX = 20;

/** The narrower form of a number within 64 bits. */
export function int64(value: bigint): Int64 {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

/** `a + b`, or undefined past 64 bits. */
export function addInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  return sum > INT64_MAX || sum < INT64_MIN ? undefined : int64(sum);
}

/**
 * Strict decimal form as Redis's `string2ll` takes it: no sign but `-`, no leading zero, no blank,
 * no `-0`. Undefined for anything else or past 64 bits.
 */
export function parseInt64(text: string): Int64 | undefined {
  const length = text.length;
  if (length === 0 || length > INT64_TEXT_MAX) return undefined;
  const negative = text.charCodeAt(0) === MINUS;
  const digits = negative ? length - 1 : length;
  const lead = text.charCodeAt(negative ? 1 : 0);
  if (digits === 0 || (lead === ZERO && length > 1)) return undefined;
  let value = 0;
  for (let i = negative ? 1 : 0; i < length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= SAFE_DIGITS) return negative ? -value : value;
  const exact = BigInt(text);
  return exact > INT64_MAX || exact < INT64_MIN ? undefined : int64(exact);
}

/** As `parseInt64`, on bytes and for numbers of at most 15 digits; undefined for longer ones too. */
export function parseShortInteger(
  bytes: Uint8Array,
  start: number,
  end: number,
): number | undefined {
  if (start === end) return undefined;
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  const digits = end - first;
  if (digits === 0 || digits > SAFE_DIGITS) return undefined;
  if (bytes[first] === ZERO) return digits === 1 && !negative ? 0 : undefined;
  let value = 0;
  for (let at = first; at < end; at++) {
    const digit = bytes[at] - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** Any number of so many digits is a safe integer. */
const SAFE_DIGITS = 15;
const MINUS = 0x2d;
const ZERO = 0x30;
