import { Prng } from "../../src/base/mod.ts";
import { assert, assertEquals, assertGreater, assertLess } from "../support/assert.ts";
import { checkHistory, History, type KeyOperation } from "../support/history.ts";
import { type KeyInput, keyModel, type KeyOutput } from "../support/key_model.ts";
import { checkObject, type Model, type Verdict } from "../support/linearizability.ts";
import { isLinearizableByBruteForce } from "./brute_force.ts";
import { arbitraryHistory, linearizableHistory } from "./random_histories.ts";

const limits = { budgetMs: 20_000, nowMs: () => performance.now() };

const get: KeyInput = { kind: "get" };
const set = (value: string): KeyInput => ({ kind: "set", value });
const incr: KeyInput = { kind: "incrBy", by: 1 };
const append = (value: string): KeyInput => ({ kind: "append", value });
const swap = (expected: string, value: string): KeyInput => ({
  kind: "compareAndSet",
  expected,
  value,
});

/** `[call, return, input, output]`; a return of `Infinity` is an outcome that is not known. */
type Row = readonly [number, number, KeyInput, KeyOutput | undefined];

function operationsOf(rows: readonly Row[]): KeyOperation[] {
  return rows.map(([callMs, returnMs, input, output], process) => ({
    key: "key",
    process,
    input,
    output,
    callMs,
    returnMs,
  }));
}

function verdictOf(rows: readonly Row[]): Verdict {
  return checkObject(keyModel, operationsOf(rows), limits);
}

const good: Record<string, readonly Row[]> = {
  "nothing at all": [],
  "one after the other": [[0, 1, set("a"), "OK"], [2, 3, get, "a"], [4, 5, get, "a"]],
  "a read beside a write sees the old value": [[0, 1, set("a"), "OK"], [2, 9, set("b"), "OK"], [
    3,
    4,
    get,
    "a",
  ]],
  "a read beside a write sees the new value": [[0, 1, set("a"), "OK"], [2, 9, set("b"), "OK"], [
    3,
    4,
    get,
    "b",
  ]],
  "two reads beside a write, old then new": [
    [0, 1, set("a"), "OK"],
    [2, 9, set("b"), "OK"],
    [3, 4, get, "a"],
    [5, 6, get, "b"],
  ],
  "calls come before returns of the same time": [[0, 1, set("a"), "OK"], [1, 2, get, null]],
  "a lost write that happened": [[0, Infinity, set("a"), undefined], [5, 6, get, "a"]],
  "a lost write that never happened": [[0, Infinity, set("a"), undefined], [5, 6, get, null]],
  "a lost write that happens late": [
    [0, Infinity, set("a"), undefined],
    [5, 6, get, null],
    [7, 8, get, "a"],
  ],
  "of two lost writes one is seen": [
    [0, Infinity, set("a"), undefined],
    [1, Infinity, set("b"), undefined],
    [5, 6, get, "b"],
    [7, 8, get, "b"],
  ],
  "concurrent increments": [[0, 9, incr, 3], [0, 9, incr, 1], [0, 9, incr, 2], [10, 11, get, "3"]],
  "a lost increment that is missing in the sum": [
    [0, 1, incr, 1],
    [2, Infinity, incr, undefined],
    [3, 4, incr, 2],
  ],
  "a lost increment that is in the sum": [
    [0, 1, incr, 1],
    [2, Infinity, incr, undefined],
    [3, 4, incr, 3],
  ],
  "appends": [[0, 5, append("x"), 2], [0, 5, append("y"), 1], [6, 7, get, "yx"]],
  "compare and set": [[0, 1, set("a"), "OK"], [2, 5, swap("a", "b"), 1], [2, 5, swap("a", "c"), 0]],
  "swaps that only fit in one order": [
    [0, 9, swap("b", "c"), 1],
    [0, 9, swap("a", "b"), 1],
    [0, 9, set("a"), "OK"],
    [10, 11, get, "c"],
  ],
  "delete and create": [
    [0, 1, set("a"), "OK"],
    [2, 3, { kind: "delete" }, 1],
    [4, 5, { kind: "delete" }, 0],
    [6, 7, { kind: "setIfAbsent", value: "b" }, "OK"],
    [8, 9, { kind: "setIfAbsent", value: "c" }, null],
    [10, 11, { kind: "getSet", value: "d" }, "b"],
  ],
};

