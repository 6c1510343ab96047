/**
 * Judges what is on disk, by the tables of recovery_table.ts, and plans what to do. Reading and
 * judging come first and modify nothing; `RaftStorage.open` carries out the plan.
 */

import { LogIndex } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import { ENTRY_ID_ZERO, type EntryId, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import { LOG_DIRECTORY_NAME } from "./data_directory.ts";
import { CorruptionError, REJOIN_ADVICE, StorageError } from "./errors.ts";
import { decidePlace, decideSegment, decideState } from "./recovery_table.ts";
import { Segment } from "./segment.ts";
import {
  decodeSegmentHeader,
  markSeedOf,
  SEGMENT_HEADER_BYTES,
  segmentFirstOf,
  segmentName,
} from "./segment_format.ts";
import { scanSegment, type SegmentScan } from "./segment_scanner.ts";
import { newestState, readStateCopies, type StateCopy } from "./state_files.ts";
import type { StoredState } from "./state_format.ts";
import { TermRuns } from "./term_runs.ts";

export interface RecoveryOptions {
  readonly disk: Disk;
  /** The data directory. */
  readonly path: string;
  readonly clusterId: string;
  /** The identity file says that term, vote and log had been made. */
  readonly storageCreated: boolean;
}

/** A configuration in the log. */
export interface FoundConfiguration {
  readonly index: LogIndex;
  readonly payload: Uint8Array;
}

export interface RecoveredLog {
  /** Undefined on a first start. */
  readonly state: StoredState | undefined;
  readonly copies: readonly StateCopy[];
  /** Opened. */
  readonly segments: readonly Segment[];
  readonly terms: TermRuns;
  /** Files of segments that a crash left half made or half removed. */
  readonly remove: readonly string[];
  /** The last entry; of a log without any, the one before; zeros without segments. */
  readonly last: EntryId;
  /** Entries that hold configurations, rising. */
  readonly configurations: readonly FoundConfiguration[];
  /** Bytes of an unfinished write behind the last entry. */
  readonly trimmedBytes: number;
  readonly warnings: readonly string[];
}

/** First indices of the segment files, in order; anything else in the directory is left alone. */
export async function listSegments(disk: Disk, path: string): Promise<LogIndex[]> {
  const log = `${path}/${LOG_DIRECTORY_NAME}`;
  if (await disk.stat(log) === undefined) return [];
  const firsts: LogIndex[] = [];
  for (const { name } of await disk.list(log)) {
    const first = segmentFirstOf(name);
    if (first !== undefined) firsts.push(first);
  }
  return firsts.sort((a, b) => a - b);
}

export function segmentPath(path: string, first: LogIndex): string {
  return `${path}/${LOG_DIRECTORY_NAME}/${segmentName(first)}`;
}

/** Throws `CorruptionError`, or `StorageError` "stateLost" or "newerFormat"; then all is closed. */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { disk, path } = options;
  const copies = await readStateCopies(disk, path);
  const firsts = await listSegments(disk, path);
  const state = judgeState(options, copies, firsts.length > 0);
  const recovery = new Recovery(options, state, copies);
  const kept = state?.firstSegment ?? 1;
  // Without a last segment no entry was ever promised; before the first one all were given up.
  while (firsts.length > 0 && (firsts[0] < kept || state?.lastSegment === 0)) {
    recovery.remove.push(segmentPath(path, firsts.shift()!));
  }
  if (state !== undefined) checkSegmentNames(path, state, firsts);
  try {
    const newest = firsts.at(-1);
    if (newest !== undefined && await recovery.isHalfMade(newest)) firsts.pop();
    for (const first of firsts) await recovery.openSegment(first, first === firsts.at(-1));
  } catch (error) {
    await recovery.close();
    throw error;
  }
  return recovery;
}

function judgeState(
  options: RecoveryOptions,
  copies: readonly StateCopy[],
  hasSegments: boolean,
): StoredState | undefined {
  const [a, b] = copies;
  const decision = decideState({
    a: a.found,
    b: b.found,
    segments: hasSegments ? "some" : "none",
    created: options.storageCreated,
  });
  if (decision === "create") return undefined;
  if (decision === "use") return newestState(copies);
  const texts = copies.map((copy) => `${copy.path} is ${copy.found} (${copy.reason})`);
  throw new StorageError(
    "stateLost",
    `Cannot read term and vote: ${texts.join(" and ")}, expected at least one good copy. A node ` +
      `that forgot its vote could elect two leaders. ${REJOIN_ADVICE}`,
  );
}

/** The segments that the state names must be there, the first and the last one. */
function checkSegmentNames(path: string, state: StoredState, firsts: readonly LogIndex[]): void {
  if (state.lastSegment === 0) return;
  if (firsts[0] !== state.firstSegment) {
    throw new CorruptionError(segmentPath(path, state.firstSegment), 0, "the file is missing");
  }
  if (firsts.at(-1)! < state.lastSegment) {
    throw new CorruptionError(segmentPath(path, state.lastSegment), 0, "the file is missing");
  }
}

/** Goes through the segments in order; each must follow the one before. */
class Recovery implements RecoveredLog {
  readonly state: StoredState | undefined;
  readonly copies: readonly StateCopy[];
  readonly segments: Segment[] = [];
  readonly terms = new TermRuns();
  readonly warnings: string[] = [];
  readonly remove: string[] = [];
  readonly configurations: FoundConfiguration[] = [];
  trimmedBytes = 0;
  readonly #options: RecoveryOptions;
  #last: EntryId = ENTRY_ID_ZERO;

