/** Imports follow the layer table; no file is left alone. */

import { assertEquals } from "../support/assert.ts";
import { layerProblems, LAYERS } from "./layers.ts";
import { orphans } from "./orphans.ts";
import { makeTree, readSources } from "./source_tree.ts";

Deno.test("layers: every import of src is in the table", () => {
  assertEquals(layerProblems(readSources("src")), []);
});

Deno.test("layers: the table has no cycle", () => {
  const done = new Set<string>();
  const visit = (folder: string, path: readonly string[]) => {
    assertEquals(path.includes(folder), false, `cycle: ${[...path, folder].join(" -> ")}`);
    if (done.has(folder)) return;
    for (const next of LAYERS[folder]) visit(next, [...path, folder]);
    done.add(folder);
  };
  for (const folder of Object.keys(LAYERS)) visit(folder, []);
});

Deno.test("layers: the test sees each kind of breach", () => {
  const tree = makeTree({
    "src/main.ts": `import { a } from "./cli/mod.ts";\nimport { b } from "./raft/mod.ts";`,
    "src/cli/mod.ts": `export * from "./gone.ts";`,
    "src/raft/mod.ts": `import {\n  type A,\n} from "../resp/mod.ts";\nimport "node:fs";`,
    "src/resp/mod.ts": `export { z } from "zod";\nexport type { B } from "../base/crc.ts";`,
    "src/base/mod.ts": `// import { c } from "../cli/mod.ts";\nconst lazy = import("lodash");`,
    "src/base/crc.ts": `import { d } from "../../tests/support/assert.ts";`,
    "src/extra/mod.ts": `import { crc32 } from "node:zlib";`,
  });
  assertEquals(layerProblems(tree), [
    "src/base/crc.ts imports tests/support/assert.ts: it is outside of src",
    "src/base/mod.ts imports lodash: the package is not in the table",
    "src/cli/mod.ts imports src/cli/gone.ts: no such file",
    "src/extra/mod.ts imports node:zlib: only base may",
    "src/extra/mod.ts: folder extra is not in the layer table",
    "src/main.ts imports src/raft/mod.ts: main.ts joins cli and an adapter",
    "src/raft/mod.ts imports src/resp/mod.ts: raft may not import resp",
    "src/raft/mod.ts imports node:fs: only platform may",
    "src/resp/mod.ts imports zod: only config and admin may",
    "src/resp/mod.ts imports src/base/crc.ts: expected src/base/mod.ts",
  ]);
});

Deno.test("orphans: every file of src is part of the program", () => {
  assertEquals(orphans(readSources("src")), []);
});

Deno.test("orphans: the test sees one", () => {
  const tree = makeTree({
    "src/main.ts": `import { a } from "./cli/mod.ts";`,
    "src/cli/mod.ts": `export * from "./used.ts";`,
    "src/cli/used.ts": ``,
    "src/cli/alone.ts": `import { x } from "./behind.ts";`,
    "src/cli/behind.ts": ``,
    "src/raft/mod.ts": ``,
  });
  assertEquals(orphans(tree), ["src/cli/alone.ts", "src/cli/behind.ts", "src/raft/mod.ts"]);
});
