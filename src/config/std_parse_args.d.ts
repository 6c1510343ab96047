/** The part of the Deno standard library's `parseArgs` that Logboat uses; its npm form has no types. */

export interface ParseOptions {
  /** Names whose values stay text. */
  readonly string: readonly string[];
  readonly boolean: readonly string[];
  /** Names that may come several times; their value is always a list. */
  readonly collect: readonly string[];
  /** Short forms. */
  readonly alias: Readonly<Record<string, string>>;
  /** Called for a flag that is in no list, and for a word that is no flag; false leaves it out. */
  readonly unknown: (argument: string, name?: string, value?: unknown) => boolean;
}

export function parseArgs(
  args: readonly string[],
  options: ParseOptions,
): Record<string, unknown> & { _: (string | number)[] };
