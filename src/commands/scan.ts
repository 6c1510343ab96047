/** Cursor and options of SCAN and its kin, and the shape of their reply. */

import { globMatches, HASH_SPACE, type Int64 } from "../keyspace/mod.ts";
import type { Request, RespError } from "../resp/mod.ts";
import { cStringAt, int64At, lowerCase, optionAt } from "./arguments.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR } from "./errors.ts";

/** Elements a page looks at, whatever COUNT says: COUNT is a hint, and a page must not stall others. */
const COUNT_MAX = 100_000;
const COUNT_DEFAULT = 10;
const U64 = 0x1_0000_0000_0000_0000n;

/**
 * The position that argument `i` names; past the end (`HASH_SPACE`) for a number that no page ever
 * gave. Undefined for what C's `strtoul` refuses; like it, an empty text is 0 and signs are taken.
 */
export function cursorAt(request: Request, i: number): number | undefined {
  if (request.byteLength(i) > 4096) return undefined;
  const text = cStringAt(request, i);
  if (text === "") return 0;
  const match = /^([+-]?)(\d+)$/.exec(text);
  if (match === null) return undefined;
  const magnitude = BigInt(match[2]);
  if (magnitude >= U64) return undefined;
  const cursor = match[1] === "-" ? (U64 - magnitude) % U64 : magnitude;
  return cursor >= BigInt(HASH_SPACE) ? HASH_SPACE : Number(cursor);
}

export interface ScanOptions {
  readonly count: number;
  /** Undefined when everything matches. */
  readonly pattern: string | undefined;
  /** Lower case. */
  readonly type: string | undefined;
}

/** MATCH, COUNT and, if `withType`, TYPE, from argument `from` on. */
export function parseScanOptions(
  request: Request,
  from: number,
  withType: boolean,
): ScanOptions | RespError {
  let count = COUNT_DEFAULT;
  let pattern: string | undefined;
  let type: string | undefined;
  for (let i = from; i < request.length; i += 2) {
    if (i + 1 === request.length) return SYNTAX_ERROR;
    const name = optionAt(request, i);
    if (name === "count") {
      const given: Int64 | undefined = int64At(request, i + 1);
      if (given === undefined) return NOT_AN_INTEGER;
      if (given < 1) return SYNTAX_ERROR;
      count = Math.min(Number(given), COUNT_MAX);
    } else if (name === "match") {
      pattern = request.text(i + 1);
      if (pattern === "*") pattern = undefined;
    } else if (name === "type" && withType) {
      type = lowerCase(cStringAt(request, i + 1));
    } else {
      return SYNTAX_ERROR;
    }
  }
  return { count, pattern, type };
}

export function scanMatches(options: ScanOptions, text: string): boolean {
  return options.pattern === undefined || globMatches(options.pattern, text);
}

/** The text of the cursor that goes on at `next`; "0" at the end. */
export function cursorText(next: number): string {
  return next === HASH_SPACE ? "0" : String(next);
}
