/**
 * The three ways that the adapters run: the Deno adapter, the node adapter inside of Deno, and the
 * node adapter on a real Bun. A missing Bun fails the tests under CI and where npm can be reached.
 */

import { join } from "node:path";

const BUN_PACKAGE = "bun@1.4.5";
const PROGRAM = new URL("./program.ts", import.meta.url).pathname;
const BUN_CONTRACT = new URL("./suite/bun_main.ts", import.meta.url).pathname;

export type RuntimeName = "deno" | "node in deno" | "bun";
export const RUNTIME_NAMES: readonly RuntimeName[] = ["deno", "node in deno", "bun"];

let bunPath: Promise<string> | undefined;
const bundles = new Map<string, Promise<string>>();
const directory = Deno.makeTempDirSync({ prefix: "logboat-bundles-" });
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

/** The command that runs `program.ts` with the adapter of a runtime. */
export async function programCommand(name: RuntimeName): Promise<string[]> {
  if (name === "bun") return [await bun(), await bundle(PROGRAM), "node"];
  return [Deno.execPath(), "run", "-A", PROGRAM, name === "deno" ? "deno" : "node"];
}

/** The command that runs the contract suite on Bun. */
export async function bunContractCommand(): Promise<string[]> {
  return [await bun(), await bundle(BUN_CONTRACT)];
}

/** The path of Bun itself, not of a wrapper that would swallow signals. */
function bun(): Promise<string> {
  bunPath ??= output(["npx", "-y", "-p", BUN_PACKAGE, "-c", "command -v bun"])
    .then((text) => Deno.realPath(text.trim().split("\n").at(-1)!));
  return bunPath;
}

function bundle(entry: string): Promise<string> {
  let made = bundles.get(entry);
  if (made === undefined) {
    const path = join(directory, `${bundles.size}.js`);
    made = output([Deno.execPath(), "bundle", "--quiet", "-o", path, entry]).then(() => path);
    bundles.set(entry, made);
  }
  return made;
}

async function output(command: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const result = await new Deno.Command(program, { args, stderr: "piped" }).output();
  const decoder = new TextDecoder();
  if (!result.success) {
    throw new Error(`Cannot run ${command.join(" ")}: ${decoder.decode(result.stderr)}`);
  }
  return decoder.decode(result.stdout);
}
