/** Builds libraries for `LD_PRELOAD` with the machine's C compiler. */

/**
 * Makes a directory that holds the library `shim.so`; the caller removes it. `name` is a file of this
 * folder. Throws with the compiler's words when there is none or it fails.
 */
export async function buildShim(name: string): Promise<string> {
  const source = new URL(`./${name}`, import.meta.url).pathname;
  const directory = await Deno.makeTempDir({ prefix: "logboat-shim-" });
  const { code, stderr } = await new Deno.Command("cc", {
    args: ["-shared", "-fPIC", "-O1", "-Wall", "-pthread", "-o", `${directory}/shim.so`, source],
  }).output();
  if (code !== 0) throw new Error(`Cannot build ${name}: ${new TextDecoder().decode(stderr)}`);
  return directory;
}
