/**
 * `flock` where `node:fs` has none: Bun calls the C library, Deno its own file. The kernel's lock is
 * one, so a node on either runtime excludes the other. Plain Node has no way and says so.
 */

import * as fs from "node:fs";
import process from "node:process";
import { lockFile as lockFileOnDeno } from "../deno/lock.ts";
import { toPlatformError } from "../errors.ts";
import { PlatformError } from "../ports.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** Linux numbers of the failures that are not "somebody holds it". */
const OTHER_FAILURES: ReadonlyMap<number, string> = new Map([
  [5, "EIO"],
  [9, "EBADF"],
  [22, "EINVAL"],
  [37, "ENOLCK"],
  [38, "ENOSYS"],
  [95, "EOPNOTSUPP"],
]);

/** The part of `bun:ffi` that is used; it cannot be imported, for the bundle runs on Deno too. */
interface BunFfi {
  dlopen(library: string, symbols: Record<string, { args: string[]; returns: string }>): {
    readonly symbols: Record<string, (...args: number[]) => number>;
  };
  readonly read: { i32(pointer: number, offset: number): number };
}

/** The port's `Disk.lock`. */
export function lockFile(path: string): Promise<{ close(): Promise<void> }> {
  return "Deno" in globalThis ? lockFileOnDeno(path) : lockFileByCall(path);
}

// deno-lint-ignore require-await -- errors must reject
async function lockFileByCall(path: string): Promise<{ close(): Promise<void> }> {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  } catch (error) {
    throw toPlatformError(error, `open lock ${path}`);
  }
  try {
    takeLock(fd, path);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return {
    close() {
      fs.closeSync(fd);
      return Promise.resolve();
    },
  };
}

function takeLock(fd: number, path: string): void {
  const ffi = process.getBuiltinModule?.("bun:ffi") as unknown as BunFfi | undefined;
  if (ffi === undefined) {
    throw new PlatformError(
      "ENOSYS",
      `Cannot lock ${path}: this runtime has no flock; run on Deno`,
    );
  }
  const { symbols } = ffi.dlopen(libraryPath(), {
    flock: { args: ["i32", "i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });
  if (symbols.flock(fd, LOCK_EX | LOCK_NB) === 0) return;
  const errno = ffi.read.i32(symbols.__errno_location(), 0);
  const other = OTHER_FAILURES.get(errno);
  if (other !== undefined) throw new PlatformError(other, `Cannot lock ${path}: ${other}`);
  throw new PlatformError("ELOCKED", `Cannot lock ${path}: it is held already`);
}

/** The C library that this process has loaded, glibc or musl, by its whole path. */
function libraryPath(): string {
  const maps = fs.readFileSync("/proc/self/maps", "latin1");
  const found = /\/\S*\/(libc\.so\.6|libc-2\.\d+\.so|ld-musl-\S+|libc\.musl-\S+)$/m.exec(maps);
  if (found === null) {
    throw new PlatformError("ENOSYS", "Cannot lock files: no C library in /proc/self/maps");
  }
  return found[0];
}
