/** Files on Bun: the shared `node:fs` disk, with the C library's `flock`. */

import { makeDisk } from "../file_disk.ts";
import type { Disk } from "../ports.ts";
import { lockFile } from "./lock.ts";

export const nodeDisk: Disk = makeDisk(lockFile);
