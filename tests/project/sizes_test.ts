/** Files and functions stay short. The exceptions are a ratchet. */

import { assertEquals } from "../support/assert.ts";
import { type Exceptions, functionsOf, sizeProblems } from "./sizes.ts";
import { makeTree, readSources } from "./source_tree.ts";

/** Numbers may only shrink; a new line needs a good reason in its commit. */
const EXCEPTIONS: Exceptions = {
  "src/node/raft_node.ts": 433,
  "src/server/session.ts": 423,
};

Deno.test("sizes: files and functions are short", () => {
  assertEquals(sizeProblems(readSources("src"), EXCEPTIONS), []);
});

Deno.test("sizes: the test sees long files, long functions and stale exceptions", () => {
  const body = (lines: number) => "    work();\n".repeat(lines);
  const tree = makeTree({
    "src/a/long.ts": "x;\n".repeat(401),
    "src/a/known.ts": "x;\n".repeat(450),
    "src/a/b.ts": `function short() {\n${body(58)}}\nexport function long() {\n${body(59)}}\n`,
    "src/a/c.ts": `class C {\n  async method(\n    a: number,\n  ): Promise<void> {\n${
      body(60)
    }  }\n}\n`,
    "src/a/d.ts": `const arrow = (a: number) => {\n${body(60)}};\n`,
  });
  assertEquals(sizeProblems(tree, { "src/a/known.ts": 450, "src/a/b.ts short": 70 }), [
    "src/a/b.ts long: 61 lines, expected at most 60",
    "src/a/c.ts method: 64 lines, expected at most 60",
    "src/a/d.ts arrow: 62 lines, expected at most 60",
    "src/a/long.ts: 401 lines, expected at most 400",
    "src/a/b.ts short: is short now; remove it from the exceptions",
  ]);
});

Deno.test("sizes: calls and signatures are no functions", () => {
  const text = [
    "interface I {",
    "  one(a: number): void;",
    "  two(",
    "    a: number,",
    "  ): void;",
    "}",
    "function real() {",
    "  call(",
    "    1,",
    "  );",
    "  if (x) {",
    "    y();",
    "  }",
    "}",
  ].join("\n");
  const file = makeTree({ "src/a/a.ts": text }).get("src/a/a.ts")!;
  assertEquals(functionsOf(file), [{ name: "src/a/a.ts real", lines: 8 }]);
});
