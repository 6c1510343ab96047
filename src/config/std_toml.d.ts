/** The part of the Deno standard library's TOML module that Logboat uses; its npm form has no types. */

/** Throws `SyntaxError` on text that is not TOML. Repeated keys are not refused: the last one wins. */
export function parse(text: string): Record<string, unknown>;
