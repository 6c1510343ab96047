/** Whether what a folder offers to others says what it is. */

import type { SourceTree } from "./source_tree.ts";

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const|let|interface|type) (\w+)/;

/**
 * One line for each export that a `mod.ts` hands on and that has no doc comment. The header of a file
 * documents what the file is named after.
 */
export function undocumented(tree: SourceTree): string[] {
  const problems = new Set<string>();
  for (const { path, text } of tree.values()) {
    if (!path.endsWith("/mod.ts")) continue;
    for (const name of withoutDoc(text)) problems.add(`${path}: ${name}`);
    const folder = path.slice(0, -"mod.ts".length);
    for (const [source, names] of handedOn(text)) {
      const file = tree.get(folder + source);
      for (const name of withoutDoc(file?.text ?? "")) {
        if (isNamedAfter(source, name) && file!.text.startsWith("/**")) continue;
        if (names === "all" || names.includes(name)) problems.add(`${folder}${source}: ${name}`);
      }
    }
  }
  return [...problems].sort();
}

/** Files in the same folder, and the names that are exported from them. */
function handedOn(text: string): [string, "all" | string[]][] {
  const found: [string, "all" | string[]][] = [];
  for (const match of text.matchAll(/^export(?: type)? (\*|\{[^}]*\}) from "\.\/([^"]+)"/gm)) {
    const names = match[1] === "*" ? "all" : match[1].slice(1, -1).split(",").map(originalName);
    found.push([match[2], names]);
  }
  return found;
}

/** `byte_reader.ts` is the file of `ByteReader`. */
function isNamedAfter(source: string, name: string): boolean {
  return source.replace(/\.ts$/, "").replaceAll("_", "") === name.toLowerCase();
}

/** More of them than a file is known to have, and files that are known for more than they have. */
export function documentationProblems(
  tree: SourceTree,
  known: Readonly<Record<string, number>>,
): string[] {
  const names = new Map<string, string[]>();
  for (const problem of undocumented(tree)) {
    const [path, name] = problem.split(": ");
    names.set(path, [...names.get(path) ?? [], name]);
  }
  const problems: string[] = [];
  for (const path of new Set([...names.keys(), ...Object.keys(known)])) {
    const found = names.get(path) ?? [];
    const allowed = known[path] ?? 0;
    if (found.length > allowed) problems.push(`${path}: undocumented: ${found.join(", ")}`);
    if (found.length < allowed) problems.push(`${path}: lower its number to ${found.length}`);
  }
  return problems;
}

/** `type A as B` hands on `A`. */
function originalName(part: string): string {
  return part.trim().replace(/^type /, "").split(" as ")[0];
}

/** A name is documented once: on its type, or on one of its overloads. */
function withoutDoc(text: string): string[] {
  const lines = text.split("\n");
  const documented = new Set<string>();
  const names = new Set<string>();
  for (const [at, line] of lines.entries()) {
    const name = EXPORT.exec(line)?.[1];
    if (name === undefined) continue;
    names.add(name);
    let before = at - 1;
    while (before >= 0 && /^\/\/ deno-lint-ignore/.test(lines[before])) before--;
    if (before >= 0 && lines[before].trimEnd().endsWith("*/")) documented.add(name);
  }
  return [...names].filter((name) => !documented.has(name));
}
