/** Builds `write_shim.c` and cuts the power: undoes on disk what no sync has made safe. */

import type { Prng } from "../../src/base/mod.ts";
import { buildShim } from "./build_shim.ts";
import type { TestNode } from "./cluster.ts";

interface Change {
  readonly path: string;
  /** Where its record begins in the journal. */
  readonly at: number;
  readonly offset: number;
  readonly sizeBefore: number;
  readonly before: Uint8Array;
}

/** What a power cut did. */
export interface PowerCut {
  /** Changes that no sync covered. */
  readonly unsynced: number;
  /** Those of them that were undone; the rest had reached the disk by chance. */
  readonly undone: number;
}

export class WriteShim {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async build(): Promise<WriteShim> {
    return new WriteShim(await buildShim("write_shim.c"));
  }

  #journal(node: TestNode): string {
    return `${this.#directory}/journal-${node.id}`;
  }

  /** For `ClusterOptions.env`: begins a new journal. Temporary files that need no path stay out. */
  environment(node: TestNode): Record<string, string> {
    try {
      Deno.removeSync(this.#journal(node));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return {
      LD_PRELOAD: `${this.#directory}/shim.so`,
      WRITE_SHIM_PATH: `${node.dataDir}/`,
      WRITE_SHIM_JOURNAL: this.#journal(node),
    };
  }

  /**
   * For a killed node: undoes, newest first, each change that no sync covers, and all that come after
   * it in the same file; with `keepProbability` a change had reached the disk before the cut.
   */
  async cutPower(node: TestNode, random: Prng, keepProbability: number): Promise<PowerCut> {
    const changes = unsyncedChanges(await Deno.readFile(this.#journal(node)));
    let undone = 0;
    for (const change of changes.toReversed()) {
      if (random.chance(keepProbability)) continue;
      await undo(change);
      undone++;
    }
    return { unsynced: changes.length, undone };
  }

  async remove(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}

function unsyncedChanges(journal: Uint8Array): Change[] {
  const view = new DataView(journal.buffer, journal.byteOffset, journal.length);
  const text = new TextDecoder();
  const changes: Change[] = [];
  const safeUpTo = new Map<string, number>();
  for (let at = 0; at + 11 <= journal.length;) {
    const kind = String.fromCharCode(journal[at]);
    const pathBytes = view.getUint16(at + 1, true);
    const first = Number(view.getBigUint64(at + 3, true));
    const head = kind === "W" ? 23 : 11;
    // The kill may have cut the last record; its change did not happen then.
    if (at + head + pathBytes > journal.length) break;
    const path = text.decode(journal.subarray(at + head, at + head + pathBytes));
    if (kind === "S") {
      safeUpTo.set(path, Math.max(safeUpTo.get(path) ?? 0, first));
      at += head + pathBytes;
      continue;
    }
    if (kind !== "W") throw new Error(`Cannot read the journal at ${at}: found ${journal[at]}`);
    const from = at + head + pathBytes;
    const saved = view.getUint32(at + 19, true);
    if (from + saved > journal.length) break;
    const before = journal.slice(from, from + saved);
    const sizeBefore = Number(view.getBigUint64(at + 11, true));
    changes.push({ path, at, offset: first, sizeBefore, before });
    at = from + saved;
  }
  return changes.filter(({ path, at }) => at >= (safeUpTo.get(path) ?? 0));
}

async function undo({ path, offset, sizeBefore, before }: Change): Promise<void> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch (error) {
    // Removed or renamed since: names are not part of the cut.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  try {
    await file.seek(offset, Deno.SeekMode.Start);
    for (let at = 0; at < before.length;) at += await file.write(before.subarray(at));
    await file.truncate(sizeBefore);
  } finally {
    file.close();
  }
}
