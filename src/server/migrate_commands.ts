/**
 * MIGRATE: moves keys to another server. The node that the client is on reads the values as of one
 * moment, sends them with RESTORE, and removes what the target has acknowledged.
 *
 * What is atomic: the reading of all keys, and the removal of all of them together with a second
 * look at what they hold. A key that was changed while it was on its way is sent once more, as it
 * was when it was removed. If this node dies between that removal and that second sending, the
 * target keeps the older value: move keys that nobody writes, as with Redis across a failure.
 */

import type { Lane, OperationFailure, TransactionItem } from "../node/mod.ts";
import { PlatformError } from "../platform/mod.ts";
import { OK, type Reply, Request, RespError, SimpleString } from "../resp/mod.ts";
import { failureReply } from "./errors.ts";
import { migrateKeys, type MigrateOptions, parseMigrate } from "./migrate_options.ts";
import { MigrationTarget, TargetLost } from "./migration_target.ts";
import type { Session } from "./session.ts";
import { BLOCKED, defineSessionCommand, type SessionReply } from "./session_command.ts";

const NO_KEY = new SimpleString("NOKEY");
const CANNOT_CONNECT = new RespError("IOERR error or timeout writing to target instance");
const TARGET_LOST = new RespError("IOERR error or timeout reading to target instance");
const NOT_IN_MULTI = new RespError("ERR MIGRATE cannot run inside MULTI: send it by itself");
const FOREVER = -1;

export const migrateCommands = [
  defineSessionCommand({
    name: "migrate",
    arity: -6,
    flags: ["write", "movablekeys"],
    keys: { first: 3, last: 3, step: 1 },
    findKeys: migrateKeys,
    group: "generic",
    since: "2.6.0",
    summary: "Moves keys to another server, or copies them there.",
    complexity: "O(N) where N is the size of the values",
    afterPending: true,
    execute: migrate,
  }),
];

function migrate(session: Session, request: Request): SessionReply {
  if (session.insideExec) return NOT_IN_MULTI;
  const options = parseMigrate(request);
  if (options instanceof RespError) return options;
  // Of its own, and closed at the end alone: a client that goes must not leave keys half moved.
  const lane = session.server.gateway.openLane();
  void new Migration(session, lane, options).run().then((reply) => {
    lane.close();
    session.unblock(reply);
  });
  return BLOCKED;
}

/** A key and what it held when it was read. */
interface Moving {
  readonly key: string;
  readonly payload: Uint8Array;
  readonly deadlineMs: number;
  readonly ttlMs: number;
}

class Migration {
  readonly #session: Session;
  readonly #lane: Lane;
  readonly #options: MigrateOptions;

  constructor(session: Session, lane: Lane, options: MigrateOptions) {
    this.#session = session;
    this.#lane = lane;
    this.#options = options;
  }

  /** The reply of MIGRATE. Rejects only on a bug. */
  async run(): Promise<Reply> {
    const { keys } = this.#options;
    const found = await this.#transact(keys, false);
    if (found instanceof RespError) return found;
    if (found.length === 0) return NO_KEY;
    const { platform, clock } = this.#session.server;
    let target: MigrationTarget;
    try {
      target = await MigrationTarget.connect(platform.net, clock, this.#options);
    } catch (error) {
      if (error instanceof PlatformError) return CANNOT_CONNECT;
      throw error;
    }
    try {
      return await this.#move(target, found);
    } catch (error) {
      if (error instanceof TargetLost) return TARGET_LOST;
      throw error;
    } finally {
      target.close();
    }
  }

  async #move(target: MigrationTarget, found: readonly Moving[]): Promise<Reply> {
    const { auth, db, copy, replace } = this.#options;
    const refusal = (auth.length > 0 ? await this.#ask(target, "AUTH", ...auth) : undefined) ??
      await this.#ask(target, "SELECT", String(db));
    if (refusal !== undefined) return refusal;
    let firstError: RespError | undefined;
    const arrived: Moving[] = [];
    for (const moving of found) {
      const error = await this.#restore(target, moving, replace);
      if (error === undefined) arrived.push(moving);
      else firstError ??= error;
    }
    if (!copy && arrived.length > 0) {
      const removed = await this.#transact(arrived.map(({ key }) => key), true);
      if (removed instanceof RespError) return removed;
      firstError = await this.#sendChanged(target, arrived, removed) ?? firstError;
    }
    return firstError ?? OK;
  }

  /** What was written while a key was on its way must not be lost with it. */
  async #sendChanged(
    target: MigrationTarget,
    sent: readonly Moving[],
    removed: readonly Moving[],
  ): Promise<RespError | undefined> {
    let firstError: RespError | undefined;
    for (const last of removed) {
      const before = sent.find(({ key }) => key === last.key);
      if (before !== undefined && isSame(before, last)) continue;
      let error: RespError | undefined;
      try {
        error = await this.#restore(target, last, true);
      } catch (cause) {
        if (!(cause instanceof TargetLost)) throw cause;
        error = TARGET_LOST;
      }
      if (error === undefined) continue;
      firstError ??= error;
      firstError = await this.#putBack(last) ?? firstError;
    }
    return firstError;
  }

