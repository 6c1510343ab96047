/**
 * What the cases of the platform contract share. The suite runs on Deno and on Bun, so it uses
 * `node:` modules and the platform under test only.
 */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection, Platform, PlatformError } from "../../../src/platform/mod.ts";

/** Longest wait for a condition. Generous: two cores may be busy with other tests. */
export const DEADLINE_MS = 20_000;

export interface CaseContext {
  readonly platform: Platform;
  /** Empty at the start, removed at the end. */
  readonly directory: string;
  /** A port of a listener whose queue is full: connects to it get no answer. */
  readonly blackHolePort: number;
}

export interface Case {
  readonly name: string;
  readonly run: (context: CaseContext) => Promise<void>;
}

export async function withDirectory<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const directory = fs.mkdtempSync(join(tmpdir(), "logboat-platform-"));
  try {
    return await run(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Waits until `condition` holds; fails with what was awaited. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Cannot go on: no ${what} in time`);
    await sleep(5);
  }
}

/** The code of the `PlatformError` that `run` rejects or throws with. */
export async function codeOfFailure(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    const { name, code, message } = error as PlatformError;
    if (name !== "PlatformError") throw error;
    if (!message.startsWith("Cannot ")) throw new Error(`Wrong grammar: ${message}`);
    return code;
  }
  return "none";
}

/** One end of a connection, with a record of what happened to it. */
export class End {
  readonly connection: Connection;
  bytes = 0;
  chunks: Uint8Array[] = [];
  drains = 0;
  closes: (PlatformError | undefined)[] = [];
  dataAfterClose = 0;
  onData: ((bytes: Uint8Array) => void) | undefined;
  /** Set before `start`: the peer's end of input is told apart from the end of the connection. */
  onEnd: (() => void) | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  start(): this {
    this.connection.start({
      onData: (bytes) => {
        if (this.closes.length > 0) this.dataAfterClose++;
        this.bytes += bytes.length;
        this.chunks.push(bytes.slice());
        this.onData?.(bytes);
      },
      onDrained: () => void this.drains++,
      ...(this.onEnd === undefined ? {} : { onEnd: this.onEnd }),
      onClosed: (error) => void this.closes.push(error),
    });
    return this;
  }

  send(bytes: Uint8Array): void {
    this.connection.output.bytes(bytes);
    this.connection.flush();
  }

  received(): Uint8Array {
    const all = new Uint8Array(this.bytes);
    let at = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  text(): string {
    return new TextDecoder().decode(this.received());
  }

  async closed(): Promise<PlatformError | undefined> {
    await until("end of the connection", () => this.closes.length > 0);
    // A second report would come soon after the first.
    await sleep(30);
    if (this.closes.length !== 1) throw new Error(`onClosed came ${this.closes.length} times`);
    if (this.dataAfterClose !== 0) throw new Error("onData came after onClosed");
    return this.closes[0];
  }
}

export interface Pair {
  /** The accepted end, not started. */
  readonly server: End;
  /** The dialled end, not started. */
  readonly client: End;
}

/** Two ends of one connection over loopback; both are destroyed afterwards. */
export async function withPair(
  platform: Platform,
  run: (pair: Pair) => Promise<void>,
): Promise<void> {
  const accepted: Connection[] = [];
  const listener = await platform.net.listen({
    hostname: "127.0.0.1",
    port: 0,
    onConnection: (connection) => void accepted.push(connection),
    onError: () => {},
  });
  const dialled = await platform.net.connect({
    hostname: "127.0.0.1",
    port: listener.port,
    timeoutMs: DEADLINE_MS,
  });
  try {
    await until("accepted connection", () => accepted.length === 1);
    await run({ server: new End(accepted[0]), client: new End(dialled) });
  } finally {
    listener.close();
    dialled.destroy();
    for (const connection of accepted) connection.destroy();
  }
}

/** Bytes whose every position is known, so that a lost or mixed byte shows. */
export function pattern(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + salt) & 0xff;
  return bytes;
}

/** The first position where two byte strings differ; -1 when they are equal. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return a.length === b.length ? -1 : length;
}
