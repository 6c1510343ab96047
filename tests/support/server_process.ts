/**
 * Logboat as a real process: from source, or the executable that the variable `LOGBOAT_BIN` names.
 * Whatever happens to the test, no child outlives it.
 */

import { within } from "./wait.ts";

/** How a node is run. `default` is the executable when `LOGBOAT_BIN` is set, else the source. */
export type Runtime = "default" | "source" | "executable";

const logLinesMax = 5000;
const root = new URL("../../", import.meta.url).pathname;

/** The executable that the tests were pointed at. */
export function executablePath(): string | undefined {
  const path = Deno.env.get("LOGBOAT_BIN");
  return path === undefined || path === "" ? undefined : path;
}

/** The command line that starts Logboat, without its own arguments. */
export function logboatCommand(runtime: Runtime): string[] {
  const executable = executablePath();
  if (runtime === "executable" && executable === undefined) {
    throw new Error("Cannot run the executable: the variable LOGBOAT_BIN is not set");
  }
  if (executable !== undefined && runtime !== "source") return [executable];
  return [Deno.execPath(), "run", "-A", `${root}src/main.ts`];
}

/** This process's variables without Logboat's: each of those would be a setting. */
function foreignEnvironment(): Record<string, string> {
  const variables = Object.entries(Deno.env.toObject());
  return Object.fromEntries(variables.filter(([name]) => !name.startsWith("LOGBOAT_")));
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Soft and hard limit of open files. */
  readonly openFilesMax?: number;
}

const running = new Set<ServerProcess>();

globalThis.addEventListener("unload", () => {
  for (const process of running) process.signal("SIGKILL");
});

/** A child with captured output. */
export class ServerProcess {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>[] = [];
  /** Lines of both streams, as they came. */
  readonly lines: string[] = [];
  /** The exit status, once there. */
  status: Deno.CommandStatus | undefined;
  /** Resolves after the exit, when all output is in `lines`. */
  readonly exited: Promise<Deno.CommandStatus>;

  constructor(name: string, command: readonly string[], options: ProcessOptions = {}) {
    this.name = name;
    const full = options.openFilesMax === undefined
      ? command
      : ["sh", "-c", `ulimit -n ${options.openFilesMax} && exec "$@"`, "sh", ...command];
    this.#child = new Deno.Command(full[0], {
      args: full.slice(1),
      clearEnv: true,
      env: { ...foreignEnvironment(), ...options.env, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    running.add(this);
    this.#output.push(this.#capture(this.#child.stdout), this.#capture(this.#child.stderr));
    this.exited = this.#wait();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: Deno.Signal): void {
    if (this.status !== undefined) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It ended, and the runtime knows before our `status` does.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills it, stopped or not, and waits for the end. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await within(`the end of ${this.name}`, 10_000, this.exited);
  }

  /** The last lines of its output, for a failure message. */
  tail(lines: number): string {
    return this.lines.slice(-lines).map((line) => `  ${this.name} | ${line}`).join("\n");
  }

  async #wait(): Promise<Deno.CommandStatus> {
    const status = await this.#child.status;
    this.status = status;
    running.delete(this);
    await Promise.all(this.#output);
    return status;
  }

  async #capture(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream() as never)) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.lines.push(...lines);
      if (this.lines.length > logLinesMax) this.lines.splice(0, this.lines.length - logLinesMax);
    }
    if (rest !== "") this.lines.push(rest);
  }
}

/** Runs Logboat to its end; for subcommands and refusals. */
export async function runLogboat(
  args: readonly string[],
  options: ProcessOptions & { readonly runtime?: Runtime; readonly withinMs?: number } = {},
): Promise<{ code: number; output: string }> {
  const process = new ServerProcess(
    `logboat ${args[0]}`,
    [...logboatCommand(options.runtime ?? "default"), ...args],
    options,
  );
  try {
    const status = await within(
      `the end of logboat ${args[0]}`,
      options.withinMs ?? 20_000,
      process.exited,
    );
    return { code: status.code, output: process.lines.join("\n") };
  } finally {
    await process.kill();
  }
}
