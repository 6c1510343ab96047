/**
 * Programs that tests compare with or build on. Where one is missing, its tests are listed as
 * ignored and the reason is printed; under `CI=true` they run and fail, so that nothing is passed
 * over in silence where everything must be tested.
 */

const told = new Set<string>();

/** Options of a test that needs these programs on the path. */
export function needs(...programs: readonly string[]): { readonly ignore: boolean } {
  const missing = programs.filter((program) => !isOnPath(program));
  for (const program of missing) tell(program);
  return { ignore: missing.length > 0 && Deno.env.get("CI") !== "true" };
}

function isOnPath(program: string): boolean {
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  return directories.some((directory) => isFile(`${directory}/${program}`));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function tell(program: string): void {
  if (told.has(program)) return;
  told.add(program);
  console.warn(`Some tests need ${program}, which is not on the path: install it to run them.`);
}
