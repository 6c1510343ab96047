/** A child process of a test: its lines, its end, and certainty that it is gone afterwards. */

import { DEADLINE_MS } from "./suite/harness.ts";

export class TestChild {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly process: Deno.ChildProcess;
  readonly #readers: Promise<void>[];

  constructor(command: readonly string[], options: Deno.CommandOptions = {}) {
    const [program, ...args] = command;
    this.process = new Deno.Command(program, {
      ...options,
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#readers = [collect(this.process.stderr, this.errors)];
  }

  /** Begins to read stdout; until then the pipe fills up. */
  readStdout(): this {
    this.#readers.push(collect(this.process.stdout, this.lines));
    return this;
  }

  /** The first line of stdout that begins so, without that beginning. */
  async line(start: string): Promise<string> {
    await this.until(`line "${start}"`, () => this.lines.some((line) => line.startsWith(start)));
    return this.lines.find((line) => line.startsWith(start))!.slice(start.length).trim();
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) {
        const output = [...this.lines, ...this.errors].slice(-20).join("\n");
        throw new Error(`Cannot go on: no ${what} in time; the child said:\n${output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Its exit code; a child that does not end in time is killed and fails the test. */
  async exit(): Promise<number> {
    const timer = setTimeout(() => this.process.kill("SIGKILL"), DEADLINE_MS);
    const { code, signal } = await this.process.status;
    clearTimeout(timer);
    await Promise.all(this.#readers);
    if (signal === "SIGKILL") throw new Error("Cannot go on: the child did not end in time");
    return code;
  }

  async kill(): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.process.status;
    await Promise.all(this.#readers);
    if (!this.process.stdout.locked) await this.process.stdout.cancel();
  }
}

async function collect(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  let partial = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as never)) {
    const parts = (partial + text).split("\n");
    partial = parts.pop()!;
    lines.push(...parts);
  }
  if (partial !== "") lines.push(partial);
}

/** Runs with a child that is dead afterwards, however the test ends. */
export async function withChild(
  command: readonly string[],
  run: (child: TestChild) => Promise<void>,
  options: Deno.CommandOptions = {},
): Promise<void> {
  const child = new TestChild(command, options);
  try {
    await run(child);
  } finally {
    await child.kill();
  }
}
