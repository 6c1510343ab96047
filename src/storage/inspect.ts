/**
 * Reads a stopped node's data directory and reports what is in it, for `log verify` and `log
 * dump`. Modifies nothing; goes on behind damage, to report all of it.
 */

import { LogIndex, Term } from "../base/mod.ts";
import type { Disk, DiskFile } from "../platform/mod.ts";
import { ENTRY_ID_ZERO, type EntryId, type EntryKind, type TermRun } from "../raft/mod.ts";
import { checkPlainEntries, LOCK_NAME, lockDirectory, readIdentity } from "./data_directory.ts";
import { StorageError } from "./errors.ts";
import type { StoredIdentity } from "./identity_format.ts";
import { listSegments, segmentPath } from "./log_recovery.ts";
import { readPersistRecord } from "./persistence_file.ts";
import type { PersistRecord } from "./persist_record_format.ts";
import { readReadable } from "./readable.ts";
import { decidePlace } from "./recovery_table.ts";
import { decodeSegmentHeader, markSeedOf, SEGMENT_HEADER_BYTES } from "./segment_format.ts";
import { findRecord, scanSegment } from "./segment_scanner.ts";
import { snapshotName } from "./snapshot_manifest.ts";
import { SNAPSHOTS_DIRECTORY_NAME, SnapshotStore } from "./snapshot_store.ts";
import { newestState, readStateCopies } from "./state_files.ts";
import type { StoredState } from "./state_format.ts";

export interface DumpedEntry extends EntryId {
  readonly kind: EntryKind;
  readonly file: string;
  /** Where the record begins in the file. */
  readonly offset: number;
  /** Valid only during the call. */
  readonly record: Uint8Array;
}

export type LogFinding =
  | { readonly kind: "identity"; readonly identity: StoredIdentity }
  | { readonly kind: "state"; readonly state: StoredState }
  | {
    readonly kind: "segment";
    readonly file: string;
    /** Length of the file, and how much of it is free space. */
    readonly bytes: number;
    readonly freeBytes: number;
    readonly records: number;
    readonly first: EntryId | undefined;
    readonly last: EntryId | undefined;
  }
  /** The remains of an unfinished write, which the next start cuts off. */
  | {
    readonly kind: "tornTail";
    readonly file: string;
    readonly offset: number;
    readonly bytes: number;
    readonly reason: string;
  }
  | {
    readonly kind: "corruption";
    readonly file: string;
    readonly offset: number;
    readonly reason: string;
  }
  /** One of two copies is bad or missing; the next start writes it again. */
  | { readonly kind: "badCopy"; readonly file: string; readonly reason: string };

export interface LogSummary {
  readonly segments: number;
  readonly records: number;
  readonly first: EntryId | undefined;
  readonly last: EntryId | undefined;
  readonly terms: readonly TermRun[];
  readonly corruptions: number;
  /** The node would start with this directory. */
  readonly ok: boolean;
}

/**
 * Verifies every byte and calls `report` for each thing found, in order. Throws `StorageError`
 * "locked" when a node runs on the directory, "notFound" when there is none, "damaged",
 * "newerFormat" or "unsafePath".
 */
export function verifyLog(
  disk: Disk,
  path: string,
  report: (finding: LogFinding) => void,
): Promise<LogSummary> {
  return inspect(disk, path, report, () => {});
}

/** Like `verifyLog`, and calls `onEntry` for each whole entry between the findings. */
export function dumpLog(
  disk: Disk,
  path: string,
  onEntry: (entry: DumpedEntry) => void,
  report: (finding: LogFinding) => void,
): Promise<LogSummary> {
  return inspect(disk, path, report, onEntry);
}

async function inspect(
  disk: Disk,
  path: string,
  report: (finding: LogFinding) => void,
  onEntry: (entry: DumpedEntry) => void,
): Promise<LogSummary> {
  if ((await disk.stat(`${path}/${LOCK_NAME}`)) === undefined) {
    throw new StorageError(
      "notFound",
      `Cannot read ${path}: found no ${LOCK_NAME} in it, expected a data directory of Logboat`,
    );
  }
  const lock = await lockDirectory(disk, path);
  try {
    await checkPlainEntries(disk, path);
    return await new Inspection(disk, path, report, onEntry).run();
  } finally {
    await lock.close();
  }
}

