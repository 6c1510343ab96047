/**
 * What one node's disk holds for certain, known by watching writes and syncs from outside. Promises
 * that a node sends, and what it finds after a crash, are held against it.
 */

import {
  type Configuration,
  decodeConfiguration,
  type HardState,
  readRecordHeader,
  RECORD_HEADER_BYTES,
} from "../../src/raft/mod.ts";
import { snapshotIdOf } from "../../src/storage/snapshot_manifest.ts";
import { Violation } from "./violation.ts";
import {
  looksLikeMark,
  MARK_BYTES,
  SEGMENT_HEADER_BYTES,
} from "../../src/storage/segment_format.ts";
import { decodeState, type StoredState } from "../../src/storage/state_format.ts";

export interface DurableEntry {
  readonly index: number;
  readonly term: number;
  readonly checksum: number;
  readonly path: string;
  readonly offset: number;
  readonly configuration: Configuration | undefined;
}

type Change =
  | { readonly kind: "entry"; readonly entry: DurableEntry }
  | { readonly kind: "cut"; readonly path: string; readonly bytes: number }
  | { readonly kind: "state"; readonly path: string; readonly state: StoredState };

export interface ShadowHost {
  /** An entry reaches the file of this node's log. */
  onEntryWritten(entry: DurableEntry): void;
  /** A durable entry leaves it. */
  onDurableEntryCut(entry: DurableEntry): void;
  /** A snapshot leaves the disk although no other one joins the log. */
  onNeededSnapshotRemoved(index: number): void;
}

export class DiskShadow {
  readonly durable = new Map<number, DurableEntry>();
  /** Entries up to this one are durable without a gap, in the newest snapshot or behind it. */
  durableLast = 0;
  /** The entries up to this one are in a durable snapshot. */
  snapshotLast = 0;
  /** The entries up to this one were in a durable snapshot once, and so are committed. */
  #snapshotEver = 0;
  /** The node has written that its log begins behind this entry. */
  #givenUpLast = 0;
  readonly #states = new Map<string, StoredState>();
  #hardState: DiskShadow["hardState"] = { term: 0, votedFor: undefined };
  readonly #snapshots = new Set<number>();
  readonly #pending = new Map<string, Change[]>();
  readonly #host: ShadowHost;
  #live = new Map<number, DurableEntry>();

  constructor(host: ShadowHost) {
    this.#host = host;
  }

  /** Term and vote that no crash can lose: what the older of both copies says. */
  get hardState(): { readonly term: number; readonly votedFor: number | undefined } {
    return this.#hardState;
  }

  liveEntry(index: number): DurableEntry | undefined {
    return this.#live.get(index);
  }

  /**
   * No promise needs the entry in the log; a snapshot that others take away changes nothing in
   * that.
   */
  isBehindLog(index: number): boolean {
    return index <= this.snapshotLast ||
      index <= Math.min(this.#snapshotEver, this.#givenUpLast);
  }

  /** Whether the disk has the effect of a committed entry for certain. */
  holds(index: number, term: number): boolean {
    return index <= this.snapshotLast || this.durable.get(index)?.term === term;
  }

  /** What it has beyond the end of its log is in a snapshot only, which may be damaged. */
  get isLogBehind(): boolean {
    return this.#logLast < this.durableLast;
  }

  get #logLast(): number {
    return this.durable.size > 0 ? Math.max(...this.durable.keys()) : this.#givenUpLast;
  }

