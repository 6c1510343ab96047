/** Reads arguments of session commands as Redis does. */

const I64_MAX = 2n ** 63n - 1n;
const I64_MIN = -(2n ** 63n);

/**
 * A decimal integer in the range of 64 bits, or undefined. Above 2^53 it is rounded, so only compare
 * it with limits.
 */
export function parseInteger(text: string): number | undefined {
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return undefined;
  if (text.length > 15) {
    const exact = BigInt(text);
    if (exact > I64_MAX || exact < I64_MIN) return undefined;
  }
  return Number(text);
}

/**
 * Matches a glob pattern: `*`, `?`, `[a-z]`, `[^a]`, `\x`. Iterative: at most length × pattern
 * steps.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      starAt = p++;
      starText = t;
      continue;
    }
    const next = matchOne(pattern, p, text[t]);
    if (next > 0) {
      p = next;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++starText;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p >= pattern.length;
}

/** Matches one character at `p`; returns where the pattern goes on, or 0. */
function matchOne(pattern: string, p: number, char: string): number {
  if (p >= pattern.length) return 0;
  if (pattern[p] === "?") return p + 1;
  if (pattern[p] === "[") return matchClass(pattern, p + 1, char);
  if (pattern[p] === "\\" && p + 1 < pattern.length) p++;
  return pattern[p] === char ? p + 1 : 0;
}

function matchClass(pattern: string, start: number, char: string): number {
  let p = start;
  const negated = pattern[p] === "^";
  if (negated) p++;
  let found = false;
  for (; p < pattern.length && pattern[p] !== "]"; p++) {
    if (pattern[p] === "\\" && p + 1 < pattern.length) {
      found ||= pattern[++p] === char;
    } else if (pattern[p + 1] === "-" && p + 2 < pattern.length) {
      const ends = [pattern[p], pattern[p + 2]].sort();
      found ||= char >= ends[0] && char <= ends[1];
      p += 2;
    } else found ||= pattern[p] === char;
  }
  return found !== negated ? Math.min(p + 1, pattern.length) : 0;
}
