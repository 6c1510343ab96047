/** Files on Deno: the shared `node:fs` disk, with the lock of `Deno.FsFile`. */

import { makeDisk } from "../file_disk.ts";
import type { Disk } from "../ports.ts";
import { lockFile } from "./lock.ts";

export const denoDisk: Disk = makeDisk(lockFile);
