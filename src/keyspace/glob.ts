/**
 * Redis's glob patterns (`stringmatchlen` of 7.0): `*`, `?`, `[a-z]`, `[^a]`, `\x`. Iterative, with
 * one place to go back to, so a hostile pattern costs length × length at most and no stack; past
 * `GLOB_STEPS_MAX` the text counts as not matching (CVE-2022-36021, CVE-2024-31228).
 */

/** Steps for one text; no pattern that people write comes near. */
export const GLOB_STEPS_MAX = 1_000_000;

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const CARET = 94;
const DASH = 45;

/** Whether `pattern` matches the whole of `text`; both are byte strings. */
export function globMatches(pattern: string, text: string): boolean {
  // Redis's loop never looks at a pattern when there is no text: not even `*` matches an empty one.
  if (text.length === 0) return pattern.length === 0;
  let patternAt = 0;
  let textAt = 0;
  let starAt = -1;
  let starTextAt = 0;
  for (let steps = 0; steps < GLOB_STEPS_MAX; steps++) {
    if (textAt === text.length) {
      while (pattern.charCodeAt(patternAt) === STAR) patternAt++;
      if (patternAt === pattern.length) return true;
      // A later start leaves even less text for the same pattern.
      return false;
    }
    if (pattern.charCodeAt(patternAt) === STAR) {
      starAt = ++patternAt;
      if (starAt === pattern.length) return true;
      starTextAt = textAt;
      continue;
    }
    const next = patternAt < pattern.length
      ? matchOne(pattern, patternAt, text.charCodeAt(textAt))
      : -1;
    if (next >= 0) {
      patternAt = next;
      textAt++;
    } else if (starAt >= 0) {
      patternAt = starAt;
      textAt = ++starTextAt;
    } else {
      return false;
    }
  }
  return false;
}

/** Where the pattern goes on if its item at `at` takes `code`, else -1. */
function matchOne(pattern: string, at: number, code: number): number {
  switch (pattern.charCodeAt(at)) {
    case QUESTION:
      return at + 1;
    case OPEN:
      return matchClass(pattern, at + 1, code);
    case BACKSLASH: {
      const literal = at + 1 < pattern.length ? at + 1 : at;
      return pattern.charCodeAt(literal) === code ? literal + 1 : -1;
    }
    default:
      return pattern.charCodeAt(at) === code ? at + 1 : -1;
  }
}

/** The class whose content begins at `from`; one without an end reaches to the pattern's end. */
function matchClass(pattern: string, from: number, code: number): number {
  const end = pattern.length;
  const negated = pattern.charCodeAt(from) === CARET;
  let at = negated ? from + 1 : from;
  let found = false;
  for (; at < end; at++) {
    const item = pattern.charCodeAt(at);
    if (item === BACKSLASH && end - at >= 2) {
      at++;
      if (pattern.charCodeAt(at) === code) found = true;
    } else if (item === CLOSE) {
      at++;
      return found === negated ? -1 : at;
    } else if (end - at >= 3 && pattern.charCodeAt(at + 1) === DASH) {
      if (inRange(item, pattern.charCodeAt(at + 2), code)) found = true;
      at += 2;
    } else if (item === code) {
      found = true;
    }
  }
  return found === negated ? -1 : end;
}

/** Bounds in either order. Bytes compare as C's `char`, which is signed where Redis runs. */
function inRange(a: number, b: number, code: number): boolean {
  const first = signed(a);
  const second = signed(b);
  const value = signed(code);
  return first <= second ? value >= first && value <= second : value >= second && value <= first;
}

function signed(code: number): number {
  return code << 24 >> 24;
}
