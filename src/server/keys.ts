/** Where the keys of a request are, from the command's declaration. */

import type { CommandDeclaration } from "../commands/mod.ts";
import type { Request } from "../resp/mod.ts";

/** Indices of the key arguments; empty when there is none. */
export function keyIndices(declaration: CommandDeclaration, request: Request): number[] {
  if (declaration.findKeys !== undefined) return declaration.findKeys(request);
  const keys = declaration.keys;
  if (keys === undefined || keys.first === 0) return [];
  const last = keys.last < 0 ? request.length + keys.last : keys.last;
  const indices: number[] = [];
  for (let i = keys.first; i <= last && i < request.length; i += keys.step) indices.push(i);
  return indices;
}

/** The first key as a byte string. */
export function firstKey(declaration: CommandDeclaration, request: Request): string | undefined {
  const [index] = keyIndices(declaration, request);
  return index === undefined ? undefined : request.text(index);
}
