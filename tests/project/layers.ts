/** The layer table of the architecture, as data, and what breaks it. */

import { folderOf, type SourceTree } from "./source_tree.ts";

/** A folder and the folders that it may import. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  raft: ["base"],
  resp: ["base"],
  keyspace: ["base"],
  commands: ["base", "resp", "keyspace"],
  config: ["base"],
  platform: ["base"],
  storage: ["base", "platform", "raft"],
  network: ["base", "platform", "raft"],
  machine: ["base", "resp", "keyspace", "commands"],
  node: ["base", "platform", "raft", "storage", "network", "machine"],
  server: ["base", "platform", "resp", "commands", "node"],
  admin: ["base", "node"],
  cli: [
    "base",
    "raft",
    "resp",
    "keyspace",
    "commands",
    "config",
    "platform",
    "storage",
    "network",
    "machine",
    "node",
    "server",
    "admin",
  ],
};

/** A package and the folders that may use it. Others would put a second user on its upgrades. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@std/toml": ["config"],
  "@std/cli/parse-args": ["config", "cli"],
  "zod": ["config", "admin"],
  "hono": ["admin"],
  "@hono/node-server": ["platform"],
  "prom-client": ["admin"],
  // Of the runtime, and a function of its arguments: `base` stays pure.
  "node:zlib": ["base"],
};

/** What `src/main.ts` joins. */
const MAIN_IMPORTS = ["src/cli/mod.ts", "src/platform/runtime.ts"];

/** One line for each import that the table does not allow. */
export function layerProblems(tree: SourceTree): string[] {
  const problems: string[] = [];
  for (const { path, imports } of tree.values()) {
    for (const target of imports) {
      const problem = target.startsWith("src/")
        ? fileProblem(path, target, tree)
        : packageProblem(path, target);
      if (problem !== "") problems.push(`${path} imports ${target}: ${problem}`);
    }
    const folder = folderOf(path);
    if (folder !== "" && !(folder in LAYERS)) {
      problems.push(`${path}: folder ${folder} is not in the layer table`);
    }
  }
  return problems;
}

function fileProblem(path: string, target: string, tree: SourceTree): string {
  if (!tree.has(target)) return "no such file";
  const from = folderOf(path);
  const to = folderOf(target);
  if (from === "") return MAIN_IMPORTS.includes(target) ? "" : "main.ts joins cli and an adapter";
  if (from === to) return "";
  if (!(LAYERS[from] ?? []).includes(to)) return `${from} may not import ${to || "main.ts"}`;
  return target === `src/${to}/mod.ts` ? "" : `expected src/${to}/mod.ts`;
}

function packageProblem(path: string, specifier: string): string {
  const from = folderOf(path);
  if (!specifier.startsWith("src") && specifier.includes(".ts")) return "it is outside of src";
  const name = Object.keys(PACKAGES).find((name) =>
    specifier === name || specifier.startsWith(`${name}/`)
  );
  if (name === undefined && specifier.startsWith("node:")) {
    return from === "platform" ? "" : "only platform may";
  }
  if (name === undefined) return "the package is not in the table";
  return PACKAGES[name].includes(from) ? "" : `only ${PACKAGES[name].join(" and ")} may`;
}
