/**
 * What one node's disk holds for certain, known by watching writes and syncs from outside. Promises
 * that a node sends, and what it finds after a crash, are held against it.
 */

import { Violation } from "./violation.ts";
import { readRecordHeader } from "../../src/raft/mod.ts";
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
}

export class DiskShadow {
  readonly durable = new Map<number, DurableEntry>();
  /** Entries 1 to this one are durable without a gap. */
  durableLast = 0;
  readonly #states = new Map<string, StoredState>();
  readonly #pending = new Map<string, Change[]>();
  readonly #host: ShadowHost;
  #live = new Map<number, DurableEntry>();

  constructor(host: ShadowHost) {
    this.#host = host;
  }

  /** Term and vote that no crash can lose: what the older of both copies says. */
  get hardState(): { readonly term: number; readonly votedFor: number | undefined } {
    const states = [...this.#states.values()].sort((a, b) => a.version - b.version);
    if (states.length < 2) return { term: 0, votedFor: undefined };
    return states[0].hardState;
  }

  liveEntry(index: number): DurableEntry | undefined {
    return this.#live.get(index);
  }

  /** The last entry up to which this log and `other` are known to be the same (log matching). */
  commonPrefix(other: DiskShadow): number {
    let index = Math.min(this.durableLast, other.durableLast);
    while (index > 0 && this.durable.get(index)?.term !== other.durable.get(index)?.term) index--;
    return index;
  }

  wrote(path: string, bytes: Uint8Array, at: number): void {
    if (path.includes("/state-")) {
      const decoded = decodeState(bytes);
      if (decoded.kind === "ok") {
        this.#note(path, { kind: "state", path, state: decoded.value });
      }
    } else if (path.endsWith(".log")) this.#wroteLog(path, bytes, at);
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
      const entry = { index, term, checksum, path, offset: at + offset };
      const before = this.#live.get(index);
      this.#live.set(index, entry);
      if (before === undefined || before.term !== term) this.#host.onEntryWritten(entry);
      this.#note(path, { kind: "entry", entry });
      offset += MARK_BYTES + payloadBytes;
    }
  }

  truncated(path: string, bytes: number): void {
    if (!path.endsWith(".log")) return;
    for (const entry of this.#live.values()) {
      if (entry.path !== path || entry.offset < bytes) continue;
      if (this.durable.get(entry.index)?.term === entry.term) this.#host.onDurableEntryCut(entry);
      this.#live.delete(entry.index);
    }
    this.#note(path, { kind: "cut", path, bytes });
  }

  removed(path: string): void {
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
    this.#pending.clear();
    this.#live = new Map(this.durable);
  }

  /** What recovery found must hold all that was durable. */
  checkRecovered(last: number, term: number, votedFor: number | undefined): void {
    if (last < this.durableLast) {
      throw new Violation("CC", `the log ends with ${last}, ${this.durableLast} were durable`);
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

  #note(path: string, change: Change): void {
    const changes = this.#pending.get(path);
    if (changes === undefined) this.#pending.set(path, [change]);
    else changes.push(change);
  }

  #apply(change: Change): void {
    if (change.kind === "state") this.#states.set(change.path, change.state);
    else if (change.kind === "entry") this.durable.set(change.entry.index, change.entry);
    else {
      for (const entry of this.durable.values()) {
        if (entry.path !== change.path || entry.offset < change.bytes) continue;
        this.durable.delete(entry.index);
        this.durableLast = Math.min(this.durableLast, entry.index - 1);
      }
    }
    while (this.durable.has(this.durableLast + 1)) this.durableLast++;
  }
}

/** No record or mark begins with a checksum, a length and a version of zero. */
function isZero(bytes: Uint8Array, at: number): boolean {
  return bytes.subarray(at, at + MARK_BYTES).every((byte) => byte === 0);
}
