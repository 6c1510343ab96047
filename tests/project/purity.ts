/** Pure code is a function of its arguments; this names what would make it more. */

import { PACKAGES } from "./layers.ts";
import { folderOf, type SourceTree } from "./source_tree.ts";

export const PURE_FOLDERS: readonly string[] = [
  "base",
  "raft",
  "resp",
  "keyspace",
  "commands",
  "machine",
  "config",
];
/** In `storage/` and `network/` a file of this name is pure as well. */
const CODEC_FOLDERS: readonly string[] = ["storage", "network"];
const CODEC_NAME = /(?:codec|format|serializer|frame|record)s?(?:_|\.ts$)/;

const FORBIDDEN: Readonly<Record<string, RegExp>> = {
  "asynchronous code": /\b(?:async|await|queueMicrotask)\b|\bnew Promise\b/,
  "a timer": /\b(?:setTimeout|setInterval|setImmediate)\s*\(/,
  "a clock": /\bDate\b|\bperformance\s*\./,
  "randomness": /\bMath\s*\.\s*random\b|(?<![.\w])crypto\b/,
  "the console": /(?<![.\w])console\s*\./,
  "the runtime": /(?<![.\w])(?:Deno|Bun|globalThis)\b/,
};

export function isPure(path: string): boolean {
  const folder = folderOf(path);
  if (PURE_FOLDERS.includes(folder)) return true;
  return CODEC_FOLDERS.includes(folder) && CODEC_NAME.test(path.split("/").at(-1)!);
}

/** One line for each impure line of a pure file. */
export function purityProblems(tree: SourceTree): string[] {
  const problems: string[] = [];
  for (const { path, code, imports } of tree.values()) {
    if (!isPure(path)) continue;
    for (const target of imports) {
      if (target.startsWith("node:") && !(target in PACKAGES)) {
        problems.push(`${path}: imports ${target}`);
      }
    }
    for (const [at, line] of code.split("\n").entries()) {
      for (const [what, pattern] of Object.entries(FORBIDDEN)) {
        if (pattern.test(line)) problems.push(`${path}:${at + 1}: ${what}`);
      }
    }
  }
  return problems;
}