  /** Unless somebody has written the key again meanwhile: that is newer. */
  async #putBack(moving: Moving): Promise<RespError | undefined> {
    const ttl = String(moving.ttlMs);
    const request = Request.of("RESTORE", moving.key, ttl, moving.payload);
    const reply = await outcome((target) => this.#lane.write(this.#session.db, request, target));
    return reply instanceof RespError && !reply.text.startsWith("BUSYKEY") ? reply : undefined;
  }

  async #restore(
    target: MigrationTarget,
    moving: Moving,
    replace: boolean,
  ): Promise<RespError | undefined> {
    const options = replace ? ["REPLACE"] : [];
    return await this.#ask(
      target,
      "RESTORE",
      moving.key,
      String(moving.ttlMs),
      moving.payload,
      ...options,
    );
  }

  /** Undefined when the target agreed. */
  async #ask(
    target: MigrationTarget,
    ...parts: readonly (string | Uint8Array)[]
  ): Promise<RespError | undefined> {
    target.send(...parts);
    const line = await target.answer();
    if (!line.startsWith("-")) return undefined;
    return new RespError(`ERR Target instance replied with error: ${line.slice(1)}`);
  }

  /** Reads the keys that exist, at one moment; with `remove`, removes them in the same moment. */
  async #transact(keys: readonly string[], remove: boolean): Promise<Moving[] | RespError> {
    const { db } = this.#session;
    const items: TransactionItem[] = keys.flatMap((key) => [
      { db, request: Request.of("DUMP", key) },
      { db, request: Request.of("PEXPIRETIME", key) },
      { db, request: Request.of("PTTL", key) },
    ]);
    if (remove) items.push({ db, request: Request.of("DEL", ...keys) });
    const replies = await outcome((target) => this.#lane.transaction(items, remove, target));
    if (replies instanceof RespError) return replies;
    const moving: Moving[] = [];
    for (const [i, key] of keys.entries()) {
      const [payload, deadline, ttl] = (replies as readonly Reply[]).slice(3 * i, 3 * i + 3);
      if (!(payload instanceof Uint8Array)) continue;
      const ttlMs = Number(ttl);
      // 0 would be "for ever" to RESTORE.
      const lives = ttlMs === FOREVER ? 0 : Math.max(1, ttlMs);
      moving.push({ key, payload, deadlineMs: Number(deadline), ttlMs: lives });
    }
    return moving;
  }
}

/** Waits for the node's answer to one operation. */
function outcome(
  submit: (target: {
    onReply(reply: Reply): void;
    onFailure(failure: OperationFailure): void;
  }) => void,
): Promise<Reply> {
  return new Promise((resolve) => {
    submit({
      onReply: resolve,
      onFailure: (failure) => resolve(failureReply(failure)),
    });
  });
}

function isSame(a: Moving, b: Moving): boolean {
  return a.deadlineMs === b.deadlineMs && a.payload.length === b.payload.length &&
    a.payload.every((byte, i) => byte === b.payload[i]);
}
