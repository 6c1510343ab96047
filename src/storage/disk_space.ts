/** Tells a full disk from a disk that fails. */

import { PlatformError } from "../platform/mod.ts";
import { StorageError } from "./errors.ts";

const NO_SPACE: readonly string[] = ["ENOSPC", "EDQUOT"];

/** The error as "full" when there was no space for the data. */
export function fullError(error: unknown): StorageError | undefined {
  if (!(error instanceof PlatformError) || !NO_SPACE.includes(error.code)) return undefined;
  return new StorageError("full", `${error.message}. Free some space; nothing was lost`, error);
}
