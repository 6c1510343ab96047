/**
 * `deno task compile`: makes `dist/logboat`, one executable that needs no Deno, Bun or Node.
 *
 * 1. `deno bundle` joins the sources into `dist/logboat.js`.
 * 2. A backend puts a runtime around it. `deno compile` takes its base (`denort`) from the path in
 *    DENORT_BIN or from Deno's own host. Where neither can be had, `bun build --compile` does it: the
 *    `bun` package of npm carries its base itself.
 * 3. The executable is started once, to see that it runs.
 *
 * `--backend=deno` or `--backend=bun` asks for one of them; the default tries Deno, then Bun.
 * `--entry FILE` and `--output FILE` are for tests.
 */

import { parseArgs } from "@std/cli/parse-args";

const BUN_PACKAGE = "bun@1.4.5";
/** The base is about 40 MB; a host that does not answer must not hold the build up for ever. */
const DENO_COMPILE_MS_MAX = 180_000;
const VERSION_CHECK_MS_MAX = 30_000;

interface Result {
  readonly ok: boolean;
  readonly output: string;
}

async function run(command: readonly string[], timeoutMs?: number): Promise<Result> {
  const [program, ...args] = command;
  const options: Deno.CommandOptions = { args, stdin: "null", stdout: "piped", stderr: "piped" };
  if (timeoutMs !== undefined) options.signal = AbortSignal.timeout(timeoutMs);
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, options).output();
    const decoder = new TextDecoder();
    return { ok: success, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    return { ok: false, output: `Cannot run ${program}: ${(error as Error).message}` };
  }
}

/** The lines that tell why, without colours and stack traces. */
function reason(output: string): string {
  // deno-lint-ignore no-control-regex -- terminal colours begin with an escape character
  const lines = output.replaceAll(/\x1b\[[0-9;]*m/g, "").split("\n");
  const kept = lines.filter((line) => /error|cannot|failed/i.test(line)).slice(0, 3);
  return kept.map((line) => `    ${line.trim()}`).join("\n");
}

async function bundle(entry: string, output: string): Promise<void> {
  const result = await run([Deno.execPath(), "bundle", "--quiet", "-o", output, entry]);
  if (!result.ok) fail(`Cannot bundle ${entry}:\n${result.output}`);
}

/** Permissions are baked in: a store needs its files, its sockets and (demo) its own children. */
function compileWithDeno(bundlePath: string, output: string): Promise<Result> {
  const command = [
    Deno.execPath(),
    "compile",
    "--no-check",
    "--allow-all",
    "-o",
    output,
    bundlePath,
  ];
  return run(command, DENO_COMPILE_MS_MAX);
}

function compileWithBun(bundlePath: string, output: string): Promise<Result> {
  // The executable reads no .env and no bunfig.toml of the directory that it happens to start in.
  const isolation = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
  const build = ["build", "--compile", ...isolation, bundlePath, "--outfile", output];
  return run(["npx", "-y", BUN_PACKAGE, ...build]);
}

async function compile(bundlePath: string, output: string, wanted: string): Promise<string> {
  if (wanted !== "bun") {
    const base = Deno.env.get("DENORT_BIN");
    console.log(`Compiling with deno compile, base ${base ?? "from Deno's host"}`);
    const result = await compileWithDeno(bundlePath, output);
    if (result.ok) return "deno compile";
    if (wanted === "deno" || base !== undefined) {
      fail(`Cannot compile with deno compile:\n${result.output}`);
    }
    console.log(`deno compile has no base here, so Bun's is used:\n${reason(result.output)}`);
    console.log("    To use Deno's, set DENORT_BIN to the denort of this version of Deno.");
  }
  const result = await compileWithBun(bundlePath, output);
  if (!result.ok) {
    fail(
      `Cannot compile with ${BUN_PACKAGE} from npm:\n${result.output}\n` +
        "Make the npm registry reachable, or set DENORT_BIN to the denort of this version of Deno.",
    );
  }
  return `bun build --compile (${BUN_PACKAGE})`;
}

async function checkVersion(output: string): Promise<string> {
  const result = await run([output, "--version"], VERSION_CHECK_MS_MAX);
  if (!result.ok) fail(`Cannot start ${output}:\n${result.output}`);
  return result.output.trim();
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

async function main(): Promise<void> {
  const root = new URL("..", import.meta.url).pathname;
  const options = parseArgs(Deno.args, {
    string: ["backend", "entry", "output"],
    default: { backend: "auto", entry: `${root}src/main.ts`, output: `${root}dist/logboat` },
  });
  const { backend, entry, output } = options as unknown as Record<string, string>;
  if (!["auto", "deno", "bun"].includes(backend)) {
    fail(`Cannot use backend ${backend}: expected auto, deno or bun`);
  }
  await Deno.mkdir(output.slice(0, output.lastIndexOf("/") + 1) || ".", { recursive: true });
  const bundlePath = `${output}.js`;
  await bundle(entry, bundlePath);
  const made = await compile(bundlePath, output, backend);
  const version = await checkVersion(output.includes("/") ? output : `./${output}`);
  const megabytes = Math.round((await Deno.stat(output)).size / 1e6);
  console.log(`Made ${output} with ${made}: ${megabytes} MB, ${version.split("\n")[0]}`);
}

await main();
