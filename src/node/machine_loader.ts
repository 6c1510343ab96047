/** Makes a machine from the chunks of a snapshot, a little at a time between other work. */

import { RdbError, SnapshotLoader } from "../machine/mod.ts";
import type { Clock } from "../platform/mod.ts";
import { decodeConfiguration, type EntryId } from "../raft/mod.ts";
import { LogIndex, NEWER_RELEASE_ADVICE, NewerFormatError, Term } from "../base/mod.ts";
import type { ReplicaState } from "./replica.ts";

/** Bytes between two looks at the clock. */
const PIECE_BYTES = 1 << 14;
/** Others have their turn after this time: clients and the leader of a node that serves. */
export const SERVING_SLICE_MS = 8;
/** Of a node that serves nobody yet, and only has signals to hear. */
export const STARTING_SLICE_MS = 50;

/**
 * Reads `chunks` to their end. Throws `RdbError` when they are no whole snapshot,
 * `NewerFormatError` when they are one of a later release, and what reading the chunks throws.
 */
export async function loadMachine(
  chunks: AsyncIterable<Uint8Array>,
  clock: Clock,
  sliceMs: number,
): Promise<ReplicaState> {
  try {
    return await load(chunks, clock, sliceMs);
  } catch (error) {
    if (!(error instanceof RdbError) || error.problem !== "newerVersion") throw error;
    const what = `the snapshot is of a later release (${error.message})`;
    throw new NewerFormatError(`${what}; ${NEWER_RELEASE_ADVICE}`);
  }
}

async function load(
  chunks: AsyncIterable<Uint8Array>,
  clock: Clock,
  sliceMs: number,
): Promise<ReplicaState> {
  const loader = new SnapshotLoader();
  let endMs = clock.nowMs() + sliceMs;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      loader.push(chunk.subarray(at, at + PIECE_BYTES));
      if (clock.nowMs() < endMs) continue;
      await new Promise<void>((resolve) => clock.afterInput(resolve));
      endMs = clock.nowMs() + sliceMs;
    }
  }
  const { machine, header } = loader.finish();
  const last: EntryId = { term: Term(header.last.term), index: LogIndex(header.last.index) };
  return { machine, last, configuration: decodeConfiguration(header.configuration) };
}
