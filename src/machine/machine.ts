/**
 * The replicated state machine: applies committed batches to the keyspace and answers reads. Purely
 * a function of the entries applied so far, so every member that applied the same entries is equal
 * (architecture P5). Time and randomness come from the entries.
 */

import { assert, ByteReader, latin1FromBytes, Prng } from "../base/mod.ts";
import { type CommandContext, type DataCommand, lookupCommand } from "../commands/mod.ts";
import { type Database, Keyspace, RdbFileWalk } from "../keyspace/mod.ts";
import { decodeRequest, type Reply, Request } from "../resp/mod.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  MARK,
  readBatchHeader,
  REMOVE_EXPIRED,
  TRANSACTION,
  type TransactionItem,
} from "./batch.ts";
import { type Admission, OriginTable } from "./origin_table.ts";
import { auxOf, type MachineState, type SnapshotHeader, type SnapshotWalk } from "./snapshot.ts";
import { STATE_HASH_INTERVAL, StateHash } from "./state_hash.ts";

export const DATABASES = 16;

/** Told about the operations of one batch while it is applied, by the batch's own origin. */
export interface BatchObserver {
  /** The keyspace is as it was before operation `position` ran: reads may be answered now. */
  beforeOperation(position: number): void;
  afterOperation(position: number, reply: Reply): void;
}

/** What a read found when a key's deadline has passed by the leader's clock but not by the log. */
export const TIME_BEHIND: unique symbol = Symbol("time behind");

export interface AppliedBatch extends BatchHeader {
  readonly admission: Admission;
}

/** The context of one command; randomness is made only when asked for. */
class ExecutionContext implements CommandContext {
  readonly keyspace: Keyspace;
  db: Database;
  nowMs = 0;
  seed = 0;
  #random: Prng | undefined;

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.db = keyspace.db(0);
  }

  get random(): Prng {
    return this.#random ??= new Prng(this.seed);
  }

  reseed(seed: number): void {
    this.seed = seed;
    this.#random = undefined;
  }
}

export class Machine {
  readonly keyspace: Keyspace = new Keyspace(DATABASES);
  readonly origins: OriginTable = new OriginTable();
  readonly #context: ExecutionContext = new ExecutionContext(this.keyspace);
  readonly #request: Request = new Request();
  readonly #hash = new StateHash();
  #passedIndex = 0;
  #clockMs = 0;
  #reads = 0;
  #batches = 0;
  #commands = 0;

  /** The stamp of the newest batch applied, ms since 1970; never runs backwards. */
  get clockMs(): number {
    return this.#clockMs;
  }

  /** 16 hexadecimal digits, equal on all members that passed the same entries; see `StateHash`. */
  get stateHash(): string {
    return this.#hash.text;
  }

  /** The last entry that was passed; 0 before the first. */
  get passedIndex(): number {
    return this.#passedIndex;
  }

  /**
   * The entry at `index` is over: a no-op or the members, or a command that `apply` has had. To be
   * called for every committed entry, in order, with the checksum of its payload.
   */
  passed(index: number, payloadChecksum: number): void {
    const expected = this.#passedIndex + 1;
    assert(index === expected, `Cannot pass entry ${index}: expected ${expected}`);
    this.#passedIndex = index;
    this.#hash.number(index);
    this.#hash.word(payloadChecksum | 0);
    if (index % STATE_HASH_INTERVAL === 0) this.#hash.slice(index, this.keyspace);
  }

  /**
   * The state as of now, to be written while entries are applied. One at a time; `header.last` is
   * the last entry that was passed.
   */
  beginSnapshot(header: SnapshotHeader): SnapshotWalk {
    const { index } = header.last;
    assert(
      index === this.#passedIndex,
      `Cannot begin a snapshot at entry ${index}: the last one passed is ${this.#passedIndex}`,
    );
    const aux = auxOf(header, {
      origins: this.origins.rows(),
      removedOrigins: this.origins.removed(),
      clockMs: this.#clockMs,
      expiredKeys: this.keyspace.expiredKeys,
      batches: this.#batches,
      commands: this.#commands,
      stateHash: this.stateHash,
    });
    return new RdbFileWalk(this.keyspace.beginWalk(), aux);
  }

  /** Becomes the machine of a snapshot whose keys are in the keyspace already; for the loader. */
  restore(header: SnapshotHeader, state: MachineState): void {
    for (const row of state.origins) this.origins.restore(row);
    for (const id of state.removedOrigins) this.origins.remove(id);
    this.#passedIndex = header.last.index;
    this.#clockMs = state.clockMs;
    this.keyspace.beginWrite(state.clockMs);
    this.keyspace.expiredKeys = state.expiredKeys;
    this.#batches = state.batches;
    this.#commands = state.commands;
    this.#hash.restore(state.stateHash);
  }

