/** The sources as data, for tests that hold the project's rules. */

export interface SourceFile {
  /** From the root of the project, as `src/raft/raft.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments, strings and regular expressions blanked; lines stay where they are. */
  readonly code: string;
  /** What it imports or exports from: a path from the root, or a bare specifier. */
  readonly imports: readonly string[];
}

export type SourceTree = ReadonlyMap<string, SourceFile>;

const ROOT = new URL("../../", import.meta.url).pathname;

/** All TypeScript and JSON files under a folder of the project. */
export function readSources(folder: string): SourceTree {
  const texts: Record<string, string> = {};
  const visit = (path: string) => {
    for (const entry of Deno.readDirSync(ROOT + path)) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory) visit(child);
      else if (/\.(?:ts|json)$/.test(child)) texts[child] = Deno.readTextFileSync(ROOT + child);
    }
  };
  visit(folder);
  return makeTree(texts);
}

/** A tree from texts by path; self-tests feed bad ones. */
export function makeTree(texts: Readonly<Record<string, string>>): SourceTree {
  const files = new Map<string, SourceFile>();
  for (const path of Object.keys(texts).sort()) {
    const text = texts[path];
    const data = path.endsWith(".json");
    const code = data ? "" : blank(text);
    files.set(path, { path, text, code, imports: data ? [] : importsOf(path, text) });
  }
  return files;
}

/** The folder under `src/`, or "" for `src/main.ts`. */
export function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length > 2 ? parts[1] : "";
}

function importsOf(path: string, text: string): string[] {
  // Comments may quote code, so they go; strings must stay here.
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const found: string[] = [];
  // A package without types names its declarations in a comment.
  for (const match of text.matchAll(/^\/\/ @ts-types="([^"]+)"/gm)) found.push(match[1]);
  const statement = /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm;
  const plain = /^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
  for (const match of code.matchAll(statement)) found.push(match[1]);
  for (const match of code.matchAll(plain)) found.push(match[1] ?? match[2]);
  return found.map((specifier) => resolve(path, specifier));
}

function resolve(path: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** A slash after one of these begins a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\breturn|\bcase|\btypeof)\s*$/;

/** Replaces comments, strings, template texts and regular expressions by spaces. */
export function blank(text: string): string {
  const out: string[] = [];
  /** For each open template: the depth of braces inside of its `${`. */
  const templates: number[] = [];
  let at = 0;
  const skipTo = (end: number) => {
    out.push(text.slice(at, end).replaceAll(/[^\n]/g, " "));
    at = end;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at];
    if (two === "//") skipTo(endOf(text, "\n", at));
    else if (two === "/*") skipTo(endOf(text, "*/", at + 2) + 2);
    else if (one === '"' || one === "'") skipTo(endOfQuoted(text, at, one));
    else if (one === "`") skipTo(endOfTemplatePart(text, at + 1, templates));
    else if (one === "}" && templates.at(-1) === 0) {
      templates.pop();
      skipTo(endOfTemplatePart(text, at + 1, templates));
    } else if (one === "/" && BEFORE_REGEX.test(lastLine(out))) skipTo(endOfRegex(text, at));
    else {
      if (templates.length > 0 && one === "{") templates[templates.length - 1]++;
      if (templates.length > 0 && one === "}") templates[templates.length - 1]--;
      out.push(one);
      at++;
    }
  }
  return out.join("");
}

function lastLine(out: readonly string[]): string {
  return out.slice(-20).join("").split("\n").at(-1)!;
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Ends behind the closing backtick, or behind a `${`, which opens a level. */
function endOfTemplatePart(text: string, start: number, templates: number[]): number {
  let at = start;
  while (at < text.length) {
    if (text[at] === "`") return at + 1;
    if (text.startsWith("${", at)) {
      templates.push(0);
      return at + 2;
    }
    at += text[at] === "\\" ? 2 : 1;
  }
  return at;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < text.length && text[at] !== "\n"; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "[") inClass = true;
    else if (text[at] === "]") inClass = false;
    else if (text[at] === "/" && !inClass) break;
  }
  return at + 1;
}
