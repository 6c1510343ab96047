/**
 * Flags, variables and file into settings, or a complete list of what is wrong (architecture P8).
 * Precedence: flag, variable, file, default. Pure: the caller reads the file and the environment.
 */

import type { z } from "zod";
import { assert } from "../base/mod.ts";
// @ts-types="./std_toml.d.ts"
import { parse as parseToml } from "@std/toml";
import type { Flags, Problem } from "./flags.ts";
import { SETTING_KEYS, type SettingKey, settingKey } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { RULES, settingsWarnings } from "./rules.ts";
import { SECTIONS, settingsSchema } from "./schema.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { type TomlLines, tomlLines } from "./toml_lines.ts";
import { parseBytes } from "./size.ts";

export interface SettingsInput {
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: { readonly name: string; readonly text: string } | undefined;
}

/** Where a value came from. */
export interface Origin {
  readonly kind: "flag" | "variable" | "file" | "default";
  /** For people: `--node-id`, `LOGBOAT_NODE_ID`, `logboat.toml, line 3`, `default`. */
  readonly name: string;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** For every setting that is not at its default: what was written, and where. */
  readonly given: ReadonlyMap<string, { readonly value: unknown; readonly origin: Origin }>;
  /** Allowed, but perhaps not meant; each is one sentence. */
  readonly warnings: readonly string[];
}

export type LoadResult =
  | ({ readonly kind: "loaded" } & LoadedSettings)
  | { readonly kind: "problems"; readonly problems: readonly Problem[] };

type Tree = Record<string, unknown>;

/** Values merged from all sources, with the source of each. */
interface Merged {
  readonly tree: Tree;
  readonly origins: Map<string, Origin>;
  readonly fileName: string;
  readonly lines: TomlLines["lines"];
}

export function loadSettings(input: SettingsInput): LoadResult {
  const problems: Problem[] = [...input.flags.problems];
  const merged = readFile(input, problems);
  addVariables(merged, input.env, problems);
  addFlags(merged, input.flags, problems);
  const first = settingsSchema.safeParse(merged.tree);
  const suspects = new Set<string>();
  if (!first.success) {
    const { issues } = first.error;
    problems.push(...issues.flatMap((issue) => issueProblems(merged, issue)));
    for (const issue of issues) suspects.add(removeCulprit(merged.tree, issue));
  }
  const file = first.success ? first.data : settingsSchema.parse(merged.tree);
  const settings = settingsOf(file);
  for (const rule of RULES) {
    if (rule.keys.some((key) => suspects.has(key) || suspects.has(key.split(".")[0]))) continue;
    const violation = rule.check(settings);
    if (violation === undefined) continue;
    const blamed = rule.keys.find((key) => merged.origins.has(key)) ?? rule.keys[0];
    problems.push(problem(sourceName(merged, blamed), violation));
  }
  if (problems.length > 0) return { kind: "problems", problems: distinct(problems) };
  return { kind: "loaded", settings, given: given(merged), warnings: settingsWarnings(settings) };
}

/** The file as a tree, with problems for text that is not TOML and for repeated keys. */
function readFile(input: SettingsInput, problems: Problem[]): Merged {
  const merged: Merged = {
    tree: {},
    origins: new Map(),
    fileName: input.file?.name ?? "",
    lines: input.file === undefined ? new Map() : tomlLines(input.file.text).lines,
  };
  if (input.file === undefined) return merged;
  const { name, text } = input.file;
  try {
    Object.assign(merged.tree, parseToml(text));
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n")[0];
    problems.push({ source: name, message: `Cannot read ${name}: ${reason}` });
    return merged;
  }
  for (const { path, line } of tomlLines(text).repeated) {
    const source = `${path} in ${name}, line ${line}`;
    const expected = `once, as in line ${merged.lines.get(path)}`;
    problems.push(problem(source, { found: "it a second time", expected }));
  }
  for (const key of SETTING_KEYS) {
    const section = merged.tree[key.section];
    if (isTree(section) && Object.hasOwn(section, key.name)) {
      const line = merged.lines.get(key.path);
      const place = line === undefined ? name : `${name}, line ${line}`;
      merged.origins.set(key.path, { kind: "file", name: place });
    }
  }
  return merged;
}

/**
 * Variables that Kubernetes sets in every container when a service is called "logboat" or
 * "logboat-…"; nobody wrote them for us.
 */
const KUBERNETES = /^LOGBOAT_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)$/;

/** Names the settings file; read by the caller. */
export const CONFIG_VARIABLE = "LOGBOAT_CONFIG";
/** Variables that are no settings: the file's name, and the executable that tests are to run. */
const OTHER_VARIABLES: readonly string[] = [CONFIG_VARIABLE, "LOGBOAT_BIN"];

function addVariables(merged: Merged, env: SettingsInput["env"], problems: Problem[]): void {
  const known = new Map(SETTING_KEYS.map((key) => [key.variable, key]));
  for (const name of Object.keys(env).sort()) {
    const value = env[name];
    if (!name.startsWith("LOGBOAT_") || value === undefined) continue;
    if (OTHER_VARIABLES.includes(name)) continue;
    const key = known.get(name);
    if (key !== undefined) {
      const origin: Origin = { kind: "variable", name };
      const words = key.facts.kind === "peers" ? value.split(/[\s;]+/).filter(Boolean) : [value];
      addText(merged, { key, origin, words }, problems);
    } else if (!KUBERNETES.test(name)) {
      const near = nearest(name, known.keys());
      const advice = near === undefined ? "see logboat config --help" : `did you mean ${near}?`;
      problems.push({
        source: name,
        message: `Cannot use ${name}: there is no such variable; ${advice}`,
      });
    }
  }
}

