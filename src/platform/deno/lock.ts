/** `flock` through `Deno.FsFile`. */

import { toPlatformError } from "../errors.ts";
import { PlatformError } from "../ports.ts";

/** The port's `Disk.lock`. */
export async function lockFile(path: string): Promise<{ close(): Promise<void> }> {
  let file: Deno.FsFile;
  let locked = false;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw toPlatformError(error, `open lock ${path}`);
  }
  try {
    locked = await file.tryLock(true);
  } catch (error) {
    throw toPlatformError(error, `lock ${path}`);
  } finally {
    if (!locked) file.close();
  }
  if (!locked) throw new PlatformError("ELOCKED", `Cannot lock ${path}: it is held already`);
  return {
    close() {
      file.close();
      return Promise.resolve();
    },
  };
}