  constructor(
    options: RecoveryOptions,
    state: StoredState | undefined,
    copies: readonly StateCopy[],
  ) {
    this.#options = options;
    this.state = state;
    this.copies = copies;
    if (state === undefined) return;
    for (const copy of copies) {
      if (copy.found === "good") continue;
      this.warnings.push(
        `${copy.path} is ${copy.found} (${copy.reason}); term and vote were read from its copy, ` +
          "and it is written again",
      );
    }
  }

  get last(): EntryId {
    return this.#last;
  }

  async close(): Promise<void> {
    for (const segment of this.segments) await segment.file.close();
  }

  /** Whether a crash left the newest segment without a header; notes it for removal. */
  async isHalfMade(first: LogIndex): Promise<boolean> {
    const path = segmentPath(this.#options.path, first);
    const file = await this.#options.disk.open(path, "readOnly");
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const headerBytes = await file.read(block, 0);
      if (decodeSegmentHeader(block.subarray(0, headerBytes)).kind !== "bad") return false;
    } finally {
      await file.close();
    }
    const facts = { segment: "last", recorded: this.#isRecorded(first), header: "bad" } as const;
    if (decideSegment(facts) !== "remove") return false;
    this.remove.push(path);
    return true;
  }

  async openSegment(first: LogIndex, isLast: boolean): Promise<void> {
    const path = segmentPath(this.#options.path, first);
    const file = await this.#options.disk.open(path, "existing");
    let segment: Segment | undefined;
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const headerBytes = await file.read(block, 0);
      this.#judgeHeader(path, first, block.subarray(0, headerBytes), isLast);
      const markSeed = markSeedOf(block);
      segment = new Segment({ path, file, first, previous: this.#last, markSeed });
      this.segments.push(segment);
    } finally {
      if (segment === undefined) await file.close();
    }
    await this.#scan(segment, isLast);
  }

  #judgeHeader(
    path: string,
    first: LogIndex,
    block: Uint8Array,
    isLast: boolean,
  ): void {
    const result = decodeSegmentHeader(block);
    if (result.kind === "newer") {
      throw new StorageError(
        "newerFormat",
        `Cannot use ${path}: ${result.reason}. Start the release of Logboat that wrote it`,
      );
    }
    let reason = result.kind === "bad" ? `the segment header is bad: ${result.reason}` : undefined;
    if (result.kind === "ok") {
      const { clusterId, previous } = result.value;
      // What came before the first segment was compacted: its header alone remembers.
      if (this.segments.length === 0 && first > 1) this.#last = previous;
      const last = this.#last;
      if (result.value.first !== first) {
        reason = `the header names entry ${result.value.first}, the file name entry ${first}`;
      } else if (clusterId !== this.#options.clusterId) {
        reason = `it belongs to cluster ${clusterId}, expected ${this.#options.clusterId}`;
      } else if (first !== last.index + 1) {
        reason = `it begins with entry ${first}, expected entry ${last.index + 1}`;
      } else if (previous.index !== last.index || previous.term !== last.term) {
        reason = `it follows entry ${previous.index} of term ${previous.term}, ` +
          `expected entry ${last.index} of term ${last.term}`;
      }
    }
    const decision = decideSegment({
      segment: isLast ? "last" : "earlier",
      recorded: this.#isRecorded(first),
      header: result.kind === "bad" ? "bad" : reason === undefined ? "good" : "mismatch",
    });
    if (decision !== "keep") throw new CorruptionError(path, 0, reason ?? decision);
  }

  #isRecorded(first: LogIndex): boolean {
    return first <= (this.state?.lastSegment ?? 0);
  }

  async #scan(segment: Segment, isLast: boolean): Promise<void> {
    const scan = await scanSegment({
      file: segment.file,
      from: SEGMENT_HEADER_BYTES,
      previous: this.#last,
      markSeed: segment.markSeed,
      onRecord: (header, offset, record) => {
        segment.note(header.index, offset);
        this.terms.append(header.index, header.term);
        if (header.kind !== "configuration") return;
        const payload = record.slice(RECORD_HEADER_BYTES);
        this.configurations.push({ index: header.index, payload });
      },
    });
    segment.end = scan.end;
    segment.recordsEnd = scan.recordsEnd;
    segment.allocated = scan.fileBytes;
    segment.synced = isLast ? Math.max(scan.durableBytes, SEGMENT_HEADER_BYTES) : scan.end;
    segment.marked = scan.durableBytes;
    this.#judgePlace(segment, scan, isLast);
    this.#last = scan.last ?? this.#last;
  }

  #judgePlace(segment: Segment, scan: SegmentScan, isLast: boolean): void {
    if (scan.bad === undefined) return;
    const decision = decidePlace({
      segment: isLast ? "last" : "earlier",
      durable: scan.end < scan.durableBytes,
      found: scan.bad.found,
    });
    if (decision === "corrupt") {
      throw new CorruptionError(segment.path, scan.end, scan.bad.reason);
    }
    if (decision === "free") return;
    this.trimmedBytes = scan.bad.bytes;
    this.warnings.push(
      `${segment.path} ends with ${scan.bad.bytes} bytes of an unfinished write at byte ` +
        `${scan.end} (${scan.bad.reason}); they are cut off, the log ends with entry ` +
        `${segment.last}`,
    );
  }
}
