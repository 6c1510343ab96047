/** The process on `node:` modules: signals, standard streams, children, memory and randomness. */

import { connectionsMax } from "../descriptors.ts";
import { spawn as spawnChild } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { constants, release } from "node:os";
import process from "node:process";
import type { Readable } from "node:stream";
import { isatty } from "node:tty";
import { LineSplitter } from "../line_splitter.ts";
import { OutputQueue, type WriteSome } from "../output_queue.ts";
import type { Child, MemoryUse, Process, Signal } from "../ports.ts";

const STDOUT = 1;
const STDERR = 2;
/** Somebody made the pipe non-blocking and nobody reads it: look again after this. */
const FULL_PIPE_PAUSE_MS = 10;

/** Made once: reads the arguments, the environment and the standard streams. */
export function nodeProcess(): Process {
  const stdout = new OutputQueue(standardStream(STDOUT));
  const stderr = new OutputQueue(standardStream(STDERR));
  return {
    pid: process.pid,
    args: process.argv.slice(2),
    env: Object.assign(Object.create(null), process.env),
    selfCommand: selfCommand(),
    stdoutIsTerminal: isatty(STDOUT),
    onSignal(signal: Signal, callback: () => void): void {
      process.on(signal, () => callback());
    },
    onUncaught(callback: (error: unknown) => void): void {
      process.on("uncaughtException", (error: unknown) => callback(error));
      process.on("unhandledRejection", (reason: unknown) => callback(reason));
    },
    exit: (code: number) => process.exit(code),
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
      runtime: runtimeVersion(),
      v8: process.versions.v8 ?? "none",
      os: `${process.platform} ${release()} ${process.arch}`,
    },
  };
}

/**
 * `fs.write` runs on a blocking thread, so a pipe that nobody reads does not stop the loop. Deno's
 * imitation of it does for standard streams, where Deno's own write does not.
 */
function standardStream(fd: number): WriteSome {
  if (!("Deno" in globalThis)) return (bytes) => writeDescriptor(fd, bytes);
  return (bytes) => (fd === STDOUT ? Deno.stdout : Deno.stderr).write(bytes);
}

function writeDescriptor(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (!error) resolve(written);
      else if (error.code === "EAGAIN") setTimeout(() => resolve(0), FULL_PIPE_PAUSE_MS);
      else reject(error);
    });
  });
}

/**
 * From source, the runtime and the main module. In an executable made by Bun the main module lives
 * inside of it, and its path is no file: the executable alone is the command.
 */
function selfCommand(): readonly string[] {
  const main = process.argv[1] ?? "";
  if (!fs.existsSync(main) || main.startsWith("/$bunfs/")) return [process.execPath];
  return process.versions.deno === undefined
    ? [process.execPath, main]
    : [process.execPath, "run", "-A", main];
}

function runtimeVersion(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `bun ${bun}`;
  return deno !== undefined ? `deno ${deno} (node)` : `node ${node}`;
}

function memory(): MemoryUse {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
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
  const child = spawnChild(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  readLines(child.stdout, (line) => onLine(line, "stdout"));
  readLines(child.stderr, (line) => onLine(line, "stderr"));
  const exited = new Promise<number>((resolve) => {
    child.once("error", (error) => {
      onLine(`Cannot start ${program}: ${error.message}`, "stderr");
      resolve(127);
    });
    // `close` comes after the end of both streams.
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal] ?? 0));
    });
  });
  return { pid: child.pid ?? 0, kill: (signal) => void child.kill(signal), exited };
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  const splitter = new LineSplitter(onLine);
  stream.on("data", (bytes: Uint8Array) => splitter.push(bytes));
  stream.on("end", () => splitter.end());
}
