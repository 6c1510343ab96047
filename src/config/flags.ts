/** Command line words into flags; what they mean is decided by `load.ts`. */

// @ts-types="./std_parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { SETTING_KEYS } from "./keys.ts";
import { nearest } from "./nearest.ts";

/** Something wrong with what the operator wrote. */
export interface Problem {
  /** `--node-id`, `LOGBOAT_NODE_ID` or `node.id in logboat.toml, line 3`. */
  readonly source: string;
  /** The whole sentence. */
  readonly message: string;
}

export interface Flags {
  /** Values of settings by flag name, in the order given. */
  readonly settings: ReadonlyMap<string, readonly string[]>;
  /** Values of the flags that the caller named. */
  readonly own: ReadonlyMap<string, string>;
  /** From `--config`. */
  readonly configFile: string | undefined;
  readonly help: boolean;
  /** Words that are no flags. */
  readonly words: readonly string[];
  readonly problems: readonly Problem[];
}

/** Which flags a subcommand takes beside `--help`. */
export interface FlagRules {
  /** Whether the flags of all settings and `--config` are allowed. */
  readonly settings: boolean;
  /** Names of further flags, each with a value. */
  readonly own: readonly string[];
}

const CONFIG = "config";

/** Reads the words behind the subcommand. Never throws: what is wrong is in `problems`. */
export function parseFlags(args: readonly string[], rules: FlagRules): Flags {
  const settingNames = rules.settings ? [CONFIG, ...SETTING_KEYS.map((key) => key.flag)] : [];
  const names = [...settingNames, ...rules.own];
  const problems: Problem[] = [];
  const parsed = parseArgs(args, {
    string: [...names, "_"],
    boolean: ["help"],
    collect: names,
    alias: { h: "help" },
    unknown: (argument, name) => {
      if (name === undefined) return true;
      problems.push(unknownFlag(argument, [...names, "help"]));
      return false;
    },
  });
  const values = new Map<string, readonly string[]>();
  for (const name of names) {
    const given = parsed[name];
    if (Array.isArray(given) && given.length > 0) values.set(name, given.map(String));
  }
  for (const [name, given] of values) {
    if (given.length > 1 && name !== "raft-peer") problems.push(repeatedFlag(name, given.length));
  }
  const own = new Map(
    rules.own.flatMap((name) => values.has(name) ? [[name, values.get(name)![0]] as const] : []),
  );
  const configFile = rules.settings ? values.get(CONFIG)?.[0] : undefined;
  for (const name of [CONFIG, ...rules.own]) if (rules.own.includes(name)) values.delete(name);
  values.delete(CONFIG);
  return {
    settings: values,
    own,
    configFile,
    help: parsed.help === true,
    words: parsed._.map(String),
    problems,
  };
}

function unknownFlag(argument: string, known: readonly string[]): Problem {
  const flag = argument.split("=")[0];
  const near = nearest(flag.replace(/^-+/, ""), known);
  const advice = near === undefined ? "see --help" : `did you mean --${near}?`;
  return { source: flag, message: `Cannot use ${flag}: there is no such flag; ${advice}` };
}

function repeatedFlag(name: string, times: number): Problem {
  return {
    source: `--${name}`,
    message: `Cannot use --${name}: found it ${times} times, expected once`,
  };
}