const bad: Record<string, readonly Row[]> = {
  "a value that nobody wrote": [[0, 1, get, "a"]],
  "a stale read": [[0, 1, set("a"), "OK"], [2, 3, set("b"), "OK"], [4, 5, get, "a"]],
  "a lost acknowledged write": [[0, 1, set("a"), "OK"], [2, 3, get, null]],
  "two reads beside a write, new then old": [
    [0, 1, set("a"), "OK"],
    [2, 9, set("b"), "OK"],
    [3, 4, get, "b"],
    [5, 6, get, "a"],
  ],
  "a read from the future": [[0, 1, get, "a"], [2, 3, set("a"), "OK"]],
  "two readers disagree about the order of writes": [
    [0, 9, set("a"), "OK"],
    [0, 9, set("b"), "OK"],
    [10, 11, get, "a"],
    [12, 13, get, "b"],
  ],
  "a lost write before its call": [[0, 1, get, "a"], [2, Infinity, set("a"), undefined]],
  "a lost write that happens twice": [
    [0, Infinity, set("a"), undefined],
    [1, 2, get, "a"],
    [3, 4, set("b"), "OK"],
    [5, 6, get, "a"],
  ],
  "an increment applied twice": [[0, 1, incr, 1], [2, 3, incr, 3]],
  "two increments with one answer": [[0, 9, incr, 1], [0, 9, incr, 1]],
  "a lost increment counted twice": [
    [0, 1, incr, 1],
    [2, Infinity, incr, undefined],
    [3, 4, incr, 4],
  ],
  "an append applied twice": [[0, 1, append("x"), 1], [2, 3, get, "xx"]],
  "both swaps win": [[0, 1, set("a"), "OK"], [2, 5, swap("a", "b"), 1], [2, 5, swap("a", "c"), 1]],
};

for (const [name, rows] of Object.entries(good)) {
  Deno.test(`checker accepts: ${name}`, () => {
    assertEquals(verdictOf(rows).kind, "linearizable");
  });
}

for (const [name, rows] of Object.entries(bad)) {
  Deno.test(`checker refuses: ${name}`, () => {
    assertEquals(verdictOf(rows).kind, "violation");
  });
}

Deno.test("checker agrees with brute force on small histories", () => {
  const counts = { linearizable: 0, violation: 0 };
  for (let seed = 1; seed <= 6000; seed++) {
    const random = new Prng(seed);
    const history = arbitraryHistory(random, random.between(1, 7));
    const expected = isLinearizableByBruteForce(keyModel, history) ? "linearizable" : "violation";
    const verdict = checkObject(keyModel, history, limits);
    assertEquals(verdict.kind, expected, `seed ${seed}: ${JSON.stringify(history)}`);
    counts[expected]++;
    if (verdict.kind === "linearizable") assertIsWitness(history, verdict.order, seed);
  }
  assertGreater(counts.linearizable, 500);
  assertGreater(counts.violation, 500);
});

/** The order that the checker names is legal, complete and keeps real time. */
function assertIsWitness(history: KeyOperation[], order: readonly number[], seed: number): void {
  let state = keyModel.initial;
  order.forEach((index, place) => {
    const after = keyModel.step(state, history[index].input, history[index].output);
    assert(typeof after !== "symbol", `seed ${seed}: illegal step ${place}`);
    state = after;
    for (const later of order.slice(place + 1)) {
      assert(
        history[later].returnMs >= history[index].callMs,
        `seed ${seed}: operation ${later} ended before ${index} began`,
      );
    }
  });
  const placed = new Set(order);
  history.forEach((operation, index) => {
    assert(placed.has(index) || operation.returnMs === Infinity, `seed ${seed}: ${index} left out`);
  });
}

Deno.test("checker accepts random histories that are linearizable by construction", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const history = linearizableHistory(new Prng(seed), {
      operations: 600,
      keys: 6,
      processes: 8,
      jitterMs: 12,
      lost: seed % 2 === 0 ? 0.02 : 0,
    });
    const report = checkHistory(history, { budgetMs: 20_000 });
    assertEquals(report.problem, undefined, `seed ${seed}`);
  }
});

Deno.test("checker refuses a history with one read of a value that was never written", () => {
  const { tried, refused } = forEachMutation((history, read) => {
    const mutated = history.with(read, { ...history[read], output: "never written" });
    return checkHistory(mutated, { budgetMs: 20_000 }).problem !== undefined;
  });
  assertEquals(refused, tried);
});

