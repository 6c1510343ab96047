/**
 * Judges what is on disk, by the tables of recovery_table.ts, and plans what to do. Reading and
 * judging come first and modify nothing; `RaftStorage.open` carries out the plan.
 */

import { LogIndex } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import { ENTRY_ID_ZERO, type EntryId, RECORD_HEADER_BYTES } from "../raft/mod.ts";
import { LOG_DIRECTORY_NAME } from "./data_directory.ts";
import { CorruptionError, REJOIN_ADVICE, StorageError } from "./errors.ts";
import { type Bound, type FoundDamage, hiddenHole, type Hole, holeOf } from "./hole.ts";
import { readPersistRecord } from "./persistence_file.ts";
import type { PersistRecord } from "./persist_record_format.ts";
import { readReadable } from "./readable.ts";
import { decidePlace, decideSegment, decideState } from "./recovery_table.ts";
import { Segment } from "./segment.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  markSeedOf,
  SEGMENT_HEADER_BYTES,
  segmentFirstOf,
  segmentName,
} from "./segment_format.ts";
import { type BadPlace, scanSegment, type SegmentScan } from "./segment_scanner.ts";
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
  /** Entries that must come from another member. */
  readonly damage: readonly FoundDamage[];
  /** Segments whose header is bad, with what belongs there. */
  readonly headers: readonly { readonly segment: Segment; readonly header: Uint8Array }[];
  readonly persistRecord: PersistRecord;
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
  const recovery = new Recovery(options, {
    state,
    copies,
    persistRecord: await readPersistRecord(disk, path),
  });
  const kept = state?.firstSegment ?? 1;
  // Without a last segment no entry was ever promised; before the first one all were given up.
  while (firsts.length > 0 && (firsts[0] < kept || state?.lastSegment === 0)) {
    recovery.remove.push(segmentPath(path, firsts.shift()!));
  }
  if (state !== undefined) checkSegmentNames(path, state, firsts);
  try {
    const newest = firsts.at(-1);
    if (newest !== undefined && await recovery.isHalfMade(newest)) firsts.pop();
    for (const [at, first] of firsts.entries()) {
      await recovery.openSegment(first, firsts[at + 1]);
    }
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
  readonly damage: FoundDamage[] = [];
  readonly headers: { segment: Segment; header: Uint8Array }[] = [];
  readonly persistRecord: PersistRecord;
  trimmedBytes = 0;
  readonly #options: RecoveryOptions;
  #last: EntryId = ENTRY_ID_ZERO;

  constructor(
    options: RecoveryOptions,
    found: Pick<RecoveredLog, "state" | "copies" | "persistRecord">,
  ) {
    this.#options = options;
    this.state = found.state;
    this.copies = found.copies;
    this.persistRecord = found.persistRecord;
    if (found.state === undefined) return;
    for (const copy of found.copies) {
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
      const headerBytes = await readReadable(file, block, 0);
      if (decodeSegmentHeader(block.subarray(0, headerBytes)).kind !== "bad") return false;
    } finally {
      await file.close();
    }
    const recorded = this.#isRecorded(first);
    const facts = { segment: "last", recorded, header: "bad", known: false } as const;
    if (decideSegment(facts) !== "remove") return false;
    this.remove.push(path);
    return true;
  }

  /** `next` is the first entry of the segment behind it, undefined for the last one. */
  async openSegment(first: LogIndex, next: LogIndex | undefined): Promise<void> {
    const path = segmentPath(this.#options.path, first);
    const file = await this.#options.disk.open(path, "existing");
    let segment: Segment | undefined;
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const headerBytes = await readReadable(file, block, 0);
      const found = block.subarray(0, headerBytes);
      const header = this.#judgeHeader(path, first, found, next === undefined);
      const markSeed = markSeedOf(header ?? block);
      segment = new Segment({ path, file, first, previous: this.#last, markSeed });
      this.segments.push(segment);
      if (header !== undefined) this.headers.push({ segment, header });
    } finally {
      if (segment === undefined) await file.close();
    }
    await this.#scan(segment, next);
  }

  /** What belongs in the header, when it is bad and that is known. */
  #judgeHeader(
    path: string,
    first: LogIndex,
    block: Uint8Array,
    isLast: boolean,
  ): Uint8Array | undefined {
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
      known: first === 1 || (this.segments.length > 0 && first === this.#last.index + 1),
    });
    if (decision === "keep") return undefined;
    if (decision !== "rewrite") throw new CorruptionError(path, 0, reason ?? decision);
    this.warnings.push(`${path} is damaged at byte 0: ${reason}; it is written again`);
    const { clusterId } = this.#options;
    return encodeSegmentHeader({ clusterId, first, previous: this.#last });
  }

  #isRecorded(first: LogIndex): boolean {
    return first <= (this.state?.lastSegment ?? 0);
  }

  async #scan(segment: Segment, next: LogIndex | undefined): Promise<void> {
    const isLast = next === undefined;
    const end = isLast ? this.#durableEnd(segment) : await this.#endBefore(next);
    let durableBytes = isLast ? end?.offset ?? 0 : 0;
    let from: number | undefined = SEGMENT_HEADER_BYTES;
    while (from !== undefined) {
      const scan = await this.#scanFrom(segment, from);
      this.#last = scan.last ?? this.#last;
      durableBytes = Math.max(durableBytes, scan.durableBytes);
      segment.end = scan.end;
      segment.recordsEnd = scan.recordsEnd;
      segment.allocated = scan.fileBytes;
      segment.marked = Math.max(segment.marked, scan.durableBytes);
      from = this.#judgePlace(segment, { scan, isLast, durableBytes, end });
    }
    segment.allocated = Math.max(segment.allocated, segment.end);
    segment.synced = isLast ? Math.max(durableBytes, SEGMENT_HEADER_BYTES) : segment.end;
  }

  #scanFrom(segment: Segment, from: number): Promise<SegmentScan> {
    return scanSegment({
      file: segment.file,
      path: segment.path,
      from,
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
  }

  /** What the persist record says of the last segment. */
  #durableEnd(segment: Segment): Bound | undefined {
    const { segment: named, markSeed, durableBytes, last } = this.persistRecord;
    if (named !== segment.first || markSeed !== segment.markSeed) return undefined;
    return { offset: durableBytes, last };
  }

  /** What the header of the segment behind says of the end of this one. */
  async #endBefore(next: LogIndex): Promise<Bound | undefined> {
    const path = segmentPath(this.#options.path, next);
    const file = await this.#options.disk.open(path, "readOnly");
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const headerBytes = await readReadable(file, block, 0);
      const result = decodeSegmentHeader(block.subarray(0, headerBytes));
      if (result.kind !== "ok" || result.value.first !== next) return undefined;
      return { offset: undefined, last: result.value.previous };
    } finally {
      await file.close();
    }
  }

  /** Where to read on; undefined where the segment ends. */
  #judgePlace(segment: Segment, place: JudgedPlace): number | undefined {
    const { scan, isLast, durableBytes, end } = place;
    const { bad } = scan;
    if (bad === undefined) {
      const reaches = isLast
        ? scan.end >= durableBytes
        : this.#last.index >= (end?.last.index ?? 0);
      if (reaches) return undefined;
      const hole = hiddenHole(scan.end, this.#last, end);
      return this.#take(segment, scan.end, "entries that were durable are missing behind it", hole);
    }
    const decision = decidePlace({
      segment: isLast ? "last" : "earlier",
      durable: scan.end < durableBytes,
      found: bad.found,
      unwritten: bad.unwritten,
    });
    if (decision === "free") return undefined;
    if (decision === "trim") return this.#trim(segment, bad);
    if (decision === "corrupt") throw new CorruptionError(segment.path, scan.end, bad.reason);
    const hole = holeOf(decision, { at: scan.end, last: this.#last, bad }, end);
    return this.#take(segment, scan.end, bad.reason, hole);
  }

  #trim(segment: Segment, bad: BadPlace): undefined {
    this.trimmedBytes = bad.bytes;
    this.warnings.push(
      `${segment.path} ends with ${bad.bytes} bytes of an unfinished write at byte ` +
        `${segment.end} (${bad.reason}); they are cut off, the log ends with entry ${segment.last}`,
    );
  }

  /** Goes on behind a hole; refuses where nobody can say what was in it. */
  #take(
    segment: Segment,
    at: number,
    reason: string,
    hole: Hole | string,
  ): number | undefined {
    if (typeof hole === "string") {
      throw new CorruptionError(segment.path, at, `${reason}, and ${hole}`);
    }
    segment.noteHole(hole);
    const { first, last, term } = hole;
    const where = `${segment.path} is damaged at byte ${at}: ${reason}`;
    if (last < first) this.warnings.push(`${where}; no entry was there, it is written again`);
    else {
      this.damage.push({ hole, error: new CorruptionError(segment.path, at, reason, first) });
      const entries = first === last ? `entry ${first}` : `entries ${first} to ${last}`;
      this.warnings.push(`${where}; ${entries} must come from another member`);
      for (let index = first; index <= last; index++) this.terms.append(LogIndex(index), term);
      this.#last = { term, index: last };
    }
    segment.end = Math.max(at, hole.end ?? 0);
    segment.recordsEnd = last < first ? segment.recordsEnd : segment.end;
    return hole.end;
  }
}

interface JudgedPlace {
  readonly scan: SegmentScan;
  readonly isLast: boolean;
  /** How much of the segment is durable. */
  readonly durableBytes: number;
  /** What is known of its end. */
  readonly end: Bound | undefined;
}