class Inspection {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #report: (finding: LogFinding) => void;
  readonly #onEntry: (entry: DumpedEntry) => void;
  readonly #terms: TermRun[] = [];
  /** Begins with the first segment that the state names: what is before was compacted. */
  #firstSegment = 1;
  #persistRecord: PersistRecord | undefined;
  #records = 0;
  #corruptions = 0;
  #first: EntryId | undefined;
  /** Undefined behind damage: the next record is taken as it is. */
  #last: EntryId | undefined = ENTRY_ID_ZERO;
  #highest: EntryId | undefined;

  constructor(
    disk: Disk,
    path: string,
    report: (finding: LogFinding) => void,
    onEntry: (entry: DumpedEntry) => void,
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#report = report;
    this.#onEntry = onEntry;
  }

  async run(): Promise<LogSummary> {
    const identity = await readIdentity(this.#disk, this.#path);
    if (identity === undefined) this.#corrupt(`${this.#path}/identity`, 0, "the file is missing");
    else this.#report({ kind: "identity", identity });
    const found = await listSegments(this.#disk, this.#path);
    const named = newestState(await readStateCopies(this.#disk, this.#path));
    this.#firstSegment = named?.firstSegment ?? 1;
    // The next start removes what is left of compacted segments, and of a log that was given up.
    const isGivenUp = named?.lastSegment === 0;
    const firsts = found.filter((first) => !isGivenUp && first >= this.#firstSegment);
    this.#persistRecord = await readPersistRecord(this.#disk, this.#path);
    const state = await this.#inspectState(firsts, identity?.storageCreated ?? false);
    for (const first of firsts) {
      await this.#inspectSegment(first, first === firsts.at(-1), state, identity);
    }
    await this.#inspectSnapshots();
    return {
      segments: firsts.length,
      records: this.#records,
      first: this.#first,
      last: this.#highest,
      terms: this.#terms,
      corruptions: this.#corruptions,
      ok: this.#corruptions === 0,
    };
  }

  #corrupt(file: string, offset: number, reason: string): void {
    this.#corruptions++;
    this.#report({ kind: "corruption", file, offset, reason });
  }

  async #inspectSnapshots(): Promise<void> {
    const { damaged } = await SnapshotStore.inspect(this.#disk, this.#path);
    for (const { last, reason } of damaged) {
      const file = `${this.#path}/${SNAPSHOTS_DIRECTORY_NAME}/${snapshotName(last)}`;
      this.#corrupt(file, 0, reason);
    }
  }

  async #inspectState(
    firsts: readonly LogIndex[],
    created: boolean,
  ): Promise<StoredState | undefined> {
    const copies = await readStateCopies(this.#disk, this.#path);
    const state = newestState(copies);
    if (state === undefined) {
      // Only a first start that was cut short has neither.
      if (!created && firsts.length === 0) return undefined;
      for (const copy of copies) this.#corrupt(copy.path, 0, `${copy.found}: ${copy.reason}`);
      return undefined;
    }
    this.#report({ kind: "state", state });
    for (const { found, path, reason } of copies) {
      if (found !== "good") this.#report({ kind: "badCopy", file: path, reason });
    }
    if (state.lastSegment === 0) return state;
    for (const first of new Set([state.firstSegment, state.lastSegment])) {
      const isMissing = first === state.firstSegment
        ? firsts[0] !== first
        : (firsts.at(-1) ?? 0) < first;
      if (isMissing) this.#corrupt(segmentPath(this.#path, first), 0, "the file is missing");
    }
    return state;
  }

  async #inspectSegment(
    first: LogIndex,
    isLast: boolean,
    state: StoredState | undefined,
    identity: StoredIdentity | undefined,
  ): Promise<void> {
    const file = segmentPath(this.#path, first);
    const handle = await this.#disk.open(file, "readOnly");
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const length = await readReadable(handle, block, 0);
      const result = decodeSegmentHeader(block.subarray(0, length));
      if (result.kind !== "ok") {
        if (isLast && first > (state?.lastSegment ?? 0) && result.kind === "bad") {
          const reason = `the segment was not finished: ${result.reason}`;
          const bytes = await handle.size();
          this.#report({ kind: "tornTail", file, offset: 0, bytes, reason });
          return;
        }
        this.#corrupt(file, 0, `the segment header is bad: ${result.reason}`);
      } else {
        this.#checkHeader(file, first, result.value, identity);
      }
      await this.#inspectRecords({ first, file, handle, isLast, markSeed: markSeedOf(block) });
    } finally {
      await handle.close();
    }
  }

  #checkHeader(
    file: string,
    first: LogIndex,
    header: { clusterId: string; first: LogIndex; previous: EntryId },
    identity: StoredIdentity | undefined,
  ): void {
    if (header.first !== first) {
      this.#corrupt(file, 0, `the header names entry ${header.first}, the name entry ${first}`);
    }
    if (identity !== undefined && header.clusterId !== identity.clusterId) {
      this.#corrupt(file, 0, `it belongs to cluster ${header.clusterId}`);
    }
    if (first === this.#firstSegment && first > 1) this.#last = header.previous;
    const last = this.#last;
    if (last === undefined) return;
    if (header.previous.index !== last.index || header.previous.term !== last.term) {
      this.#corrupt(
        file,
        0,
        `it follows entry ${header.previous.index} of term ${header.previous.term}, expected ` +
          `entry ${last.index} of term ${last.term}`,
      );
      this.#last = undefined;
    }
  }

  async #inspectRecords(segment: {
    readonly first: LogIndex;
    readonly file: string;
    readonly handle: DiskFile;
    readonly isLast: boolean;
    readonly markSeed: number;
  }): Promise<void> {
    const { file, handle, isLast, markSeed } = segment;
    let from: number | undefined = SEGMENT_HEADER_BYTES;
    let records = 0;
    let freeBytes = 0;
    const durableBytes = isLast ? this.#durableBytes(segment) : 0;
    let segmentFirst: EntryId | undefined;
    let segmentLast: EntryId | undefined;
    while (from !== undefined) {
      const scan = await scanSegment({
        file: handle,
        path: file,
        from,
        previous: this.#last,
        markSeed,
        onRecord: (header, offset, record) => {
          segmentFirst ??= { term: header.term, index: header.index };
          this.#take(header.term, header.index);
          const { term, index, kind } = header;
          this.#onEntry({ term, index, kind, file, offset, record });
        },
      });
      records += scan.records;
      segmentLast = scan.records > 0 ? scan.last : segmentLast;
      this.#last = scan.last;
      from = undefined;
      if (scan.bad === undefined) {
        if (scan.end < durableBytes) this.#corrupt(file, scan.end, "the file ends too early");
        break;
      }
      const { found, reason, bytes, unwritten } = scan.bad;
      const decision = decidePlace({
        segment: isLast ? "last" : "earlier",
        durable: scan.end < Math.max(scan.durableBytes, durableBytes),
        found,
        unwritten,
      });
      if (decision === "free") freeBytes = scan.fileBytes - scan.end;
      if (decision === "trim") {
        this.#report({ kind: "tornTail", file, offset: scan.end, bytes, reason });
      }
      if (decision === "free" || decision === "trim") break;
      this.#corrupt(file, scan.end, reason);
      this.#last = undefined;
      from = scan.bad.next ?? await findRecord(handle, scan.end + 1, this.#highest?.index ?? 0);
    }
    const bytes = await handle.size();
    this.#report({
      kind: "segment",
      file,
      bytes,
      freeBytes,
      records,
      first: segmentFirst,
      last: segmentLast,
    });
  }

  /** What the persist record says of the last segment. */
  #durableBytes(last: { readonly first: LogIndex; readonly markSeed: number }): number {
    const record = this.#persistRecord;
    if (record?.segment !== last.first || record.markSeed !== last.markSeed) return 0;
    return record.durableBytes;
  }

  #take(term: Term, index: LogIndex): void {
    this.#records++;
    this.#first ??= { term, index };
    this.#highest = { term, index };
    if (this.#terms.at(-1)?.term !== term) this.#terms.push({ first: index, term });
  }
}
