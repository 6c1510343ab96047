/** The configuration that a node was given at its first start, for the time before any snapshot. */

import { putU32 } from "../base/mod.ts";
import { type Disk, PlatformError } from "../platform/mod.ts";
import { writeAside } from "./aside.ts";
import { BLOCK_FRAME_BYTES, magicOf, openBlock, sealBlock } from "./checked_block.ts";
import { REJOIN_ADVICE, StorageError } from "./errors.ts";

export const BOOTSTRAP_NAME = "bootstrap";
const MAGIC = magicOf("LBBC");
const VERSION = 1;

/** Layout: frame, configuration bytes (4), configuration. */
export async function writeBootstrap(
  disk: Disk,
  path: string,
  configuration: Uint8Array,
): Promise<void> {
  const block = new Uint8Array(BLOCK_FRAME_BYTES + 4 + configuration.length);
  putU32(block, BLOCK_FRAME_BYTES, configuration.length);
  block.set(configuration, BLOCK_FRAME_BYTES + 4);
  sealBlock(block, MAGIC, VERSION);
  await writeAside(disk, path, BOOTSTRAP_NAME, block);
}

/** Undefined when none was saved. Throws "newerFormat" or "damaged". */
export async function readBootstrap(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  const file = `${path}/${BOOTSTRAP_NAME}`;
  let block: Uint8Array;
  try {
    block = await disk.readFile(file);
  } catch (error) {
    if (error instanceof PlatformError && error.code === "ENOENT") return undefined;
    throw error;
  }
  const expected = { magic: MAGIC, version: VERSION, bytes: block.length };
  const result = openBlock(block, expected, (fields) => fields.bytes(fields.u32()).slice());
  if (result.kind === "ok") return result.value;
  if (result.kind === "newer") {
    throw new StorageError(
      "newerFormat",
      `Cannot use ${file}: ${result.reason}. Start the release of Logboat that wrote it`,
    );
  }
  throw new StorageError(
    "damaged",
    `Cannot read ${file}: it is damaged: ${result.reason}. ${REJOIN_ADVICE}`,
  );
}