  /** Configurations in the log behind entry `index`, rising. */
  configurationsAfter(index: number): DurableEntry[] {
    return [...this.#live.values()]
      .filter((entry) => entry.configuration !== undefined && entry.index > index)
      .sort((a, b) => a.index - b.index);
  }

  /** The last entry up to which this log and `other` are known to be the same (log matching). */
  commonPrefix(other: DiskShadow): number {
    let index = Math.min(this.durableLast, other.durableLast);
    const differ = () => {
      const terms = [this, other].map(({ durable }) => durable.get(index)?.term);
      return !terms.includes(undefined) && terms[0] !== terms[1];
    };
    while (index > 0 && differ()) index--;
    return index;
  }

  wrote(path: string, bytes: Uint8Array, at: number): void {
    if (path.includes("/state-")) {
      const decoded = decodeState(bytes);
      if (decoded.kind === "ok") {
        this.#giveUpBefore(decoded.value.firstSegment);
        this.#note(path, { kind: "state", path, state: decoded.value });
      }
    } else if (path.endsWith(".log")) this.#wroteLog(path, bytes, at);
  }

  /** Files of what is given up may go at any later start, whatever has become of the snapshot. */
  #giveUpBefore(first: number): void {
    if (first - 1 <= this.#givenUpLast) return;
    for (const entry of this.#live.values()) {
      if (entry.index < first && entry.index > this.snapshotLast) this.#cutIfDurable(entry);
    }
    this.#givenUpLast = first - 1;
  }

  #cutIfDurable(entry: DurableEntry): void {
    if (this.durable.get(entry.index)?.term === entry.term) this.#host.onDurableEntryCut(entry);
  }

