/** Every combination of facts that recovery can meet, with what it must do. */

import {
  decidePlace,
  decideSegment,
  decideState,
  PLACE_RULES,
  type PlaceDecision,
  type PlaceFacts,
  ruleFor,
  SEGMENT_RULES,
  type SegmentDecision,
  type SegmentFacts,
  STATE_RULES,
  type StateDecision,
  type StateFacts,
} from "../../src/storage/recovery_table.ts";
import { assertEquals } from "../support/assert.ts";

/** All combinations of the given values of each fact. */
function combinations<Facts extends object>(
  values: { readonly [Name in keyof Facts]: readonly Facts[Name][] },
): Facts[] {
  let all: Partial<Facts>[] = [{}];
  for (const name of Object.keys(values) as (keyof Facts)[]) {
    all = all.flatMap((facts) => values[name].map((value) => ({ ...facts, [name]: value })));
  }
  return all as Facts[];
}

/** What the design says, worked out apart from the table. */
function expectedPlace({ segment, durable, found }: PlaceFacts): PlaceDecision {
  const mayBeUnfinished = segment === "last" && !durable;
  if (!mayBeUnfinished) return "corrupt";
  switch (found) {
    case "zeros":
      return "free";
    case "header":
    case "short":
    case "payload":
      return "trim";
    case "misplaced":
      return "corrupt";
  }
}

function expectedSegment({ segment, recorded, header }: SegmentFacts): SegmentDecision {
  if (header === "good") return "keep";
  return header === "bad" && segment === "last" && !recorded ? "remove" : "corrupt";
}

function expectedState({ a, b, segments, created }: StateFacts): StateDecision {
  if (a === "good" || b === "good") return "use";
  return !created && segments === "none" ? "create" : "refuse";
}

Deno.test("every bad place in a segment is decided", () => {
  const used = new Set<number>();
  const all = combinations<PlaceFacts>({
    segment: ["last", "earlier"],
    durable: [true, false],
    found: ["zeros", "header", "short", "payload", "misplaced"],
  });
  assertEquals(all.length, 20);
  for (const facts of all) {
    assertEquals(decidePlace(facts), expectedPlace(facts), JSON.stringify(facts));
    used.add(ruleFor(PLACE_RULES, facts));
  }
  assertEquals(used.size, PLACE_RULES.length, "every rule decides something");
});

Deno.test("every segment header is decided", () => {
  const used = new Set<number>();
  const all = combinations<SegmentFacts>({
    segment: ["last", "earlier"],
    recorded: [true, false],
    header: ["good", "bad", "mismatch"],
  });
  assertEquals(all.length, 12);
  for (const facts of all) {
    assertEquals(decideSegment(facts), expectedSegment(facts), JSON.stringify(facts));
    used.add(ruleFor(SEGMENT_RULES, facts));
  }
  assertEquals(used.size, SEGMENT_RULES.length, "every rule decides something");
});

Deno.test("every pair of state copies is decided", () => {
  const used = new Set<number>();
  const all = combinations<StateFacts>({
    a: ["good", "bad", "missing"],
    b: ["good", "bad", "missing"],
    segments: ["some", "none"],
    created: [true, false],
  });
  assertEquals(all.length, 36);
  for (const facts of all) {
    assertEquals(decideState(facts), expectedState(facts), JSON.stringify(facts));
    used.add(ruleFor(STATE_RULES, facts));
  }
  assertEquals(used.size, STATE_RULES.length, "every rule decides something");
});
