/**
 * Keeps "send now" and "send after persisting" apart (architecture D1, D3). What the core asks to
 * persist goes to disk one sync at a time; whatever arrives meanwhile shares the next one. Promises
 * leave, and the core hears of it, only when the disk has it.
 */

import type { HardState, LogEntry, RaftMessage, Ready } from "../raft/mod.ts";

/** The disk, as far as this queue needs it. */
export interface PersistTarget {
  persist(batch: {
    readonly hardState?: HardState;
    readonly entries: readonly LogEntry[];
  }): Promise<void>;
}

export interface PersistHandler {
  /** Everything up to Ready `number` is durable, and what it promised may be sent. */
  onPersisted(number: number, messages: readonly RaftMessage[]): void;
  /**
   * The disk refused. Nothing is promised until `retry` was called and succeeded, which only makes
   * sense when the error says that there was no room.
   */
  onPersistFailed(error: unknown, retry: () => void): void;
}

interface Pending {
  hardState: HardState | undefined;
  entries: LogEntry[];
  messages: RaftMessage[];
  number: number;
}

export class PersistQueue {
  readonly #target: PersistTarget;
  readonly #handler: PersistHandler;
  #pending: Pending | undefined;
  #startedAtMs: number | undefined;
  readonly #nowMs: () => number;

  constructor(target: PersistTarget, handler: PersistHandler, nowMs: () => number) {
    this.#target = target;
    this.#handler = handler;
    this.#nowMs = nowMs;
  }

  get busy(): boolean {
    return this.#startedAtMs !== undefined;
  }

  /** How long the sync under way has taken, ms; 0 when there is none. */
  busyMs(nowMs: number): number {
    return this.#startedAtMs === undefined ? 0 : nowMs - this.#startedAtMs;
  }

  /** Takes over what one Ready wants persisted; `start` begins. */
  add(ready: Ready): void {
    if (this.#pending === undefined) {
      this.#pending = {
        hardState: ready.hardState,
        entries: [...ready.entries],
        messages: [...ready.messagesAfterPersist],
        number: ready.number,
      };
      return;
    }
    const pending = this.#pending;
    pending.hardState = ready.hardState ?? pending.hardState;
    appendReplacing(pending.entries, ready.entries);
    for (const message of ready.messagesAfterPersist) pending.messages.push(message);
    pending.number = ready.number;
  }

  /** Begins the next sync unless one is under way. */
  start(): void {
    while (this.#pending !== undefined && this.#startedAtMs === undefined) {
      const batch = this.#pending;
      this.#pending = undefined;
      if (batch.hardState === undefined && batch.entries.length === 0) {
        this.#handler.onPersisted(batch.number, batch.messages);
        continue;
      }
      this.#persist(batch);
    }
  }

  #persist(batch: Pending): void {
    this.#startedAtMs = this.#nowMs();
    this.#target.persist({ hardState: batch.hardState, entries: batch.entries }).then(
      () => {
        this.#startedAtMs = undefined;
        this.#handler.onPersisted(batch.number, batch.messages);
      },
      (error) => this.#handler.onPersistFailed(error, () => this.#persist(batch)),
    );
  }
}

/** `later` replaces everything from its first index on. */
function appendReplacing(entries: LogEntry[], later: readonly LogEntry[]): void {
  if (later.length === 0) return;
  while (entries.length > 0 && entries[entries.length - 1].index >= later[0].index) entries.pop();
  for (const entry of later) entries.push(entry);
}