  #wroteLog(path: string, bytes: Uint8Array, at: number): void {
    let offset = at < SEGMENT_HEADER_BYTES ? SEGMENT_HEADER_BYTES - at : 0;
    while (offset + MARK_BYTES <= bytes.length) {
      if (looksLikeMark(bytes, offset)) {
        offset += MARK_BYTES;
        continue;
      }
      if (isZero(bytes, offset)) return; // Space written ahead.
      const header = readRecordHeader(bytes, offset);
      const { index, term, payloadChecksum: checksum, payloadBytes } = header;
      const payloadAt = offset + RECORD_HEADER_BYTES;
      const configuration = header.kind === "configuration"
        ? decodeConfiguration(bytes.subarray(payloadAt, payloadAt + payloadBytes))
        : undefined;
      const entry = { index, term, checksum, path, offset: at + offset, configuration };
      const before = this.#live.get(index);
      this.#live.set(index, entry);
      if (before === undefined || before.term !== term) this.#host.onEntryWritten(entry);
      this.#note(path, { kind: "entry", entry });
      offset += MARK_BYTES + payloadBytes;
    }
  }

  /** The file has entries elsewhere than they were written; call what it returns when that ends. */
  misplaced(path: string, placeOf: (offset: number) => number): () => void {
    const before = [...this.durable.values()].filter((entry) => entry.path === path);
    const note = (entries: readonly DurableEntry[]) => {
      for (const entry of entries) {
        this.durable.set(entry.index, entry);
        this.#live.set(entry.index, entry);
      }
    };
    note(before.map((entry) => ({ ...entry, offset: placeOf(entry.offset) })));
    return () => note(before);
  }

  truncated(path: string, bytes: number): void {
    if (!path.endsWith(".log")) return;
    for (const entry of this.#live.values()) {
      if (entry.path !== path || entry.offset < bytes) continue;
      if (entry.index > Math.max(this.snapshotLast, this.#givenUpLast)) this.#cutIfDurable(entry);
      this.#live.delete(entry.index);
    }
    this.#note(path, { kind: "cut", path, bytes });
  }

  /** `paths` is what is durable in the directory now. */
  directorySynced(path: string, paths: () => readonly string[]): void {
    if (!path.endsWith("/snapshots")) return;
    this.#snapshots.clear();
    for (const name of paths()) {
      const id = snapshotIdOf(name.slice(path.length + 1).replace(/\.manifest$/, ""));
      if (id !== undefined && name.startsWith(path)) this.#snapshots.add(id.index);
    }
    this.#snapshotsChanged();
  }

  removed(path: string): void {
    const name = /snapshots\/(.*)\.manifest$/.exec(path)?.[1];
    const snapshot = name === undefined ? undefined : snapshotIdOf(name);
    if (snapshot !== undefined) this.#snapshotRemoved(snapshot.index);
    this.truncated(path, 0);
    this.#apply({ kind: "cut", path, bytes: 0 });
    this.#pending.delete(path);
  }

  /** How much of the file's changes a sync that begins now covers. */
  beginSync(path: string): number {
    return this.#pending.get(path)?.length ?? 0;
  }

  synced(path: string, changes: number): void {
    for (const change of this.#pending.get(path)?.splice(0, changes) ?? []) this.#apply(change);
  }

  /** The process is gone; what was not synced counts as lost until it is written again. */
  crashed(): void {
    // A cut that was not synced may have been made all the same. An entry that was repaired counts
    // as it did before the repair: it may be damaged again, but was durable once.
    for (const changes of this.#pending.values()) {
      for (const change of changes) {
        if (change.kind === "cut" || this.#isRepair(change)) this.#apply(change);
      }
    }
    this.#pending.clear();
    this.#live = new Map(this.durable);
  }

  /** The disk is gone: nobody reads it any more. */
  lost(): void {
    this.#live.clear();
  }

  /**
   * What recovery found must hold all that was durable. Where something was `lost`, the log alone
   * counts: a snapshot may have been ahead of it, of which the node has promised nothing.
   */
  checkRecovered(last: number, { term, votedFor }: HardState, lost: boolean): void {
    const expected = Math.min(this.durableLast, lost ? this.#logLast : Infinity);
    if (last < expected) {
      throw new Violation("CC", `the log ends with ${last}, ${expected} were durable`);
    }
    const promised = this.hardState;
    if (term < promised.term) {
      throw new Violation("MT", `the term is ${term} after a start, ${promised.term} was durable`);
    }
    const kept = promised.votedFor === undefined || promised.votedFor === votedFor;
    if (term === promised.term && !kept) {
      throw new Violation("MT", `the vote for ${promised.votedFor} in term ${term} is forgotten`);
    }
  }

  #snapshotRemoved(index: number): void {
    if (!this.#snapshots.delete(index)) return;
    this.#snapshotsChanged();
    let first = Infinity;
    for (const found of this.durable.keys()) first = Math.min(first, found);
    if (first === Infinity ? this.snapshotLast < index : first > this.snapshotLast + 1) {
      this.#host.onNeededSnapshotRemoved(index);
    }
  }

  #snapshotsChanged(): void {
    this.snapshotLast = Math.max(0, ...this.#snapshots);
    this.#snapshotEver = Math.max(this.#snapshotEver, this.snapshotLast);
    this.durableLast = Math.max(this.durableLast, this.snapshotLast);
    this.#extend();
  }

  #note(path: string, change: Change): void {
    const changes = this.#pending.get(path);
    if (changes === undefined) this.#pending.set(path, [change]);
    else changes.push(change);
  }

  #apply(change: Change): void {
    if (change.kind === "state") {
      this.#states.set(change.path, change.state);
      const states = [...this.#states.values()].sort((a, b) => a.version - b.version);
      if (states.length >= 2) this.#hardState = states[0].hardState;
    } else if (change.kind === "entry") this.durable.set(change.entry.index, change.entry);
    else {
      for (const entry of this.durable.values()) {
        if (entry.path !== change.path || entry.offset < change.bytes) continue;
        this.durable.delete(entry.index);
        if (entry.index > Math.max(this.snapshotLast, this.#givenUpLast)) {
          this.durableLast = Math.min(this.durableLast, entry.index - 1);
        }
      }
    }
    this.#extend();
  }

  #isRepair(change: Change): boolean {
    if (change.kind !== "entry") return false;
    const { index, term, checksum } = change.entry;
    const before = this.durable.get(index);
    return before?.term === term && before.checksum === checksum;
  }

  #extend(): void {
    while (this.durable.has(this.durableLast + 1)) this.durableLast++;
  }
}

/** No record or mark begins with a checksum, a length and a version of zero. */
function isZero(bytes: Uint8Array, at: number): boolean {
  return bytes.subarray(at, at + MARK_BYTES).every((byte) => byte === 0);
}
