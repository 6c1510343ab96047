/** The settings as text: the documented example file, the effective settings, help and a table. */

import type { LoadedSettings } from "./load.ts";
import { SETTING_KEYS, type SettingKey } from "./keys.ts";
import { SECTIONS } from "./schema.ts";

const LINE_CHARACTERS = 98;

/** A file with every setting at its default, explained. Loading it changes nothing. */
export function exampleFile(): string {
  const lines = [
    "# Logboat's settings. Every line is the default: keep what you change, delete the rest.",
    "# Each key is also a flag (--redis-listen) and a variable (LOGBOAT_REDIS_LISTEN); a flag goes",
    '# before a variable, a variable before this file. Sizes may be written like "64mb".',
  ];
  for (const [section, { help }] of Object.entries(SECTIONS)) {
    lines.push("", `# ${help}`, `[${section}]`);
    for (const key of SETTING_KEYS.filter((each) => each.section === section)) {
      lines.push("", ...wrap(key.facts.help, "# "));
      if (key.facts.kind !== "boolean" && key.facts.kind !== "peers") {
        lines.push(...wrap(`Expects ${key.facts.expected}.`, "# "));
      }
      lines.push(...exampleLines(key));
    }
  }
  return lines.join("\n") + "\n";
}

function exampleLines(key: SettingKey): string[] {
  if (key.facts.kind === "peers") {
    const peers = key.facts.example as readonly Record<string, unknown>[];
    return peers.flatMap((peer) => peerLines(peer)).map((line) => `# ${line}`);
  }
  if (key.facts.fallback === undefined) return [`# ${key.name} = ${toml(key.facts.example)}`];
  return [`${key.name} = ${toml(key.facts.fallback)}`];
}

function peerLines(peer: Readonly<Record<string, unknown>>): string[] {
  return [
    "[[raft.peer]]",
    ...Object.entries(peer).map(([name, value]) => `${name} = ${toml(value)}`),
  ];
}

/** The effective settings as a file, with the source of each as a comment. Secrets are hidden. */
export function printSettings(loaded: LoadedSettings): string {
  const lines: string[] = [];
  for (const section of Object.keys(SECTIONS)) {
    if (lines.length > 0) lines.push("");
    lines.push(`[${section}]`);
    for (const key of SETTING_KEYS.filter((each) => each.section === section)) {
      lines.push(...printedLines(loaded, key));
    }
  }
  return lines.join("\n") + "\n";
}

function printedLines({ settings, given }: LoadedSettings, key: SettingKey): string[] {
  const entry = given.get(key.path);
  const source = entry?.origin.name ?? "default";
  if (key.facts.kind === "peers") {
    return settings.raft.peers.flatMap((peer) => ["", `# ${source}`, ...peerLines(peer)]);
  }
  let value = entry?.value ?? key.facts.fallback;
  let note = source;
  if (value === undefined) {
    value = timingOf(settings, key);
    if (value === undefined) return [`# ${key.name}: ${key.facts.absent?.replaceAll("`", "")}`];
    note = `from raft.timing = "${settings.raft.timing}"`;
  }
  if (key.facts.secret && value !== "") value = "***";
  return [`${key.name} = ${toml(value)} # ${note}`];
}

/** The two settings whose default is another setting's; undefined for all others. */
function timingOf({ raft }: LoadedSettings["settings"], key: SettingKey): unknown {
  if (key.path === "raft.heartbeat-ms") return raft.heartbeatMs;
  if (key.path !== "raft.election-timeout-ms") return undefined;
  return [raft.electionTimeoutMs.min, raft.electionTimeoutMs.max];
}

/** The flags of all settings, for `--help`. */
export function settingsHelp(): string {
  const lines: string[] = [];
  for (const [section, { help }] of Object.entries(SECTIONS)) {
    lines.push(`  ${help}`);
    for (const key of SETTING_KEYS.filter((each) => each.section === section)) {
      const notes = [choicesText(key), fallbackText(key)].filter((note) => note !== "");
      lines.push(
        `    --${key.flag} ${notes.length === 0 ? "" : `(${notes.join("; ")})`}`.trimEnd(),
      );
      lines.push(...wrap(key.facts.help, "        "));
    }
  }
  return lines.join("\n") + "\n";
}

/** The values of a setting that has only some. */
function choicesText({ facts }: SettingKey): string {
  return facts.kind === "choice" ? facts.expected.replaceAll('"', "") : "";
}

function fallbackText(key: SettingKey): string {
  if (key.facts.kind === "peers") return "may be repeated";
  if (key.facts.fallback === undefined) return `default ${key.facts.absent?.replaceAll("`", "")}`;
  return key.facts.fallback === "" ? "" : `default ${String(key.facts.fallback)}`;
}

/** The settings as a Markdown table, for README.md. */
export function settingsTable(): string {
  const rows = SETTING_KEYS.map((key) => {
    const fallback = key.facts.kind === "peers"
      ? "none"
      : key.facts.fallback === undefined
      ? key.facts.absent
      : `\`${toml(key.facts.fallback)}\``;
    const choices = key.facts.kind === "choice" ? ` One of ${codes(key.facts.expected)}.` : "";
    const help = key.facts.help.replaceAll("|", "\\|");
    return `| \`${key.path}\` | ${fallback} | ${help}${choices} |`;
  });
  return ["| setting | default | meaning |", "| --- | --- | --- |", ...rows].join("\n") + "\n";
}

/** Quoted values as Markdown shows code. */
function codes(expected: string): string {
  return expected.replaceAll('"', "`");
}

/** A value in TOML; JSON's strings, numbers, booleans and lists are TOML's too. */
function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  return JSON.stringify(value);
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent.trimEnd();
  for (const word of text.split(" ")) {
    const start = line.trim() === indent.trim();
    if (!start && line.length + 1 + word.length > LINE_CHARACTERS) {
      lines.push(line);
      line = indent + word;
    } else {
      line = start ? indent + word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
