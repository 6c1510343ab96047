/** Every fault of the matrix is made somewhere, and every class of the simulation makes one. */

import { assert, assertEquals } from "../support/assert.ts";
import { FAULT_MATRIX } from "./fault_matrix.ts";
import { FAULT_CLASSES } from "./plan.ts";

const ROWS = { N: 12, P: 8, S: 12, C: 3, M: 7, K: 6 };

Deno.test("fault matrix: all 48 faults have a place", () => {
  const expected = Object.entries(ROWS).flatMap(([family, count]) =>
    Array.from({ length: count }, (_, at) => `${family}${at + 1}`)
  );
  assertEquals(FAULT_MATRIX.map(({ id }) => id), expected);
  for (const { id, classes, tests = [] } of FAULT_MATRIX) {
    assert(classes.length + tests.length > 0, `nothing makes ${id}`);
  }
});

Deno.test("fault matrix: every class makes one of them, and what is named exists", () => {
  const made = new Set(FAULT_MATRIX.flatMap(({ classes }) => classes));
  assertEquals(FAULT_CLASSES.filter((kind) => !made.has(kind)), []);
  for (const file of FAULT_MATRIX.flatMap(({ tests = [] }) => tests)) {
    assert(Deno.statSync(new URL(`../${file}`, import.meta.url)).isFile, file);
  }
});
