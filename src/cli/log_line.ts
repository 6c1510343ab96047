/** One line of the logger, for people or for programs. Control characters never get through. */

import type { LogFields, LogLevel } from "../base/mod.ts";

export type LogFormat = "text" | "json";

export interface LogLine {
  readonly wallMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** Longer texts are cut; what users send must not fill the output. */
const TEXT_CHARACTERS_MAX = 4096;
const RESERVED: readonly string[] = ["time", "level", "message"];
const PLAIN = /^[A-Za-z0-9_.:/@+*[\],-]+$/;

/** The line with its newline. */
export function formatLine(line: LogLine, format: LogFormat): string {
  const time = new Date(line.wallMs).toISOString();
  return format === "json" ? jsonLine(time, line) : textLine(time, line);
}

function textLine(time: string, { level, message, fields }: LogLine): string {
  let text = `${time} ${level.toUpperCase().padEnd(5)} ${escapeControls(cut(message))}`;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value !== undefined) text += ` ${escapeControls(name)}=${shown(value)}`;
  }
  return `${text}\n`;
}

function shown(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const short = cut(value);
  return PLAIN.test(short) ? short : escapeControls(JSON.stringify(short));
}

function jsonLine(time: string, { level, message, fields }: LogLine): string {
  const line: Record<string, unknown> = { time, level, message: cut(message) };
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const key = RESERVED.includes(name) ? `field_${name}` : name;
    if (value !== undefined) line[key] = typeof value === "string" ? cut(value) : value;
  }
  return `${escapeControls(JSON.stringify(line))}\n`;
}

function cut(text: string): string {
  if (text.length <= TEXT_CHARACTERS_MAX) return text;
  return `${text.slice(0, TEXT_CHARACTERS_MAX)}… (${text.length} characters)`;
}

/**
 * Shows control characters as `\u001b`: a line stays one line, and no user's bytes can move the
 * cursor or reorder the text of the terminal of who reads it.
 */
export function escapeControls(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
