/**
 * The x87's 80-bit "long double", in which Redis computes INCRBYFLOAT and HINCRBYFLOAT: 64 bits of
 * mantissa, 15 of exponent, round to nearest even. BigInt arithmetic, so that every member gets the
 * same bits and clients see what Redis would have answered (0.1 + 0.2 is 0.3).
 */

/** `mantissa * 2^exponent`, exact; the mantissa is signed and has at most 64 bits. */
export interface Finite {
  readonly mantissa: bigint;
  readonly exponent: number;
}

export type LongDouble = Finite | "inf" | "-inf";

const MANTISSA_BITS = 64;
/** Exponent of the mantissa's last bit in the smallest numbers (denormals included): 2^-16445. */
const EXPONENT_MIN = -16445;
/** Numbers reach up to, and not including, 2^16384. */
const TOP_MAX = 16384;
/** Redis's buffer for a number's text (`MAX_LONG_DOUBLE_CHARS`). */
const TEXT_LENGTH_MAX = 5 * 1024 - 1;
/** Exponents beyond this give infinity or zero whatever the digits (5119 of them at most). */
const EXPONENT_TEXT_MAX = 40_000;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/**
 * What C's `strtold` makes of a whole text, as Redis's `string2ld` uses it: decimal, hexadecimal and
 * infinite forms; undefined for others, for a blank in front, and where the number overflows or
 * underflows to zero.
 */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length === 0 || text.length > TEXT_LENGTH_MAX) return undefined;
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === "-" ? "-inf" : "inf";
  return parseForm(DECIMAL.exec(text), 10) ?? parseForm(HEXADECIMAL.exec(text), 16);
}

function parseForm(match: RegExpExecArray | null, base: 10 | 16): Finite | undefined {
  if (match === null) return undefined;
  const whole = match[2] ?? "";
  const fraction = match[3] ?? "";
  if (whole.length + fraction.length === 0) return undefined;
  const digits = BigInt((base === 16 ? "0x" : "") + whole + fraction);
  if (digits === 0n) return ZERO;
  const signed = match[1] === "-" ? -digits : digits;
  const given = clamp(Number(match[4] ?? "0"));
  if (base === 16) return normal(round(signed, 1n, given - 4 * fraction.length));
  const scale = given - fraction.length;
  return scale >= 0
    ? normal(round(signed * 10n ** BigInt(scale), 1n, 0))
    : normal(round(signed, 10n ** BigInt(-scale), 0));
}

/** A number that is neither infinite nor zero; anything else was out of range. */
function normal(value: LongDouble): Finite | undefined {
  return typeof value === "string" || value.mantissa === 0n ? undefined : value;
}

function clamp(exponent: number): number {
  return Math.max(-EXPONENT_TEXT_MAX, Math.min(EXPONENT_TEXT_MAX, exponent));
}

/** `a + b`, rounded once; undefined for infinity minus infinity. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (typeof a === "string") return typeof b === "string" && a !== b ? undefined : a;
  if (typeof b === "string") return b;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) +
    (b.mantissa << BigInt(b.exponent - exponent));
  return round(sum, 1n, exponent);
}

/**
 * As C's `%.17Lf` with the zeros at the end cut off (Redis `LD_STR_HUMAN`): plain decimal digits, at
 * most 17 behind the point, half to even.
 */
export function longDoubleText(value: Finite): string {
  const negative = value.mantissa < 0n;
  const magnitude = negative ? -value.mantissa : value.mantissa;
  let scaled: bigint;
  if (value.exponent >= 0) {
    scaled = (magnitude << BigInt(value.exponent)) * TEN_TO_17;
  } else {
    scaled = halfEven(magnitude * TEN_TO_17, 1n << BigInt(-value.exponent));
  }
  const digits = scaled.toString().padStart(18, "0");
  const point = digits.length - 17;
  const text = `${digits.slice(0, point)}.${digits.slice(point)}`.replace(/\.?0+$/, "");
  return negative && text !== "0" ? `-${text}` : text;
}

/** `numerator / denominator * 2^exponent`, rounded to 64 bits. */
function round(numerator: bigint, denominator: bigint, exponent: number): LongDouble {
  if (numerator === 0n) return ZERO;
  const negative = numerator < 0n;
  let top = negative ? -numerator : numerator;
  let bottom = denominator;
  // Scale so that the quotient has 64 bits, or fewer where the exponent ends: one rounding only.
  let shift = bitLength(top) - bitLength(bottom) - MANTISSA_BITS;
  if (!scaledBelow(top, bottom, shift)) shift++;
  shift = Math.max(shift, EXPONENT_MIN - exponent);
  if (shift > 0) bottom <<= BigInt(shift);
  else top <<= BigInt(-shift);
  let mantissa = halfEven(top, bottom);
  let last = exponent + shift;
  if (bitLength(mantissa) > MANTISSA_BITS) {
    mantissa >>= 1n;
    last++;
  }
  if (bitLength(mantissa) + last > TOP_MAX) return negative ? "-inf" : "inf";
  return { mantissa: negative ? -mantissa : mantissa, exponent: last };
}

/** Whether `top / (bottom * 2^shift)` has at most 64 bits. */
function scaledBelow(top: bigint, bottom: bigint, shift: number): boolean {
  const bits = MANTISSA_BITS + shift;
  return bits >= 0 ? top < bottom << BigInt(bits) : top << BigInt(-bits) < bottom;
}

function halfEven(top: bigint, bottom: bigint): bigint {
  const quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  if (twice < bottom || (twice === bottom && (quotient & 1n) === 0n)) return quotient;
  return quotient + 1n;
}

function bitLength(value: bigint): number {
  const text = value.toString(16);
  return value === 0n ? 0 : (text.length - 1) * 4 + (32 - Math.clz32(parseInt(text[0], 16)));
}

const ZERO: Finite = { mantissa: 0n, exponent: 0 };
const TEN_TO_17 = 10n ** 17n;
