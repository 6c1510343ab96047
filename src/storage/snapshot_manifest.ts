/**
 * What a snapshot file must be: the last entry it covers, its length, a checksum for each chunk.
 * The same bytes are the manifest file and what a leader offers to a follower. Pure.
 */

import {
  assert,
  ByteReader,
  DecodeError,
  LogIndex,
  NEWER_RELEASE_ADVICE,
  NewerFormatError,
  putU32,
  putU64,
  Term,
} from "../base/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import {
  BLOCK_FRAME_BYTES,
  type BlockResult,
  magicOf,
  openBlock,
  sealBlock,
} from "./checked_block.ts";

const MAGIC = magicOf("LBSM");
const VERSION = 1;
const FIXED_BYTES = BLOCK_FRAME_BYTES + 32;

/** Large enough to be cheap on the disk, small enough to fit between other messages. */
export const SNAPSHOT_CHUNK_BYTES = 1 << 18;
/** A manifest may come from a peer: it must not make this node reserve what it likes. */
const CHUNK_BYTES_MAX = 1 << 24;

/** Describes one snapshot file completely. */
export interface SnapshotManifest {
  /** The last entry whose effect is in the snapshot. */
  readonly last: EntryId;
  /** The configuration in effect at `last`, encoded. */
  readonly configuration: Uint8Array;
  readonly bytes: number;
  /** Every chunk but the last one has this length. */
  readonly chunkBytes: number;
  /** CRC-32 of each chunk. */
  readonly checksums: readonly number[];
}

/**
 * Layout: frame, term (8), index (8), bytes (8), chunk bytes (4), configuration bytes (4),
 * configuration, then a checksum (4) for each chunk.
 */
export function encodeManifest(manifest: SnapshotManifest): Uint8Array<ArrayBuffer> {
  const { last, configuration, bytes, chunkBytes, checksums } = manifest;
  assert(
    checksums.length === Math.ceil(bytes / chunkBytes),
    `Cannot encode a manifest: found ${checksums.length} checksums for ${bytes} bytes`,
  );
  const block = new Uint8Array(FIXED_BYTES + configuration.length + 4 * checksums.length);
  putU64(block, 12, last.term);
  putU64(block, 20, last.index);
  putU64(block, 28, bytes);
  putU32(block, 36, chunkBytes);
  putU32(block, 40, configuration.length);
  block.set(configuration, FIXED_BYTES);
  const checksumsAt = FIXED_BYTES + configuration.length;
  checksums.forEach((checksum, at) => putU32(block, checksumsAt + 4 * at, checksum));
  sealBlock(block, MAGIC, VERSION);
  return block;
}

/** Throws `DecodeError` for anything that is not a whole manifest of this or an earlier release. */
export function decodeManifest(block: Uint8Array): SnapshotManifest {
  const result = openManifest(block);
  if (result.kind === "ok") return result.value;
  const text = `Cannot read the manifest of a snapshot: ${result.reason}`;
  if (result.kind === "bad") throw new DecodeError(text);
  throw new NewerFormatError(`${text}; ${NEWER_RELEASE_ADVICE}`);
}

/** Like `decodeManifest`, telling damage from a later release. */
export function openManifest(block: Uint8Array): BlockResult<SnapshotManifest> {
  try {
    return openBlock(block, { magic: MAGIC, version: VERSION, bytes: block.length }, readFields);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { kind: "bad", reason: error.message };
  }
}

function readFields(fields: ByteReader): SnapshotManifest {
  const last = { term: Term(fields.u64()), index: LogIndex(fields.u64()) };
  const bytes = fields.u64();
  const chunkBytes = fields.u32();
  const configuration = fields.bytes(fields.u32()).slice();
  if (last.index === 0 || last.term === 0 || bytes === 0 || chunkBytes === 0) {
    throw new DecodeError("Cannot read manifest: it describes an empty snapshot");
  }
  if (chunkBytes > CHUNK_BYTES_MAX) {
    throw new DecodeError(
      `Cannot read manifest: its chunks have ${chunkBytes} bytes, expected at most ${CHUNK_BYTES_MAX}`,
    );
  }
  const chunks = Math.ceil(bytes / chunkBytes);
  if (chunks * 4 !== fields.remaining) {
    throw new DecodeError(
      `Cannot read manifest: found ${fields.remaining} bytes of checksums, expected ${chunks * 4}`,
    );
  }
  const checksums = Array.from({ length: chunks }, () => fields.u32());
  return { last, configuration, bytes, chunkBytes, checksums };
}

/** The length of chunk `chunk`. */
export function chunkLength(manifest: SnapshotManifest, chunk: number): number {
  assert(
    chunk >= 0 && chunk < manifest.checksums.length,
    `Cannot use chunk ${chunk}: the snapshot has ${manifest.checksums.length}`,
  );
  return Math.min(manifest.chunkBytes, manifest.bytes - chunk * manifest.chunkBytes);
}

const NAME = /^(\d{20})-(\d+)$/;

/** A snapshot's file name without its ending: names sort as snapshots follow each other. */
export function snapshotName(last: EntryId): string {
  return `${String(last.index).padStart(20, "0")}-${last.term}`;
}

/** The entry in a snapshot's file name without its ending; undefined for any other name. */
export function snapshotIdOf(name: string): EntryId | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const index = Number(match[1]);
  const term = Number(match[2]);
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) return undefined;
  return { term: Term(term), index: LogIndex(index) };
}
