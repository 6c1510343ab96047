/** Pure folders and codecs have no clock, randomness, input, output or waiting. */

import { assert, assertEquals } from "../support/assert.ts";
import { isPure, PURE_FOLDERS, purityProblems } from "./purity.ts";
import { blank, makeTree, readSources } from "./source_tree.ts";

Deno.test("purity: nothing impure in pure folders and codecs", () => {
  const tree = readSources("src");
  assertEquals(purityProblems(tree), []);
  for (const folder of [...PURE_FOLDERS, "storage", "network"]) {
    const found = [...tree.keys()].some((path) =>
      path.startsWith(`src/${folder}/`) && isPure(path)
    );
    assert(found, `no pure file found in ${folder}: the names have changed`);
  }
});

Deno.test("purity: the test sees each kind of breach, and only in code", () => {
  const tree = makeTree({
    "src/raft/a.ts": [
      "// async, Date, Deno in a comment",
      "const text = 'await Date.now()';",
      "async function f() {}",
      "const now = Date.now();",
      "const dice = Math.random() + crypto.x;",
      "console.log(`Date ${Deno.pid} console`);",
      "setTimeout(f, 1);",
      "const re = /[\"'] Date/; const consoles = a.console;",
    ].join("\n"),
    "src/storage/frame_codec.ts": `import { x } from "node:fs";`,
    "src/storage/writer.ts": "await Date.now();",
  });
  assertEquals(purityProblems(tree), [
    "src/raft/a.ts:3: asynchronous code",
    "src/raft/a.ts:4: a clock",
    "src/raft/a.ts:5: randomness",
    "src/raft/a.ts:6: the console",
    "src/raft/a.ts:6: the runtime",
    "src/raft/a.ts:7: a timer",
    "src/storage/frame_codec.ts: imports node:fs",
  ]);
});

Deno.test("purity: blanking keeps code and lines", () => {
  const text = "a/*x\ny*/b // c\n`t ${d + `u${e}v`} w` + f / g / h;";
  assertEquals(blank(text).replaceAll(/ +/g, " "), "a \n b \n d + e + f / g / h;");
});
