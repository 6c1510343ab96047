/**
 * A stretch of a segment that cannot be read, and which entries are in it. Pure.
 *
 * Where a header is good it says which entry it is. Where it is not, the next mark, the persist
 * record or the next segment names the entry before it, and so all in between, provided that they
 * have one term: a node must know the terms of its entries, and never guesses one.
 */

import { LogIndex, type Term } from "../base/mod.ts";
import { type EntryId, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import type { CorruptionError } from "./errors.ts";
import { orderProblem } from "./log_serializer.ts";
import { MARK_BYTES } from "./segment_format.ts";
import type { BadPlace } from "./segment_scanner.ts";

export interface Hole {
  /** The entries in it; `last` is `first` - 1 where there are only marks. */
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** Of all its entries. */
  readonly term: Term;
  readonly at: number;
  /** Undefined: up to the end of the segment, wherever that was. */
  readonly end: number | undefined;
  /** It is one record, and only its payload is damaged. */
  readonly hasHeader: boolean;
  /** A crash left what was being cut off: all that is in the segment at and behind `at`. */
  readonly hasRemains: boolean;
}

/** A hole with entries in it, found at the start. */
export interface FoundDamage {
  readonly hole: Hole;
  /** What to say when nobody else can have them. */
  readonly error: CorruptionError;
}

/** A place that says which entry is before it. */
export interface Bound {
  /** Undefined: the end of the segment. */
  readonly offset: number | undefined;
  readonly last: EntryId;
}

/** The hole at `at` behind entry `last`, or why nobody can say what was there. */
export function holeOf(
  decision: "damaged" | "hidden",
  place: { readonly at: number; readonly last: EntryId; readonly bad: BadPlace },
  end: Bound | undefined,
): Hole | string {
  const { at, last, bad } = place;
  if (decision === "hidden") {
    if (isCutBefore(end, bad.bound)) {
      const hole = hiddenHole(at, last, end);
      return typeof hole === "string" ? hole : { ...hole, hasRemains: true };
    }
    if (isSaidBehind(end, bad.bound, last)) return hiddenHole(at, last, end);
    const isBehind = end !== undefined && (end.offset ?? Infinity) > at;
    return hiddenHole(at, last, bad.bound ?? (isBehind ? end : undefined));
  }
  const { header, next } = bad;
  if (header === undefined) return "it has no header";
  const problem = orderProblem(last, header);
  if (problem !== undefined) return problem;
  const { index, term } = header;
  return {
    first: index,
    last: index,
    term,
    at,
    end: next,
    hasHeader: true,
    hasRemains: false,
  };
}

/**
 * Whether the segment behind begins before an entry that this one names: it was made to cut the log
 * within the hole, and a crash came before this one was cut.
 */
function isCutBefore(end: Bound | undefined, bound: Bound | undefined): boolean {
  if (end === undefined || bound === undefined || end.offset !== undefined) return false;
  return end.last.index < bound.last.index;
}

/**
 * Whether the segment behind names the same entry as a mark in this one: only marks can follow, and
 * how long the hole is does not matter. One that was put where the segment ends no more (`markEnd`)
 * does not say where entries were.
 */
function isSaidBehind(end: Bound | undefined, bound: Bound | undefined, last: EntryId): boolean {
  if (end === undefined || bound === undefined || end.offset !== undefined) return false;
  return end.last.index === bound.last.index && end.last.index > last.index;
}

/** The hole between entry `last`, which ends at `at`, and `bound`. */
export function hiddenHole(at: number, last: EntryId, bound: Bound | undefined): Hole | string {
  if (bound === undefined) return "nothing behind it says which entries were here";
  const { offset } = bound;
  const count = bound.last.index - last.index;
  const { term } = bound.last;
  if (count < 0 || term < last.term || (count === 0 && term !== last.term)) {
    return `entry ${bound.last.index} of term ${term} cannot follow entry ${last.index} of term ` +
      `${last.term}`;
  }
  if (count > 1 && term !== last.term) {
    return `entries ${last.index + 1} to ${bound.last.index} have terms from ${last.term} to ` +
      `${term}, and nobody says which`;
  }
  if (offset !== undefined) {
    const rest = offset - at - count * RECORD_HEADER_BYTES;
    if (rest < 0 || (count === 0 && rest % MARK_BYTES !== 0)) {
      return `${count} entries do not fit in ${offset - at} bytes`;
    }
  }
  const first = LogIndex(last.index + 1);
  return {
    first,
    last: bound.last.index,
    term,
    at,
    end: offset,
    hasHeader: false,
    hasRemains: false,
  };
}
