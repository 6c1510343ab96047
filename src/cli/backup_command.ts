/**
 * `logboat backup FILE`: the keys of a running cluster as an RDB file. It is written beside its place,
 * synced, read back with its checksum, and only then gets its name: a file of that name is whole.
 */

import { RdbError, RdbFileReader, type RdbVisitor } from "../keyspace/mod.ts";
import { type DiskFile, type Platform, PlatformError } from "../platform/mod.ts";
import { AdminClient, adminFlags } from "./admin_client.ts";
import { printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { readRdbFile } from "./rdb_source.ts";
import type { Subcommand } from "./subcommand.ts";

/** The node begins to send when its snapshot is whole, which takes as long as it takes. */
const SILENCE_MS_MAX = 600_000;

export const backupCommand: Subcommand = {
  name: "backup",
  usage: "backup FILE [--admin URL] [--token TOKEN] [flags]",
  summary: "Writes all keys of a running cluster to a file that Redis and restore load.",
  details:
    "Every write that was acknowledged before is in it. Any node can be asked; without --admin\n" +
    "it is the node of the same settings on this machine. A file that is there is replaced when\n" +
    "the new one is whole.",
  takesSettings: true,
  run: runBackup,
};

async function runBackup(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = adminFlags(args);
  const [path, ...others] = flags.words;
  if (flags.problems.length === 0 && (path === undefined || others.length > 0)) {
    throw new CliFailure("usage", [
      `Cannot run backup: found "${flags.words.join(" ")}", expected one file to write`,
    ]);
  }
  const client = await AdminClient.of(platform, flags);
  const temporary = `${path}.part`;
  const lock = await lockFile(platform, temporary);
  try {
    const chunks = await client.stream("/api/v1/backup", SILENCE_MS_MAX);
    const bytes = await receive(await create(platform, temporary), chunks, path);
    const { keys, index } = await check(platform, temporary, path);
    await publish(platform, temporary, path);
    await printOut(
      platform.process,
      `backed up ${keys} keys up to entry ${index} to ${path}, ${bytes} bytes`,
    );
    return "ok";
  } catch (error) {
    await discard(platform, temporary);
    throw error;
  } finally {
    await lock.close();
  }
}

/** Makes the file and keeps a second backup away from it; the system ends the lock with the process. */
async function lockFile({ disk }: Platform, path: string): Promise<{ close(): Promise<void> }> {
  try {
    return await disk.lock(path);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const why = error.code === "ELOCKED" ? "another backup is writing it" : error.message;
    throw new CliFailure("unusableData", [`Cannot write ${path}: ${why}`]);
  }
}

async function create({ disk }: Platform, path: string): Promise<DiskFile> {
  try {
    const file = await disk.open(path, "create");
    await file.truncate(0);
    return file;
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new CliFailure("unusableData", [`Cannot write ${path}: ${error.message}`]);
  }
}

/** Everything is on the disk, and the file closed, when it resolves; closed in any case. */
async function receive(
  file: DiskFile,
  chunks: AsyncIterable<Uint8Array>,
  path: string,
): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      await file.write(chunk, bytes);
      bytes += chunk.length;
    }
    await file.sync();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw incomplete(path, `${error.message}, after ${bytes} bytes`);
  } finally {
    await file.close();
  }
  return bytes;
}

/** Reads back what was written. */
async function check(
  platform: Platform,
  temporary: string,
  path: string,
): Promise<{ keys: number; index: string }> {
  let keys = 0;
  let index = "";
  const visitor: RdbVisitor = {
    aux(name, value) {
      if (name === "logboat-index") index = value;
    },
    entry: () => keys++,
    skippedKey: () => keys++,
    skippedOther() {},
  };
  try {
    await readRdbFile(platform, temporary, new RdbFileReader(visitor));
  } catch (error) {
    if (!(error instanceof RdbError) && !(error instanceof PlatformError)) throw error;
    throw incomplete(path, `what was written does not read back: ${error.message}`);
  }
  if (index === "") throw incomplete(path, "what arrived is no backup of Logboat");
  return { keys, index };
}

async function publish({ disk }: Platform, temporary: string, path: string): Promise<void> {
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
  try {
    await disk.rename(temporary, path);
    await disk.syncDirectory(directory);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw incomplete(path, error.message);
  }
}

function incomplete(path: string, reason: string): CliFailure {
  return new CliFailure("backupIncomplete", [`Cannot back up to ${path}: ${reason}`]);
}

async function discard({ disk }: Platform, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
  }
}
