/**
 * Files on `node:fs`, for both adapters: it has reads and writes by position, and its `fdatasync`
 * runs on a blocking thread and costs the same as Deno's own. Only the lock differs by runtime.
 */

import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import { toPlatformError } from "./errors.ts";
import type { DirectoryEntry, Disk, DiskFile } from "./ports.ts";
import { PlatformError } from "./ports.ts";

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DIRECTORY } = fs.constants;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** One system call takes 2^31 bytes less a page; stay well below. */
const CALL_BYTES_MAX = 1 << 30;

const OPEN_FLAGS = {
  readOnly: O_RDONLY,
  existing: O_RDWR,
  create: O_RDWR | O_CREAT,
  createNew: O_RDWR | O_CREAT | O_EXCL,
};

type Callback<T> = (error: unknown, result: T) => void;

/** Calls a callback function of `node:fs`; a failure becomes "Cannot <action>: …". */
function call<T>(action: string, run: (done: Callback<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    run((error, result) => {
      if (error) reject(toPlatformError(error, action));
      else resolve(result);
    });
  });
}

class NodeDiskFile implements DiskFile {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let at = 0;
    while (at < into.length) {
      const length = Math.min(into.length - at, CALL_BYTES_MAX);
      const bytes = await call<number>(
        `read ${this.#path} at ${position + at}`,
        (done) => fs.read(this.#fd, into, at, length, position + at, done),
      );
      if (bytes === 0) break;
      at += bytes;
    }
    return at;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, CALL_BYTES_MAX);
      const written = await call<number>(
        `write ${this.#path} at ${position + at}`,
        (done) => fs.write(this.#fd, bytes, at, length, position + at, done),
      );
      at += this.#checkWritten(written, position + at);
    }
  }

  writeSync(bytes: Uint8Array, position: number): void {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, CALL_BYTES_MAX);
      let written: number;
      try {
        written = fs.writeSync(this.#fd, bytes, at, length, position + at);
      } catch (error) {
        throw toPlatformError(error, `write ${this.#path} at ${position + at}`);
      }
      at += this.#checkWritten(written, position + at);
    }
  }

  sync(): Promise<void> {
    return call(`sync ${this.#path}`, (done) => fs.fdatasync(this.#fd, done as fs.NoParamCallback));
  }

  truncate(bytes: number): Promise<void> {
    return call(
      `truncate ${this.#path} to ${bytes} bytes`,
      (done) => fs.ftruncate(this.#fd, bytes, done as fs.NoParamCallback),
    );
  }

  async size(): Promise<number> {
    const stats = await call<fs.Stats>(
      `read the size of ${this.#path}`,
      (done) => fs.fstat(this.#fd, done),
    );
    return stats.size;
  }

  close(): Promise<void> {
    return call(`close ${this.#path}`, (done) => fs.close(this.#fd, done as fs.NoParamCallback));
  }

  /** A write of nothing would make the loop endless. */
  #checkWritten(written: number, position: number): number {
    if (written > 0) return written;
    throw new PlatformError("EIO", `Cannot write ${this.#path} at ${position}: 0 bytes written`);
  }
}

export type LockFunction = (path: string) => Promise<{ close(): Promise<void> }>;

/** The disk of both adapters, with a runtime's way to lock a file. */
export function makeDisk(lock: LockFunction): Disk {
  return {
    async open(path, mode) {
      const fd = await openFd(path, OPEN_FLAGS[mode]);
      return new NodeDiskFile(path, fd);
    },
    makeDirectory,
    list,
    stat,
    rename: (from, to) =>
      call(
        `rename ${from} to ${to}`,
        (done) => fs.rename(from, to, done as fs.NoParamCallback),
      ),
    remove,
    syncDirectory,
    lock,
    readFile: (path) => call<Uint8Array>(`read ${path}`, (done) => fs.readFile(path, done)),
  };
}

function openFd(path: string, flags: number): Promise<number> {
  return call<number>(`open ${path}`, (done) => fs.open(path, flags, FILE_MODE, done));
}

async function makeDirectory(path: string): Promise<void> {
  const first = await call<string | undefined>(
    `make directory ${path}`,
    (done) => fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE }, done),
  );
  if (first === undefined) return;
  const top = dirname(resolve(first));
  let made = resolve(path);
  while (made !== top && made !== dirname(made)) {
    made = dirname(made);
    await syncDirectory(made);
  }
}

async function remove(path: string): Promise<void> {
  const entry = await stat(path);
  const run = entry?.kind === "directory" ? fs.rmdir : fs.unlink;
  await call(`remove ${path}`, (done) => run(path, done as fs.NoParamCallback));
}

async function list(path: string): Promise<DirectoryEntry[]> {
  const names = await call<string[]>(`list ${path}`, (done) => fs.readdir(path, done));
  const entries: DirectoryEntry[] = [];
  for (const name of names.sort()) {
    const entry = await stat(`${path}/${name}`);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

async function stat(path: string): Promise<DirectoryEntry | undefined> {
  try {
    const stats = await call<fs.Stats>(`stat ${path}`, (done) => fs.lstat(path, done));
    const name = path.slice(path.lastIndexOf("/") + 1);
    return { name, kind: kindOf(stats), bytes: stats.size };
  } catch (error) {
    if (error instanceof PlatformError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function kindOf(stats: fs.Stats): DirectoryEntry["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "link" : "other";
}

async function syncDirectory(path: string): Promise<void> {
  const fd = await openFd(path, O_RDONLY | O_DIRECTORY);
  try {
    await call(`sync directory ${path}`, (done) => fs.fsync(fd, done as fs.NoParamCallback));
  } finally {
    await call(`close ${path}`, (done) => fs.close(fd, done as fs.NoParamCallback));
  }
}
