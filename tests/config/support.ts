/** Loading settings in one line. */

import {
  type LoadedSettings,
  loadSettings,
  parseFlags,
  type Problem,
  type SettingKey,
} from "../../src/config/mod.ts";
import { fail } from "../support/assert.ts";

export interface Sources {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The text of `logboat.toml`. */
  readonly file?: string;
}

function load({ args = [], env = {}, file }: Sources) {
  return loadSettings({
    flags: parseFlags(args, { settings: true, own: [] }),
    env,
    file: file === undefined ? undefined : { name: "logboat.toml", text: file },
  });
}

/** The settings; fails when there are problems. */
export function loaded(sources: Sources): LoadedSettings {
  const result = load(sources);
  if (result.kind === "loaded") return result;
  return fail(result.problems.map((problem) => problem.message).join("\n"));
}

/** The messages of the problems; fails when there are none. */
export function problems(sources: Sources): string[] {
  return problemList(sources).map((problem) => problem.message);
}

export function problemList(sources: Sources): readonly Problem[] {
  const result = load(sources);
  if (result.kind === "problems") return result.problems;
  return fail("the settings were accepted");
}

/** A valid value of a setting that is not its default, as text and as in the file. */
export interface Sample {
  readonly word: string;
  readonly toml: string;
}

export function sampleOf(key: SettingKey): Sample {
  const { kind, fallback } = key.facts;
  switch (kind) {
    case "integer": {
      const value = typeof fallback === "number" ? fallback + 1 : 123;
      return { word: String(value), toml: String(value) };
    }
    case "bytes": {
      const value = (fallback as number) + 1024;
      return { word: String(value), toml: String(value) };
    }
    case "boolean":
      return { word: String(!fallback), toml: String(!fallback) };
    case "text":
      return { word: "something", toml: '"something"' };
    case "choice": {
      const other = key.facts.expected.match(/"([^"]+)"/g)!.find((each) =>
        each !== `"${fallback}"`
      )!;
      return { word: other.slice(1, -1), toml: other };
    }
    case "address":
      return { word: "[::1]:4321", toml: '"[::1]:4321"' };
    case "range":
      return { word: "2000,2500", toml: "[2000, 2500]" };
    case "peers":
      return {
        word: "1=10.0.0.1:7379,10.0.0.1:6379",
        toml: '[{ id = 1, raft = "10.0.0.1:7379", redis = "10.0.0.1:6379" }]',
      };
  }
}
