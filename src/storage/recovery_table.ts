/**
 * What recovery does about each thing it can find, as data. The first rule that fits decides; the
 * tests enumerate every combination of facts. Pure.
 *
 * The rules rest on three facts about how the log is written: a segment is durable before the next
 * one is made; a mark says how much of the last segment was durable when it was written; the state
 * files name the last segment that was durable. What lies before such a point and cannot be read
 * was damaged. What lies behind it may be the part of a write that a crash left.
 */

/** The first place of a segment that is no valid record or mark. */
export type PlaceFound =
  /** Nothing but zeros up to the end of the file. */
  | "zeros"
  /** No valid record header or mark. */
  | "header"
  /** A valid header whose payload goes past the end of the file. */
  | "short"
  /** A valid header whose payload has another checksum. */
  | "payload"
  /** A valid record that cannot follow the one before: a gap, a repeat, a term that falls. */
  | "misplaced";

export interface PlaceFacts {
  readonly segment: "last" | "earlier";
  /** A mark says that the file was durable past this place. */
  readonly durable: boolean;
  readonly found: PlaceFound;
}

export type PlaceDecision =
  /** The log ends here; the rest is room for more. */
  | "free"
  /** The log ends here; the rest is the remains of an unfinished write and is cut off. */
  | "trim"
  /** Damage. Refuse, change nothing. */
  | "corrupt";

interface Rule<Facts, Decision> {
  readonly when: Partial<Facts>;
  readonly decision: Decision;
  readonly why: string;
}

export const PLACE_RULES: readonly Rule<PlaceFacts, PlaceDecision>[] = [
  {
    when: { segment: "earlier" },
    decision: "corrupt",
    why: "a segment is whole and durable before the next one is made",
  },
  {
    when: { durable: true },
    decision: "corrupt",
    why: "a later mark says that this place was durable",
  },
  { when: { found: "zeros" }, decision: "free", why: "space written ahead" },
  {
    when: { found: "misplaced" },
    decision: "corrupt",
    why: "no write, finished or not, puts a whole record in a wrong place",
  },
  { when: {}, decision: "trim", why: "a write that no sync had finished" },
];

export interface SegmentFacts {
  readonly segment: "last" | "earlier";
  /** The state files say that the segment was durable. */
  readonly recorded: boolean;
  readonly header: "good" | "bad" | "mismatch";
}

export type SegmentDecision = "keep" | "remove" | "corrupt";

export const SEGMENT_RULES: readonly Rule<SegmentFacts, SegmentDecision>[] = [
  { when: { header: "good" }, decision: "keep", why: "the header is whole and in its place" },
  {
    when: { header: "mismatch" },
    decision: "corrupt",
    why: "no crash writes a whole header of another segment or cluster",
  },
  { when: { recorded: true }, decision: "corrupt", why: "the header was durable" },
  { when: { segment: "earlier" }, decision: "corrupt", why: "another segment was made after it" },
  { when: {}, decision: "remove", why: "a crash while the segment was being made" },
];

export type CopyFound = "good" | "bad" | "missing";

export interface StateFacts {
  readonly a: CopyFound;
  readonly b: CopyFound;
  readonly segments: "some" | "none";
  /** The identity file says that term, vote and log had been made. */
  readonly created: boolean;
}

export type StateDecision =
  /** Take the newest good copy, write both again. */
  | "use"
  /** A first start, or one that a crash cut short: begin with term 0. */
  | "create"
  /** Term and vote are lost. Refuse. */
  | "refuse";

export const STATE_RULES: readonly Rule<StateFacts, StateDecision>[] = [
  { when: { a: "good" }, decision: "use", why: "copy a is whole" },
  { when: { b: "good" }, decision: "use", why: "copy b is whole" },
  { when: { created: true }, decision: "refuse", why: "both copies had been made" },
  { when: { segments: "some" }, decision: "refuse", why: "both copies are made before the log" },
  {
    when: {},
    decision: "create",
    why: "the first start was not finished, so nothing was promised",
  },
];

export function decidePlace(facts: PlaceFacts): PlaceDecision {
  return decide(PLACE_RULES, facts);
}

export function decideSegment(facts: SegmentFacts): SegmentDecision {
  return decide(SEGMENT_RULES, facts);
}

export function decideState(facts: StateFacts): StateDecision {
  return decide(STATE_RULES, facts);
}

function decide<Facts extends object, Decision>(
  rules: readonly Rule<Facts, Decision>[],
  facts: Facts,
): Decision {
  return rules[ruleFor(rules, facts)].decision;
}

/** The number of the rule that decides; the last rule of every table fits everything. */
export function ruleFor<Facts extends object, Decision>(
  rules: readonly Rule<Facts, Decision>[],
  facts: Facts,
): number {
  return rules.findIndex(({ when }) =>
    Object.entries(when).every(([name, value]) => facts[name as keyof Facts] === value)
  );
}