function addFlags(merged: Merged, flags: Flags, problems: Problem[]): void {
  for (const key of SETTING_KEYS) {
    const words = flags.settings.get(key.flag);
    if (words === undefined) continue;
    const origin: Origin = { kind: "flag", name: `--${key.flag}` };
    addText(merged, { key, origin, words }, problems);
  }
}

interface TextValue {
  readonly key: SettingKey;
  readonly origin: Origin;
  /** One, or any number for peers. */
  readonly words: readonly string[];
}

/** Puts a value that arrived as text into the tree, over what is there. */
function addText(merged: Merged, { key, origin, words }: TextValue, problems: Problem[]): void {
  if (!isTree(merged.tree[key.section])) merged.tree[key.section] = {};
  const section = merged.tree[key.section] as Tree;
  merged.origins.set(key.path, origin);
  if (key.facts.kind !== "peers") {
    section[key.name] = valueOfText(key, words[words.length - 1]);
    return;
  }
  const peers: Tree[] = [];
  for (const word of words) {
    const match = /^(\d+)=([^,]+),([^,]+)$/.exec(word);
    if (match !== null) {
      peers.push({ id: Number(match[1]), raft: match[2], redis: match[3] });
    } else {
      const expected = "ID=RAFT_ADDRESS,REDIS_ADDRESS such as 2=10.0.0.2:7379,10.0.0.2:6379";
      problems.push(problem(origin.name, { found: show(word), expected }));
    }
  }
  section[key.name] = peers;
}

/** The value that the file would hold; text that does not fit stays text, for the schema to refuse. */
function valueOfText(key: SettingKey, word: string): unknown {
  switch (key.facts.kind) {
    case "integer":
      return integerOfText(word);
    case "bytes":
      return parseBytes(word) ?? word;
    case "boolean":
      return word === "true" ? true : word === "false" ? false : word;
    case "range":
      return word.split(",").map((part) => integerOfText(part.trim()));
    default:
      return word;
  }
}

function integerOfText(word: string): number | string {
  return /^-?\d{1,15}$/.test(word) ? Number(word) : word;
}

/** What the operator reads about an issue of the schema. */
function issueProblems(merged: Merged, issue: z.core.$ZodIssue): Problem[] {
  let path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(merged, path, key));
  }
  const facts = settingKey(path.slice(0, 2).join("."))?.facts;
  const secret = facts?.secret === true;
  if (facts?.kind === "range") path = path.slice(0, 2);
  const dotted = path.join(".");
  const value = valueAt(merged.tree, path);
  const found = value === undefined
    ? "nothing"
    : secret
    ? "a value that is not shown"
    : show(value);
  return [problem(sourceName(merged, dotted), { found, expected: issue.message })];
}

function unknownKey(merged: Merged, path: readonly string[], key: string): Problem {
  const source = sourceName(merged, [...path, key].join("."));
  const prefix = path.filter((part) => !/^\d+$/.test(part)).join(".");
  const within = prefix === ""
    ? Object.keys(SECTIONS)
    : prefix === "raft.peer"
    ? ["raft.peer.id", "raft.peer.raft", "raft.peer.redis"]
    : SETTING_KEYS.map((known) => known.path);
  const dotted = prefix === "" ? key : `${prefix}.${key}`;
  const elsewhere = SETTING_KEYS.filter((known) => known.name === key).map((known) => known.path);
  const near = elsewhere.length === 1 ? elsewhere[0] : nearest(dotted, within);
  const advice = near === undefined ? "" : `; did you mean ${near}?`;
  return { source, message: `Cannot use ${source}: there is no such setting${advice}` };
}

/** Takes what an issue is about out of the tree, so that the rest can be checked; returns its path. */
function removeCulprit(tree: Tree, issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys" && path.length < 2) {
    const table = path.length === 0 ? tree : tree[path[0]];
    if (isTree(table)) { for (const key of issue.keys) delete table[key]; }
    return [...path, "?"].join(".");
  }
  assert(path.length > 0, `Cannot check the settings: ${issue.message}`);
  const section = tree[path[0]];
  if (path.length === 1) delete tree[path[0]];
  else if (isTree(section)) delete section[path[1]];
  return path.slice(0, 2).join(".");
}

/** Several issues of one value may say the same. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((each) => [each.message, each])).values()];
}

function problem(source: string, facts: { found: string; expected: string }): Problem {
  const message = `Cannot use ${source}: found ${facts.found}, expected ${facts.expected}`;
  return { source, message };
}

/** How to name the value at a path: by flag or variable, or by key and line. */
function sourceName(merged: Merged, path: string): string {
  const key = path.split(".").slice(0, 2).join(".");
  const origin = merged.origins.get(key);
  if (origin !== undefined && origin.kind !== "file") return origin.name;
  if (origin === undefined && settingKey(key) !== undefined) return `${key} (default)`;
  const parts = path.split(".");
  for (let length = parts.length; length > 0; length--) {
    const line = merged.lines.get(parts.slice(0, length).join("."));
    if (line !== undefined) return `${path} in ${merged.fileName}, line ${line}`;
  }
  return `${path} in ${merged.fileName}`;
}

function given(merged: Merged): LoadedSettings["given"] {
  const entries = [...merged.origins].map(([path, origin]) =>
    [path, { value: valueAt(merged.tree, path.split(".")), origin }] as const
  );
  return new Map(entries);
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  let value = tree;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = (value as Tree)[part];
  }
  return value;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value in a message, cut to a sane length. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
