/** Reads what can be read of a file on a disk with bad sectors. */

import { type DiskFile, PlatformError } from "../platform/mod.ts";

const SECTOR_BYTES = 512;

/**
 * Like `DiskFile.read`; what the disk cannot give back is zeros. Nothing good is mistaken for it:
 * every byte that is used has a checksum.
 */
export async function readReadable(
  file: DiskFile,
  into: Uint8Array,
  position: number,
): Promise<number> {
  try {
    return await file.read(into, position);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  }
  const length = Math.max(0, Math.min(into.length, await file.size() - position));
  for (let at = 0; at < length;) {
    const end = Math.min(length, at + SECTOR_BYTES - (position + at) % SECTOR_BYTES);
    const part = into.subarray(at, end);
    try {
      await file.read(part, position + at);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      part.fill(0);
    }
    at = end;
  }
  return length;
}

function isUnreadable(error: unknown): boolean {
  return error instanceof PlatformError && error.code === "EIO";
}
