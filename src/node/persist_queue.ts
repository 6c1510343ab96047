/**
 * Keeps "send now" and "send after persisting" apart (architecture D1, D3). What the core asks to
 * persist goes to disk one sync at a time; whatever arrives meanwhile shares the next one. Promises
 * leave, and the core hears of it, only when the disk has it.
 *
 * While there is no room for entries, votes do not wait for them: the state files have their space,
 * so the newest term and vote are written ahead. That is safe: a crash then leaves a term, a vote and
 * a log without the entries that waited, as on a node that never received them, and nothing was said
 * of them. The other order is not: it leaves entries of a term that the node does not know.
 */

import type { LogIndex, Term } from "../base/mod.ts";
import {
  type HardState,
  isLateAcknowledgement,
  type LogEntry,
  type PeerMessage,
  promisesOnlyHardState,
  type Ready,
} from "../raft/mod.ts";
import { type PersistBatch, type SnapshotReceiver, StorageError } from "../storage/mod.ts";

/** The disk, as far as this queue needs it. */
export interface PersistTarget {
  persist(batch: PersistBatch): Promise<void>;
}

export interface PersistHandler {
  /** The core: what it would not promise in its term any more is not sent. */
  readonly raft: { readonly term: Term };
  /**
   * Everything up to Ready `number` is durable, or of all that only the `part`, and what was promised
   * with it may be sent.
   */
  onPersisted(number: number, messages: readonly PeerMessage[], part?: "hardState"): void;
  /**
   * The disk refused. Nothing is promised until `retry` was called and succeeded, which only makes
   * sense when the error says that there was no room.
   */
  onPersistFailed(error: unknown, retry: () => void): void;
}

interface Pending {
  readonly snapshot: SnapshotReceiver | undefined;
  /** Undefined as well once it is durable ahead of the entries. */
  hardState: HardState | undefined;
  entries: LogEntry[];
  messages: PeerMessage[];
  number: number;
}

export class PersistQueue {
  readonly #target: PersistTarget;
  readonly #handler: PersistHandler;
  /** In order; only a snapshot begins another one. */
  readonly #pending: Pending[] = [];
  /** Found no room, and is tried again when the handler says so. */
  #refused: Pending | undefined;
  /** The hard state that is being written ahead. */
  #ahead: Promise<void> | undefined;
  #snapshots = 0;
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

  /** Whether a snapshot of a peer waits to become this node's. */
  get isInstalling(): boolean {
    return this.#snapshots > 0;
  }

  /** How long the sync under way has taken, ms; 0 when there is none. */
  busyMs(nowMs: number): number {
    return this.#startedAtMs === undefined ? 0 : nowMs - this.#startedAtMs;
  }

  /**
   * Takes over what one Ready wants persisted; `start` begins. `snapshot` is the one that the Ready
   * installs; `after` is sent with its promises.
   */
  add(ready: Ready, snapshot?: SnapshotReceiver, after?: PeerMessage): void {
    if (snapshot !== undefined) this.#snapshots++;
    const pending = this.#pending.at(-1);
    if (pending === undefined || snapshot !== undefined) {
      this.#pending.push({
        snapshot,
        hardState: ready.hardState,
        entries: [...ready.entries],
        messages: [...ready.messagesAfterPersist],
        number: ready.number,
      });
    } else {
      pending.hardState = ready.hardState ?? pending.hardState;
      appendReplacing(pending, ready.entries);
      for (const message of ready.messagesAfterPersist) pending.messages.push(message);
      pending.number = ready.number;
    }
    if (after !== undefined) this.#pending.at(-1)!.messages.push(after);
  }

  /** Begins the next sync unless one is under way. */
  start(): void {
    if (this.#refused !== undefined) this.#writeAhead(this.#refused);
    while (this.#pending.length > 0 && this.#startedAtMs === undefined) {
      const batch = this.#pending.shift()!;
      const { snapshot, hardState, entries } = batch;
      if (snapshot === undefined && hardState === undefined && entries.length === 0) {
        this.#settle(batch);
        continue;
      }
      this.#persist(batch);
    }
  }

  #persist(batch: Pending): void {
    this.#startedAtMs = this.#nowMs();
    this.#write(batch).then(
      () => {
        this.#startedAtMs = undefined;
        if (batch.snapshot !== undefined) this.#snapshots--;
        this.#settle(batch);
      },
      (error) => {
        this.#handler.onPersistFailed(error, () => void this.#retry(batch));
        if (!(error instanceof StorageError) || error.kind !== "full") return;
        this.#refused = batch;
        this.#writeAhead(batch);
      },
    );
  }

  #settle({ number, messages }: Pending): void {
    const { term } = this.#handler.raft;
    const isLate = (message: PeerMessage) => isLateAcknowledgement(message, term);
    const sent = messages.some(isLate) ? messages.filter((message) => !isLate(message)) : messages;
    this.#handler.onPersisted(number, sent);
  }

  /** A term that is being written ahead must not be followed by an older one. */
  async #retry(batch: Pending): Promise<void> {
    this.#refused = undefined;
    await this.#ahead;
    this.#persist(batch);
  }

  /** Makes the newest hard state durable although `refused` and what follows it must wait. */
  #writeAhead(refused: Pending): void {
    if (this.#ahead !== undefined) return;
    const waiting = [refused, ...this.#pending];
    const hardState = waiting.findLast((batch) => batch.hardState !== undefined)?.hardState;
    if (hardState === undefined) return;
    const messages: PeerMessage[] = [];
    for (const batch of waiting) {
      batch.hardState = undefined;
      messages.push(...batch.messages.filter(promisesOnlyHardState));
      batch.messages = batch.messages.filter((message) => !promisesOnlyHardState(message));
    }
    const { number } = waiting[waiting.length - 1];
    this.#ahead = this.#target.persist({ hardState, entries: [] }).then(
      () => {
        this.#ahead = undefined;
        this.#handler.onPersisted(number, messages, "hardState");
      },
      // The storage has failed for good, and says so itself.
      () => {},
    );
  }

  async #write({ snapshot, hardState, entries }: Pending): Promise<void> {
    if (snapshot === undefined) return await this.#target.persist({ hardState, entries });
    // The term first: a log must not begin with a later one than the node knows.
    if (hardState !== undefined) await this.#target.persist({ hardState, entries: [] });
    await this.#target.persist({ snapshot, entries });
  }
}

/**
 * `later` replaces everything from its first index on. Nobody waits for word of what is replaced: it
 * would go to a leader of an older term, and say that the disk has what it never gets.
 */
function appendReplacing(pending: Pending, later: readonly LogEntry[]): void {
  if (later.length === 0) return;
  const { entries, messages } = pending;
  const first = later[0].index;
  if (messages.some((message) => acknowledgesFrom(first, message))) {
    pending.messages = messages.filter((message) => !acknowledgesFrom(first, message));
  }
  while (entries.length > 0 && entries[entries.length - 1].index >= first) entries.pop();
  for (const entry of later) entries.push(entry);
}

function acknowledgesFrom(first: LogIndex, message: PeerMessage): boolean {
  return message.kind === "appendEntriesReply" && message.conflict === undefined &&
    message.index >= first;
}