Deno.test("checker refuses most histories with one read of another moment's value", () => {
  const { tried, refused } = forEachMutation((history, read, random) => {
    const others = history.filter((operation) =>
      operation.key === history[read].key && operation.input.kind === "get" &&
      operation.output !== undefined && operation.output !== history[read].output
    );
    if (others.length === 0) return undefined;
    const output = random.pick(others).output;
    const mutated = history.with(read, { ...history[read], output });
    return checkHistory(mutated, { budgetMs: 20_000 }).problem !== undefined;
  });
  assertGreater(tried, 50);
  assertGreater(refused / tried, 0.8, `${refused} of ${tried} refused`);
});

function forEachMutation(
  mutate: (history: KeyOperation[], read: number, random: Prng) => boolean | undefined,
): { tried: number; refused: number } {
  const counts = { tried: 0, refused: 0 };
  for (let seed = 1; seed <= 80; seed++) {
    const random = new Prng(seed);
    const history = linearizableHistory(random, {
      operations: 300,
      keys: 6,
      processes: 4,
      jitterMs: 3,
      lost: 0.01,
    });
    const reads = history.flatMap((operation, index) =>
      operation.input.kind === "get" && operation.output !== undefined ? [index] : []
    );
    const refused = mutate(history, random.pick(reads), random);
    if (refused === undefined) continue;
    counts.tried++;
    if (refused) counts.refused++;
  }
  return counts;
}

Deno.test("checker decides 10,000 operations on 100 keys within 5 s", () => {
  const history = linearizableHistory(new Prng(7), {
    operations: 10_400,
    keys: 100,
    processes: 50,
    jitterMs: 40,
    lost: 0.01,
  });
  assertGreater(history.length, 10_000);
  const report = checkHistory(history, { budgetMs: 20_000 });
  assertEquals(report.problem, undefined);
  assertEquals(report.keys, 100);
  assertLess(report.elapsedMs, 5_000);
});

Deno.test("checker leaves no state that is still needed: many writes of unknown outcome at once", () => {
  // They took effect in the opposite order of their calls, and each was read once.
  const count = 20;
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    rows.push([i, 200, set(`v${i}`), undefined]);
    rows.push([100 + 2 * i, 101 + 2 * i, get, `v${count - 1 - i}`]);
  }
  const operations = operationsOf(rows);
  const { initial, step, keeps } = keyModel;
  const kindWithin = (model: Model<KeyInput, KeyOutput>) => {
    let looks = 0;
    return checkObject(model, operations, { budgetMs: 20, nowMs: () => looks++ }).kind;
  };
  assertEquals(kindWithin({ initial, step, keeps }), "unknown");
  assertEquals(kindWithin(keyModel), "linearizable");
});

Deno.test("checker says unknown, not linearizable, when its time is over", () => {
  // Many concurrent writes and a read that fits none of them: the search must try all subsets.
  const rows: Row[] = Array.from({ length: 22 }, (_, i) => [0, 100, set(`v${i}`), "OK"] as const);
  const operations = operationsOf([...rows, [101, 102, get, "no"]]);
  let ticks = 0;
  const verdict = checkObject(keyModel, operations, { budgetMs: 3, nowMs: () => ticks++ });
  assertEquals(verdict.kind, "unknown");
  const report = checkHistory(operations, { budgetMs: 0 });
  assert(report.problem?.includes("undecided"), report.problem);
});

Deno.test("history leaves out reads without an answer and keeps writes open", () => {
  const history = new History();
  const process = history.newProcess();
  history.unknown(history.call(process, "k", get));
  history.unknown(history.call(process, "k", set("a")));
  history.failed(history.call(process, "k", set("b")));
  history.returned(history.call(history.newProcess(), "k", get), "a");
  assertEquals(history.openCount, 0);
  assertEquals(history.operations.map(({ output }) => output), [undefined, "a"]);
  assertEquals(checkHistory(history.operations, { budgetMs: 1000 }).problem, undefined);
});

Deno.test("history names the key and the operation without a place", () => {
  const history = new History();
  history.returned(history.call(history.newProcess(), "k", get), "ghost");
  const { problem } = checkHistory(history.operations, { budgetMs: 1000 });
  assert(problem?.includes("Key k is not linearizable"), problem);
  assert(problem?.includes('p0 get -> "ghost"'), problem);
});
