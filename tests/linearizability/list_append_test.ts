/** The checker of transactions itself: known histories, random ones, and a brute force beside it. */

import { Prng } from "../../src/base/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type AnomalyKind,
  findAnomaly,
  type ListTransaction,
  type MicroOperation,
} from "../support/list_append.ts";

const append = (key: string, element: number): MicroOperation => ({ kind: "append", key, element });
const read = (key: string, ...elements: number[]): MicroOperation => ({
  kind: "read",
  key,
  elements,
});
const at = (
  callMs: number,
  returnMs: number,
  ...operations: MicroOperation[]
): ListTransaction => ({ operations, callMs, returnMs, outcome: "ok" });
const beside = (...operations: MicroOperation[]) => at(0, 100, ...operations);
const failed = (...operations: MicroOperation[]): ListTransaction => ({
  ...beside(...operations),
  outcome: "failed",
});
const unknown = (callMs: number, ...operations: MicroOperation[]): ListTransaction => ({
  operations,
  callMs,
  returnMs: Infinity,
  outcome: "unknown",
});

const bad: readonly (readonly [AnomalyKind, readonly ListTransaction[]])[] = [
  ["phantom", [beside(read("x", 7))]],
  ["duplicate", [beside(append("x", 1)), beside(read("x", 1, 1))]],
  ["incompatibleOrder", [
    beside(append("x", 1)),
    beside(append("x", 2)),
    beside(read("x", 1, 2)),
    beside(read("x", 2, 1)),
  ]],
  ["internal", [beside(append("x", 1), read("x"))]],
  ["internal", [beside(append("x", 1)), beside(read("x"), read("x", 1))]],
  ["G1a", [failed(append("x", 1)), beside(read("x", 1))]],
  ["G1b", [beside(append("x", 1), append("x", 2)), beside(read("x", 1))]],
  ["G0", [
    beside(append("x", 1), append("y", 2)),
    beside(append("x", 3), append("y", 4)),
    beside(read("x", 1, 3)),
    beside(read("y", 4, 2)),
  ]],
  ["G1c", [beside(append("x", 1), read("y", 2)), beside(append("y", 2), read("x", 1))]],
  ["G-single", [beside(append("x", 1), append("y", 2)), beside(read("x"), read("y", 2))]],
  ["G2", [
    beside(read("x"), append("y", 2)),
    beside(read("y"), append("x", 1)),
    beside(read("x", 1), read("y", 2)),
  ]],
  ["G-single-realtime", [at(0, 1, append("x", 1)), at(2, 3, read("x"))]],
  ["G-single-realtime", [
    at(0, 1, append("x", 1)),
    at(2, 3, read("x", 1)),
    at(4, 5, read("x")),
  ]],
  ["G0-realtime", [
    at(0, 1, append("x", 1)),
    at(2, 3, append("x", 2)),
    at(0, 9, read("x", 2, 1)),
  ]],
  ["G1c-realtime", [at(0, 1, read("x", 1)), at(2, 3, append("x", 1))]],
];

for (const [kind, history] of bad) {
  Deno.test(`list append: finds ${kind} in ${history.length} transactions`, () => {
    assertEquals(findAnomaly(history)?.kind, kind);
  });
}

const good: Record<string, readonly ListTransaction[]> = {
  "nothing": [],
  "one after the other": [at(0, 1, append("x", 1)), at(2, 3, read("x", 1), append("x", 2))],
  "both sides of an overlap": [
    at(0, 9, append("x", 1)),
    at(1, 2, read("x")),
    at(3, 4, read("x", 1)),
  ],
  "an unknown outcome that happened": [unknown(0, append("x", 1)), at(5, 6, read("x", 1))],
  "an unknown outcome that did not": [unknown(0, append("x", 1)), at(5, 6, read("x"))],
  "an unknown outcome that happens late": [
    unknown(0, append("x", 1)),
    at(5, 6, read("x")),
    at(7, 8, read("x", 1)),
  ],
};

for (const [name, history] of Object.entries(good)) {
  Deno.test(`list append: accepts ${name}`, () => assertEquals(findAnomaly(history), undefined));
}

