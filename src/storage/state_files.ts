/**
 * Term and vote on disk: two copies in two files, written and synced one after the other, so that
 * at every moment at least one is whole (Protocol-Aware Recovery, FAST 2018: they cannot be
 * repaired from peers).
 */

import { PlatformError } from "../platform/mod.ts";
import type { Disk, DiskFile } from "../platform/mod.ts";
import { StorageError } from "./errors.ts";
import type { CopyFound } from "./recovery_table.ts";
import { decodeState, encodeState, STATE_BYTES, type StoredState } from "./state_format.ts";

export const STATE_NAMES = ["state-a", "state-b"] as const;
export type StateName = typeof STATE_NAMES[number];

export interface StateCopy {
  readonly name: StateName;
  readonly path: string;
  readonly found: CopyFound;
  /** Why it is bad. */
  readonly reason: string;
  readonly state: StoredState | undefined;
}

/** Reads both copies and judges each by itself. Modifies nothing. */
export async function readStateCopies(disk: Disk, directory: string): Promise<StateCopy[]> {
  const copies: StateCopy[] = [];
  for (const name of STATE_NAMES) copies.push(await readCopy(disk, directory, name));
  return copies;
}

async function readCopy(disk: Disk, directory: string, name: StateName): Promise<StateCopy> {
  const path = `${directory}/${name}`;
  let bytes: Uint8Array;
  try {
    bytes = await disk.readFile(path);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    if (error.code !== "ENOENT" && error.code !== "EIO") throw error;
    const found = error.code === "ENOENT" ? "missing" : "bad";
    return { name, path, found, reason: error.message, state: undefined };
  }
  const result = decodeState(bytes);
  if (result.kind === "newer") {
    throw new StorageError(
      "newerFormat",
      `Cannot use ${path}: ${result.reason}. Start the release of Logboat that wrote it`,
    );
  }
  if (result.kind === "bad") {
    return { name, path, found: "bad", reason: result.reason, state: undefined };
  }
  return { name, path, found: "good", reason: "", state: result.value };
}

/** The newest good copy; undefined when there is none. */
export function newestState(copies: readonly StateCopy[]): StoredState | undefined {
  let newest: StoredState | undefined;
  for (const { state } of copies) {
    if (state !== undefined && state.version > (newest?.version ?? -1)) newest = state;
  }
  return newest;
}

/** The open files. Callers write one state at a time. */
export class StateFiles {
  readonly #files: readonly DiskFile[];

  private constructor(files: readonly DiskFile[]) {
    this.#files = files;
  }

  static async open(disk: Disk, directory: string): Promise<StateFiles> {
    const files: DiskFile[] = [];
    for (const name of STATE_NAMES) files.push(await disk.open(`${directory}/${name}`, "create"));
    return new StateFiles(files);
  }

  /** Both copies hold `state` and are durable when it resolves. */
  async write(state: StoredState): Promise<void> {
    const bytes = encodeState(state);
    for (const file of this.#files) {
      await file.write(bytes, 0);
      await file.sync();
    }
  }

  /** Like `write`, for files that may have another length; the copy `first` is written first. */
  async rewrite(state: StoredState, first: StateName): Promise<void> {
    const bytes = encodeState(state);
    const order = first === STATE_NAMES[0] ? this.#files : [...this.#files].reverse();
    for (const file of order) {
      await file.write(bytes, 0);
      await file.truncate(STATE_BYTES);
      await file.sync();
    }
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }
}
