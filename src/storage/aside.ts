/** Replaces a small file in one step: a crash leaves the old one or the new one. */

import type { Disk } from "../platform/mod.ts";
import { fullError } from "./disk_space.ts";

/** Written as `NAME.new`, synced, renamed, directory synced. Throws "full"; then nothing changed. */
export async function writeAside(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  await prepareAside(disk, directory, name, bytes);
  await renameAside(disk, directory, name);
}

/** Gives the prepared file its name; needs no room. */
export async function renameAside(disk: Disk, directory: string, name: string): Promise<void> {
  await disk.rename(`${directory}/${name}.new`, `${directory}/${name}`);
  await disk.syncDirectory(directory);
}

/** The first half: `NAME.new` is there and synced. Throws "full"; then it is not. */
export async function prepareAside(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${directory}/${name}.new`;
  try {
    const file = await disk.open(temporary, "create");
    try {
      await file.truncate(0);
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const full = fullError(error);
    if (full === undefined) throw error;
    if (await disk.stat(temporary) !== undefined) await disk.remove(temporary);
    throw full;
  }
}
