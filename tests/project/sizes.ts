/** How long files and functions are. `deno fmt` has laid them out, so indentation shows the ends. */

import type { SourceFile, SourceTree } from "./source_tree.ts";

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 60;

/** Longer ones that are known, by path or `path function`. A number may only shrink. */
export type Exceptions = Readonly<Record<string, number>>;

export interface Sized {
  readonly name: string;
  readonly lines: number;
}

const FUNCTION_START =
  /^(\s*)(?:export )?(?:default )?(?:async )?function\*? (\w+)|^(\s+)(?:override |static |async |get |set |\*)*([#\w]+)(?:<[^>]*>)?\((?:.*\{)?$|^(\s*)(?:export )?const (\w+)(?:: [^=]+)? = (?:async )?\((?:.*=> \{)?$/;
const NOT_METHODS = /^(?:if|for|while|switch|catch|function|return|super|assert)$/;

/** The functions and methods of a file with their lines, first and last included. */
export function functionsOf({ path, code }: SourceFile): Sized[] {
  const lines = code.split("\n");
  const found: Sized[] = [];
  for (const [at, line] of lines.entries()) {
    const match = FUNCTION_START.exec(line);
    if (match === null) continue;
    const indent = match[1] ?? match[3] ?? match[5];
    const name = match[2] ?? match[4] ?? match[6];
    if (NOT_METHODS.test(name)) continue;
    const end = lines.findIndex((other, to) => to > at && new RegExp(`^${indent}\\}`).test(other));
    const next = lines.findIndex((other, to) =>
      to > at && /\S/.test(other) && !deeper(other, indent)
    );
    // A signature without a body, or a call: what follows at its depth is no closing brace of it.
    if (end < 0 || (next < end && !/^\s*\).*\{$/.test(lines[next]))) continue;
    found.push({ name: `${path} ${name}`, lines: end - at + 1 });
  }
  return found;
}

function deeper(line: string, indent: string): boolean {
  return line.startsWith(`${indent} `);
}

/** One line for each that is too long, and for each exception that is no longer one. */
export function sizeProblems(tree: SourceTree, exceptions: Exceptions): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const check = ({ name, lines }: Sized, linesMax: number) => {
    const allowed = exceptions[name] ?? linesMax;
    if (lines > linesMax) seen.add(name);
    if (lines > allowed) problems.push(`${name}: ${lines} lines, expected at most ${allowed}`);
  };
  for (const file of tree.values()) {
    if (!file.path.endsWith(".ts")) continue;
    check({ name: file.path, lines: file.text.split("\n").length - 1 }, FILE_LINES_MAX);
    for (const sized of functionsOf(file)) check(sized, FUNCTION_LINES_MAX);
  }
  for (const name of Object.keys(exceptions)) {
    if (!seen.has(name)) problems.push(`${name}: is short now; remove it from the exceptions`);
  }
  return problems;
}