/** Runs transactions in a random order, each somewhere between its call and its return. */
function sequentialHistory(prng: Prng, count: number): ListTransaction[] {
  const lists = new Map<string, number[]>();
  let element = 0;
  return Array.from({ length: count }, (_, place) => {
    const operations: MicroOperation[] = [];
    for (let i = prng.between(1, 3); i > 0; i--) {
      const key = prng.pick(["x", "y", "z"]);
      const list = lists.get(key) ?? [];
      if (prng.chance(0.5)) {
        list.push(++element);
        operations.push(append(key, element));
      } else operations.push(read(key, ...list));
      lists.set(key, list);
    }
    return at(place - 2 * prng.unit(), place + 2 * prng.unit(), ...operations);
  });
}

Deno.test("list append: accepts random histories of a sequential run", () => {
  for (let seed = 1; seed <= 300; seed++) {
    assertEquals(findAnomaly(sequentialHistory(new Prng(seed), 40)), undefined, `seed ${seed}`);
  }
});

/** Whether some order that agrees with real time explains every read. */
function isSerializableByBruteForce(history: readonly ListTransaction[]): boolean {
  const go = (left: readonly number[], lists: ReadonlyMap<string, string>): boolean => {
    if (left.length === 0) return true;
    return left.some((candidate) => {
      const { callMs, operations } = history[candidate];
      if (left.some((other) => history[other].returnMs < callMs)) return false;
      const after = new Map(lists);
      for (const operation of operations) {
        const list = after.get(operation.key) ?? "";
        if (operation.kind === "append") after.set(operation.key, `${list}${operation.element},`);
        else if (operation.elements!.map((element) => `${element},`).join("") !== list) {
          return false;
        }
      }
      return go(left.filter((other) => other !== candidate), after);
    });
  };
  return go(history.map((_, index) => index), new Map());
}

/** Changes one read of a history: what it saw ends earlier or goes on. */
function mutate(prng: Prng, history: readonly ListTransaction[]): ListTransaction[] {
  const whole = new Map<string, number[]>();
  for (const { operations } of history) {
    for (const operation of operations) {
      if (operation.kind !== "append") continue;
      whole.set(operation.key, [...(whole.get(operation.key) ?? []), operation.element]);
    }
  }
  const target = prng.between(0, history.length - 1);
  return history.map((transaction, index) => {
    if (index !== target) return transaction;
    const operations = transaction.operations.map((operation) => {
      if (operation.kind !== "read") return operation;
      const all = whole.get(operation.key) ?? [];
      return read(operation.key, ...all.slice(0, prng.between(0, all.length)));
    });
    return { ...transaction, operations };
  });
}

Deno.test("list append: agrees with brute force where final reads tell every order", () => {
  let violations = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const prng = new Prng(seed);
    const run = sequentialHistory(prng, prng.between(2, 5));
    const keys = ["x", "y", "z"];
    const finals = keys.map((key) => {
      const elements = run.flatMap(({ operations }) =>
        operations.flatMap((operation) =>
          operation.kind === "append" && operation.key === key ? [operation.element] : []
        )
      );
      return read(key, ...elements);
    });
    const history = [...mutate(prng, run), at(100, 101, ...finals)];
    const serializable = isSerializableByBruteForce(history);
    if (!serializable) violations++;
    assertEquals(findAnomaly(history) === undefined, serializable, `seed ${seed}`);
  }
  assert(violations > 300, `only ${violations} histories were bad`);
});

Deno.test("list append: ten thousand transactions over a hundred keys", () => {
  const prng = new Prng(7);
  const lists = new Map<string, number[]>();
  let element = 0;
  const history = Array.from({ length: 10_000 }, (_, place) => {
    const key = `k${prng.between(0, 99)}`;
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    if (prng.chance(0.5)) {
      list.push(++element);
      return at(place, place + 5, append(key, element));
    }
    return at(place, place + 5, read(key, ...list));
  });
  const startMs = performance.now();
  assertEquals(findAnomaly(history), undefined);
  console.log(`  checked in ${Math.round(performance.now() - startMs)} ms`);
});
