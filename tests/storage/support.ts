/** What the storage tests share: a clock that only moves when told, entries, opening and closing. */

import { LogIndex, NodeId, silentLogger, Term } from "../../src/base/mod.ts";
import type { Clock, Disk, Timer } from "../../src/platform/mod.ts";
import { commandOf, type LogEntry, recordWithPayload, sealEntry } from "../../src/raft/mod.ts";
import {
  DataDirectory,
  RaftStorage,
  type RaftStorageOptions,
  type StorageOptions,
} from "../../src/storage/mod.ts";
import type { MemoryDisk } from "../support/memory_disk.ts";

export const CLUSTER = "0123456789abcdef0123456789abcdef";
export const PATH = "/data";
export const NODE = NodeId(1);

export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, run: callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  setImmediate(callback: () => void): void {
    this.setTimer(0, callback);
  }

  afterInput(callback: () => void): void {
    this.setTimer(0, callback);
  }

  get timers(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { run } of due) run();
  }
}

export const OPTIONS: StorageOptions = {
  fsync: "always",
  fsyncIntervalMs: 1000,
  segmentBytes: 1 << 20,
  preallocateBytes: 1 << 12,
};

export interface Opened {
  readonly disk: Disk;
  readonly directory: DataDirectory;
  readonly storage: RaftStorage;
  readonly clock: ManualClock;
  readonly fatal: Error[];
  close(): Promise<void>;
}

export function openDirectory(disk: Disk, path = PATH): Promise<DataDirectory> {
  return DataDirectory.open({
    disk,
    path,
    nodeId: NODE,
    clusterId: CLUSTER,
    logger: silentLogger,
  });
}

export async function openStorage(
  disk: Disk,
  options: Partial<StorageOptions> = {},
  more: Partial<RaftStorageOptions> & { path?: string } = {},
): Promise<Opened> {
  const directory = await openDirectory(disk, more.path);
  const clock = new ManualClock();
  const fatal: Error[] = [];
  try {
    const storage = await RaftStorage.open({
      disk,
      directory,
      options: { ...OPTIONS, ...options },
      clock,
      logger: silentLogger,
      onFatal: (error) => fatal.push(error),
      ...more,
    });
    const close = async () => {
      await storage.close();
      await directory.close();
    };
    return { disk, directory, storage, clock, fatal, close };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** A command entry whose payload tells its index, its term and `text`. */
export function entry(index: number, term = 1, text = ""): LogEntry {
  const payload = new TextEncoder().encode(`entry ${index} of term ${term} ${text}`);
  return sealEntry(recordWithPayload(payload), "command", Term(term), LogIndex(index));
}

export function entries(first: number, count: number, term = 1, text = ""): LogEntry[] {
  return Array.from({ length: count }, (_, at) => entry(first + at, term, text));
}

/** Everything in the log, in short: "index:term:payload". */
export async function contents(storage: RaftStorage): Promise<string[]> {
  const read: string[] = [];
  for (let next: number = storage.firstIndex; next <= storage.lastIndex;) {
    const part = await storage.read(LogIndex(next), storage.lastIndex, 1 << 20);
    if (part.length === 0) throw new Error(`Cannot read entry ${next}: found none`);
    for (const found of part) read.push(describe(found));
    next = part[part.length - 1].index + 1;
  }
  return read;
}

export function describe(found: LogEntry): string {
  return `${found.index}:${found.term}:${new TextDecoder().decode(commandOf(found))}`;
}

/** Lets everything that waits for no timer and no other event run to its end. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Counts of operations on the log, by kind, from now on. */
export function countLogOperations(disk: MemoryDisk): Map<string, number> {
  const counts = new Map<string, number>();
  disk.fault = ({ kind, path }) => {
    if (path.includes("/log/")) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return undefined;
  };
  return counts;
}
