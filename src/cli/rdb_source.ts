/** RDB files on this machine's disk. */

import { RdbError, type RdbFileReader } from "../keyspace/mod.ts";
import { type Platform, PlatformError } from "../platform/mod.ts";
import { CliFailure } from "./failure.ts";

const READ_BYTES = 256 * 1024;

/**
 * Gives all of the file to `reader` and finishes it; `afterChunk` is waited for before more is read.
 * Throws `PlatformError`, or `RdbError` for a file that is not whole.
 */
export async function readRdbFile(
  { disk }: Platform,
  path: string,
  reader: RdbFileReader,
  afterChunk: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const file = await disk.open(path, "readOnly");
  try {
    const chunk = new Uint8Array(READ_BYTES);
    for (let position = 0;;) {
      const bytes = await file.read(chunk, position);
      if (bytes === 0) break;
      reader.push(chunk.subarray(0, bytes));
      position += bytes;
      await afterChunk();
    }
    reader.finish();
  } finally {
    await file.close();
  }
}

/** What a subcommand fails with that could not read a file; other errors as they are. */
export function readFailure(action: string, error: unknown): unknown {
  if (error instanceof RdbError) {
    return new CliFailure("damagedData", [`Cannot ${action}: ${error.message}`]);
  }
  if (error instanceof PlatformError) {
    return new CliFailure("unusableData", [`Cannot ${action}: ${error.message}`]);
  }
  return error;
}
