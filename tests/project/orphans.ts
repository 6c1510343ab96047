/** Files that nothing of the program reaches. */

import type { SourceTree } from "./source_tree.ts";

/** The files under `src/` that no chain of imports joins with `src/main.ts`. */
export function orphans(tree: SourceTree): string[] {
  const reached = new Set<string>();
  const open = ["src/main.ts"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    open.push(...(tree.get(path)?.imports ?? []).filter((target) => tree.has(target)));
  }
  return [...tree.keys()].filter((path) => !reached.has(path));
}
