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
function expectedPlace({ segment, durable, found, unwritten }: PlaceFacts): PlaceDecision {
  if (found === "misplaced") return "corrupt";
  const mayBeUnfinished = segment === "last" && !durable;
  if (mayBeUnfinished && found === "zeros") return "free";
  if (mayBeUnfinished && unwritten) return "trim";
  return found === "payload" ? "damaged" : "hidden";
}

function expectedSegment({ segment, recorded, header, known }: SegmentFacts): SegmentDecision {
  if (header === "good") return "keep";
  if (header === "mismatch") return "corrupt";
  if (segment === "last" && !recorded) return "remove";
  return known ? "rewrite" : "corrupt";
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
    unwritten: [true, false],
  });
  assertEquals(all.length, 40);
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
    known: [true, false],
  });
  assertEquals(all.length, 24);
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
