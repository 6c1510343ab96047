/**
 * What recovery does about each thing it can find, as data. The first rule that fits decides; the
 * tests enumerate every combination of facts. Pure.
 *
 * The rules rest on four facts about how the log is written: a segment is durable before the next
 * one is made; marks and the persist record say how much of the last segment was durable when they
 * were written; the state files name the last segment that was durable; what is not written yet is
 * zeros, and a disk writes whole sectors. What lies before such a point and cannot be read was
 * damaged. What lies behind it may be the part of a write that a crash left, if something of it is
 * missing.
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
  /** A mark or the persist record says that the file was durable past this place. */
  readonly durable: boolean;
  readonly found: PlaceFound;
  /** A part of it that a crash can lose is zeros, or past the end of the file. */
  readonly unwritten: boolean;
}

export type PlaceDecision =
  /** The log ends here; the rest is room for more. */
  | "free"
  /** The log ends here; the rest is the remains of an unfinished write and is cut off. */
  | "trim"
  /** Damage to one entry, known by its header: it must come from another member. */
  | "damaged"
  /** Damage that hides what was here: the log goes on at the next place that says where it is. */
  | "hidden"
  /** Damage that nothing explains. Refuse, change nothing. */
  | "corrupt";

interface Rule<Facts, Decision> {
  readonly when: Partial<Facts>;
  readonly decision: Decision;
  readonly why: string;
}

export const PLACE_RULES: readonly Rule<PlaceFacts, PlaceDecision>[] = [
  {
    when: { found: "misplaced" },
    decision: "corrupt",
    why: "no write, finished or not, puts a whole record in a wrong place",
  },
  {
    when: { segment: "earlier", found: "payload" },
    decision: "damaged",
    why: "a segment is whole and durable before the next one is made; the header is good",
  },
  {
    when: { durable: true, found: "payload" },
    decision: "damaged",
    why: "this place was durable; the header is good",
  },
  {
    when: { segment: "earlier" },
    decision: "hidden",
    why: "a segment is whole and durable before the next one is made",
  },
  { when: { durable: true }, decision: "hidden", why: "this place was durable" },
  { when: { found: "zeros" }, decision: "free", why: "space written ahead" },
  { when: { unwritten: true }, decision: "trim", why: "a write that no sync had finished" },
  {
    when: { found: "payload" },
    decision: "damaged",
    why: "all of it was written, so no crash explains it; the header is good",
  },
  { when: {}, decision: "hidden", why: "all of it was written, so no crash explains it" },
];

export interface SegmentFacts {
  readonly segment: "last" | "earlier";
  /** The state files say that the segment was durable. */
  readonly recorded: boolean;
  readonly header: "good" | "bad" | "mismatch";
  /** What must be in the header is known: the segment before it says so, or there is none. */
  readonly known: boolean;
}

export type SegmentDecision =
  | "keep"
  /** A crash left it before anything was in it. */
  | "remove"
  /** Write the header again. */
  | "rewrite"
  | "corrupt";

export const SEGMENT_RULES: readonly Rule<SegmentFacts, SegmentDecision>[] = [
  { when: { header: "good" }, decision: "keep", why: "the header is whole and in its place" },
  {
    when: { header: "mismatch" },
    decision: "corrupt",
    why: "no crash writes a whole header of another segment or cluster",
  },
  {
    when: { recorded: false, segment: "last" },
    decision: "remove",
    why: "a crash while the segment was being made",
  },
  { when: { known: true }, decision: "rewrite", why: "it was durable and says nothing else" },
  { when: {}, decision: "corrupt", why: "it was durable and alone knew what came before" },
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
