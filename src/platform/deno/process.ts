/** The process on Deno: signals, standard streams, children, memory and randomness. */

import { createHmac } from "node:crypto";
import { release } from "node:os";
import process from "node:process";
import { LineSplitter } from "../line_splitter.ts";
import type { Child, MemoryUse, Process, Signal } from "../ports.ts";

class StreamWriter {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  #last: Promise<void> = Promise.resolve();

  constructor(write: (bytes: Uint8Array) => Promise<number>) {
    this.#write = write;
  }

  /** Behind all earlier ones. A reader that is gone is not an error: nobody wants the text. */
  write(bytes: Uint8Array): Promise<void> {
    this.#last = this.#last.then(async () => {
      try {
        for (let at = 0; at < bytes.length;) at += await this.#write(bytes.subarray(at));
      } catch {
        // EPIPE, or a full disk behind a redirection: there is nowhere left to say so.
      }
    });
    return this.#last;
  }
}

const stdout = new StreamWriter((bytes) => Deno.stdout.write(bytes));
const stderr = new StreamWriter((bytes) => Deno.stderr.write(bytes));

export const denoProcess: Process = {
  pid: Deno.pid,
  args: Deno.args,
  env: environment(),
  selfCommand: selfCommand(),
  stdoutIsTerminal: Deno.stdout.isTerminal(),
  onSignal(signal: Signal, callback: () => void): void {
    Deno.addSignalListener(signal, callback);
  },
  onUncaught(callback: (error: unknown) => void): void {
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      callback(event.error);
    });
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      callback(event.reason);
    });
  },
  exit: (code: number) => Deno.exit(code),
  writeStdout: (bytes) => stdout.write(bytes),
  writeStderr: (bytes) => stderr.write(bytes),
  memory,
  cpuSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  hmacSha256: (key, data) => new Uint8Array(createHmac("sha256", key).update(data).digest()),
  spawn,
  versions: {
    runtime: `deno ${Deno.version.deno}`,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${release()} ${Deno.build.arch}`,
  },
};

/** A copy without a prototype's names; variables do not change after the start. */
function environment(): Readonly<Record<string, string | undefined>> {
  return Object.assign(Object.create(null), Deno.env.toObject());
}

function selfCommand(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "-A", Deno.mainModule];
}

function memory(): MemoryUse {
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
  };
}

function spawn(
  command: readonly string[],
  onLine: (line: string, stream: "stdout" | "stderr") => void,
): Child {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const outputs = [
    readLines(child.stdout, (line) => onLine(line, "stdout")),
    readLines(child.stderr, (line) => onLine(line, "stderr")),
  ];
  return {
    pid: child.pid,
    kill(signal) {
      try {
        child.kill(signal);
      } catch {
        // It has ended already.
      }
    },
    exited: Promise.all([child.status, ...outputs]).then(([status]) => status.code),
  };
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const splitter = new LineSplitter(onLine);
  for await (const bytes of stream) splitter.push(bytes);
  splitter.end();
}
