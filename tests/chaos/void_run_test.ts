import { assertEquals } from "../support/assert.ts";
import { whyVoid } from "./void_run.ts";

const good = {
  fired: new Map([["kill", 3], ["lost packets", 1]]),
  answers: 500,
  answersMin: 500,
  transactions: 20,
};

Deno.test("a run with its faults and enough traffic counts", () => {
  assertEquals(whyVoid(good), undefined);
});

Deno.test("a run without any fault, or with one that never fired, is void", () => {
  assertEquals(whyVoid({ ...good, fired: new Map() }), "no fault is known to have fired");
  assertEquals(
    whyVoid({ ...good, fired: new Map([["kill", 3], ["lost packets", 0]]) }),
    'the fault "lost packets" never fired',
  );
  assertEquals(
    whyVoid({ ...good, fired: new Map([["slow syncs", NaN]]) }),
    'the fault "slow syncs" never fired',
  );
});

Deno.test("a run with too little traffic is void", () => {
  assertEquals(whyVoid({ ...good, answers: 499 }), "499 answers, expected at least 500");
  assertEquals(
    whyVoid({ ...good, transactions: 19 }),
    "19 transactions, expected at least 20",
  );
});
