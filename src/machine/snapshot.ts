/**
 * Snapshots: RDB files that Redis loads too, with what makes a machine of the keys in auxiliary fields
 * (architecture D8). The same fields on every member for the same applied entries.
 */

import { byteHex, hexBytes } from "./hex.ts";
import {
  type DeadlineMs,
  RdbError,
  RdbFileReader,
  type RdbVisitor,
  type Value,
} from "../keyspace/mod.ts";
import type { BatchId } from "./batch.ts";
import { DATABASES, Machine } from "./machine.ts";

/** The last entry that a snapshot covers, and the members as of then, as the core encodes them. */
export interface SnapshotHeader {
  readonly last: { readonly term: number; readonly index: number };
  readonly configuration: Uint8Array;
}

/** What a machine is beside its keyspace and its header. */
export interface MachineState {
  readonly origins: readonly BatchId[];
  readonly removedOrigins: readonly number[];
  readonly clockMs: number;
  readonly expiredKeys: number;
  readonly batches: number;
  readonly commands: number;
  readonly stateHash: string;
}

/** The bytes of a snapshot, made slice by slice while entries are applied. */
export interface SnapshotWalk {
  /** The next bytes, at most `bytesMax`, valid until the next call; undefined when all were given. */
  next(bytesMax: number): Uint8Array | undefined;
  /** Ends it before its end. */
  abandon(): void;
}

/** The auxiliary fields, in the order of the file. */
export function auxOf(header: SnapshotHeader, state: MachineState): [string, string][] {
  const seconds = Math.floor(state.clockMs / 1000);
  return [
    ["redis-ver", "7.0.0"],
    ["redis-bits", "64"],
    ["ctime", String(seconds)],
    ["logboat-format", FORMAT],
    ["logboat-index", String(header.last.index)],
    ["logboat-term", String(header.last.term)],
    ["logboat-configuration", byteHex(header.configuration)],
    [
      "logboat-origins",
      state.origins.map((row) => `${row.origin}:${row.incarnation}:${row.sequence}`).join(","),
    ],
    ["logboat-origins-removed", state.removedOrigins.join(",")],
    ["logboat-clock-ms", String(state.clockMs)],
    ["logboat-expired-keys", String(state.expiredKeys)],
    ["logboat-batches", String(state.batches)],
    ["logboat-commands", String(state.commands)],
    ["logboat-state-hash", `x${state.stateHash}`],
  ];
}

/** Changed when a reader of this one would restore something else. */
const FORMAT = "1";

/** Makes a machine from the bytes of a snapshot, in any slices. Throws `RdbError` on damage. */
export class SnapshotLoader implements RdbVisitor {
  readonly #reader = new RdbFileReader(this, true);
  readonly #aux = new Map<string, string>();
  readonly #machine = new Machine();

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  /** All bytes were given: the machine, whole and verified. */
  finish(): { machine: Machine; header: SnapshotHeader } {
    this.#reader.finish();
    const format = this.#field("logboat-format");
    if (format !== FORMAT) {
      throw new RdbError(
        "newerVersion",
        `Cannot load a snapshot of format ${format}: want ${FORMAT}`,
      );
    }
    const header: SnapshotHeader = {
      last: { term: this.#integer("logboat-term"), index: this.#integer("logboat-index") },
      configuration: hexBytes(this.#field("logboat-configuration")) ?? this.#bad("configuration"),
    };
    const stateHash = this.#field("logboat-state-hash");
    if (!/^x[0-9a-f]{16}$/.test(stateHash)) this.#bad("state-hash");
    this.#machine.restore(header, {
      origins: this.#list("logboat-origins").map((row) => this.#origin(row)),
      removedOrigins: this.#list("logboat-origins-removed").map((id) => this.#number(id)),
      clockMs: this.#integer("logboat-clock-ms"),
      expiredKeys: this.#integer("logboat-expired-keys"),
      batches: this.#integer("logboat-batches"),
      commands: this.#integer("logboat-commands"),
      stateHash: stateHash.slice(1),
    });
    return { machine: this.#machine, header };
  }

  aux(name: string, value: string): void {
    this.#aux.set(name, value);
  }

  sizes(db: number, keys: number, expires: number): void {
    const database = db < DATABASES ? this.#machine.keyspace.db(db) : undefined;
    if (database?.size === 0) database.reserve(keys, expires);
  }

  entry(db: number, key: string, value: Value, deadlineMs: DeadlineMs | undefined): void {
    const isNew = db < DATABASES && this.#machine.keyspace.db(db).restore(key, value, deadlineMs);
    if (isNew) return;
    const what = db < DATABASES ? "it is there twice" : `database ${db} does not exist`;
    throw new RdbError("damaged", `Cannot load key ${JSON.stringify(key)}: ${what}`);
  }

  skippedKey(_db: number, key: string, typeName: string): void {
    const name = JSON.stringify(key);
    throw new RdbError("unsupportedType", `Cannot load key ${name}: a snapshot has no ${typeName}`);
  }

  skippedOther(what: string): void {
    throw new RdbError("unsupportedType", `Cannot load a snapshot with a ${what}`);
  }

  #field(name: string): string {
    const value = this.#aux.get(name);
    if (value !== undefined) return value;
    const text = `Cannot load a snapshot without ${name}: bring a file of Redis in by import`;
    throw new RdbError("damaged", text);
  }

  #list(name: string): string[] {
    const text = this.#field(name);
    return text === "" ? [] : text.split(",");
  }

  #integer(name: string): number {
    return this.#number(this.#field(name));
  }

  #origin(row: string): BatchId {
    const [origin, incarnation, sequence] = row.split(":").map((part) => this.#number(part));
    if (sequence === undefined) this.#bad("origins");
    return { origin, incarnation, sequence };
  }

  #number(text: string): number {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    return Number.isSafeInteger(number) ? number : this.#bad(`number ${JSON.stringify(text)}`);
  }

  #bad(what: string): never {
    throw new RdbError("damaged", `Cannot load a snapshot: its ${what} makes no sense`);
  }
}
