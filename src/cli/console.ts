/** Lines to the operator's terminal, outside the logger. */

import type { Process } from "../platform/mod.ts";

const encoder = new TextEncoder();

/** Resolves when the lines have left. */
export function printOut(process: Process, text: string): Promise<void> {
  return process.writeStdout(encoder.encode(text.endsWith("\n") ? text : `${text}\n`));
}

/** Resolves when the lines have left. */
export function printError(process: Process, text: string): Promise<void> {
  return process.writeStderr(encoder.encode(text.endsWith("\n") ? text : `${text}\n`));
}
