/** How many files and connections this process may have open. */

import { readdirSync, readFileSync } from "node:fs";

/** Kept free for the log, the peers and the admin endpoint, as Redis does. */
const DESCRIPTORS_RESERVED = 32;

/**
 * Connections that fit beside them and beside what is open now, which at the start is the runtime's
 * own; at least 1, Infinity where the system does not tell.
 */
export function connectionsMax(): number {
  return Math.max(1, descriptorsMax() - descriptorsOpen() - DESCRIPTORS_RESERVED);
}

function descriptorsOpen(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

/** The soft limit of the process. */
function descriptorsMax(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return match === null ? Infinity : Number(match[1]);
  } catch {
    return Infinity;
  }
}
