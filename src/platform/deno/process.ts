/** The process on Deno: signals, standard streams, children, memory and randomness. */

import { connectionsMax } from "../descriptors.ts";
import { createHmac, randomBytes } from "node:crypto";
import { release } from "node:os";
import process from "node:process";
import { toPlatformError } from "../errors.ts";
import { LineSplitter } from "../line_splitter.ts";
import { OutputQueue } from "../output_queue.ts";
import type { Child, MemoryUse, Process, Signal } from "../ports.ts";

/** Made once: reads the arguments, the environment and the standard streams. */
export function denoProcess(): Process {
  const stdout = new OutputQueue((bytes) => Deno.stdout.write(bytes));
  const stderr = new OutputQueue((bytes) => Deno.stderr.write(bytes));
  return {
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
    connectionsMax: connectionsMax(),
    cpuSeconds() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    hmacSha256: (key, data) => new Uint8Array(createHmac("sha256", key).update(data).digest()),
    spawn,
    versions: {
      runtime: `deno ${Deno.version.deno}`,
      v8: Deno.version.v8,
      os: `${Deno.build.os} ${release()} ${Deno.build.arch}`,
    },
  };
}

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
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    onLine(toPlatformError(error, `start ${program}`).message, "stderr");
    return { pid: 0, kill() {}, exited: Promise.resolve(127) };
  }
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
