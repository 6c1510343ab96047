/** What ends a subcommand: an exit code and lines for people. Bugs are not failures. */

import { PlatformError } from "../platform/mod.ts";
import { StorageError, type StorageErrorKind } from "../storage/mod.ts";
import type { ExitName } from "./exit_codes.ts";

/** The environment or the operator's words do not allow to go on. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly exit: ExitName;
  /** One sentence each: what was found, what was expected, what to do. */
  readonly lines: readonly string[];

  constructor(exit: ExitName, lines: readonly string[]) {
    super(lines.join("\n"));
    this.exit = exit;
    this.lines = lines;
  }
}

const STORAGE_EXITS: Readonly<Record<StorageErrorKind, ExitName>> = {
  locked: "locked",
  wrongNode: "wrongIdentity",
  wrongCluster: "wrongIdentity",
  newerFormat: "outdated",
  damaged: "damagedData",
  notWritable: "unusableData",
  unsafePath: "unusableData",
  notFound: "unusableData",
  notEmpty: "unusableData",
  stateLost: "damagedData",
  corrupt: "damagedData",
  full: "unusableData",
  failed: "diskFailed",
  closed: "bug",
};

/** The failure that an error stands for; undefined for a bug. */
export function failureOf(error: unknown): CliFailure | undefined {
  if (error instanceof CliFailure) return error;
  if (error instanceof StorageError) {
    return new CliFailure(STORAGE_EXITS[error.kind], [error.message]);
  }
  if (error instanceof PlatformError) return new CliFailure("unusableData", [error.message]);
  return undefined;
}