  /** Batches and commands that took effect since the first entry, a snapshot's included. */
  get batchesApplied(): number {
    return this.#batches;
  }

  get commandsApplied(): number {
    return this.#commands;
  }

  /**
   * Applies one batch, the payload of a committed command entry at `index`. `observerOf` may return
   * an observer for it; it is asked once, and only when the batch takes effect. A payload that does
   * not decode is a bug: it was encoded by a member and its checksum holds.
   */
  apply(
    payload: Uint8Array,
    index: number,
    observerOf: (header: BatchHeader) => BatchObserver | undefined,
  ): AppliedBatch {
    const header = readBatchHeader(payload);
    this.#clockMs = Math.max(this.#clockMs, header.stampMs);
    const admission = this.origins.admit(header);
    if (admission !== "next") {
      this.#hash.word(admission === "early" ? 2 : 3);
      return { ...header, admission };
    }
    this.#batches++;
    const observer = observerOf(header);
    let at = BATCH_HEADER_BYTES;
    for (let position = 0; position < header.operations; position++) {
      observer?.beforeOperation(position);
      this.#beginWrite(index, position);
      at = this.#applyOperation(payload, at);
      this.#hash.reply(this.#reply);
      observer?.afterOperation(position, this.#reply);
    }
    assert(
      at === payload.length,
      `Cannot apply entry ${index}: its operations end at ${at}, expected ${payload.length}`,
    );
    return { ...header, admission };
  }

  /** What the last operation answered. */
  #reply: Reply = null;

  /** Reads may have run in between, on one member alone: nothing of theirs may leak into a write. */
  #beginWrite(index: number, position: number): void {
    this.keyspace.beginWrite(this.#clockMs);
    this.#context.nowMs = this.#clockMs;
    this.#context.reseed((index % 2 ** 32) * 2 ** 20 + (position % 2 ** 20));
  }

  #applyOperation(payload: Uint8Array, at: number): number {
    const kind = payload[at];
    if (kind < DATABASES) return this.#applyCommand(payload, at);
    switch (kind) {
      case TRANSACTION:
        return this.#applyTransaction(payload, at + 1);
      case REMOVE_EXPIRED: {
        const reader = new ByteReader(payload, at + 1);
        const db = reader.u8();
        const length = reader.u32();
        const key = latin1FromBytes(payload, reader.at, reader.at + length);
        this.keyspace.removeIfExpired(db, key);
        this.#reply = null;
        return reader.at + length;
      }
      case MARK:
        this.#reply = null;
        return at + 1;
      default:
        throw new Error(`Cannot apply operation at ${at}: ${kind} is no kind of operation`);
    }
  }

  /** One command with its database before it; leaves its answer in `#reply`. */
  #applyCommand(payload: Uint8Array, at: number): number {
    const next = decodeRequest(payload, at + 1, this.#request);
    this.#context.db = this.keyspace.db(payload[at]);
    this.#commands++;
    this.#reply = this.#find(this.#request).execute(this.#context, this.#request);
    return next;
  }

  #applyTransaction(payload: Uint8Array, at: number): number {
    const reader = new ByteReader(payload, at);
    const count = reader.u32();
    const replies: Reply[] = [];
    let next = reader.at;
    for (let i = 0; i < count; i++) {
      next = this.#applyCommand(payload, next);
      replies.push(this.#reply);
    }
    this.#reply = replies;
    return next;
  }

  #find(request: Request): DataCommand {
    const command = lookupCommand(request);
    assert(command !== undefined, `Cannot apply ${request.text(0)}: no such command`);
    return command;
  }

  /**
   * Answers a read, changing nothing. `leaderMs` is the leader's clock, at least the machine's own.
   * `TIME_BEHIND` means: apply a batch stamped at `leaderMs` or later, then ask again.
   */
  query(db: number, request: Request, leaderMs: number): Reply | typeof TIME_BEHIND {
    this.#beginRead(leaderMs);
    const reply = this.#queryOne(db, request);
    return this.keyspace.readBehind ? TIME_BEHIND : reply;
  }

  /** Like `query` for several reads with nothing between them. */
  queryAll(items: readonly TransactionItem[], leaderMs: number): Reply | typeof TIME_BEHIND {
    this.#beginRead(leaderMs);
    const replies = items.map((item) => this.#queryOne(item.db, item.request));
    return this.keyspace.readBehind ? TIME_BEHIND : replies;
  }

  #beginRead(leaderMs: number): void {
    const nowMs = Math.max(leaderMs, this.#clockMs);
    this.keyspace.beginRead(this.#clockMs, nowMs);
    this.#context.nowMs = nowMs;
    this.#context.reseed(this.#clockMs + this.#reads++);
  }

  #queryOne(db: number, request: Request): Reply {
    this.#context.db = this.keyspace.db(db);
    return this.#find(request).execute(this.#context, request);
  }
}
