/**
 * A keyspace run beside a real Redis: the same commands to both, the replies compared byte for byte.
 * What cannot be equal byte for byte (times to live, orders that come from a hash, draws) is compared
 * by what it must satisfy; `tolerances.ts` lists those commands.
 */

import { ByteWriter, latin1FromBytes, Prng } from "../../src/base/mod.ts";
import {
  arityError,
  arityFits,
  isWrite,
  lookupCommand,
  unknownCommand,
} from "../../src/commands/mod.ts";
import { Keyspace } from "../../src/keyspace/mod.ts";
import { encodeReply, type Reply, Request, type RespVersion } from "../../src/resp/mod.ts";
import { command, parseReply, RespClient } from "../support/resp_client.ts";
import { sameWithin } from "./tolerances.ts";

/** One keyspace, run as the replicated machine runs it. */
export class LocalServer {
  readonly keyspace = new Keyspace();
  readonly #random: Prng;
  db = 0;
  constructor(seed: number) {
    this.#random = new Prng(seed);
  }

  execute(parts: readonly string[], nowMs: number): Reply {
    const request = Request.of(...parts);
    const declared = lookupCommand(request);
    if (declared === undefined) return unknownCommand(request);
    if (!arityFits(declared, request)) return arityError(declared.name);
    if (isWrite(declared)) this.keyspace.beginWrite(Math.max(nowMs, this.keyspace.logMs));
    else this.keyspace.beginRead(nowMs, nowMs);
    return declared.execute(
      { keyspace: this.keyspace, db: this.keyspace.db(this.db), nowMs, random: this.#random },
      request,
    );
  }
}

export function encoded(reply: Reply, version: RespVersion): string {
  const writer = new ByteWriter();
  encodeReply(writer, reply, version);
  return latin1FromBytes(writer.view());
}

export class Twin {
  readonly local: LocalServer;
  readonly #redis: RespClient;
  readonly #version: RespVersion;
  readonly #context: string;
  commands = 0;

  private constructor(redis: RespClient, version: RespVersion, seed: number) {
    this.local = new LocalServer(seed);
    this.#redis = redis;
    this.#version = version;
    this.#context = `seed ${seed}, RESP${version}`;
  }

  static async open(port: number, version: RespVersion, seed: number): Promise<Twin> {
    const redis = await RespClient.connect(port, { timeoutMs: 30_000 });
    if (version === 3) await redis.call("HELLO", "3");
    await redis.call("FLUSHALL");
    return new Twin(redis, version, seed);
  }

  close(): void {
    this.#redis.close();
  }

  /** Runs the commands on both sides, in one pipeline, and throws at the first difference. */
  async run(batch: readonly (readonly string[])[]): Promise<void> {
    await this.#redis.send(batch.map((parts) => command(...parts)).join(""));
    const nowMs = Date.now();
    for (const parts of batch) {
      const theirs = await this.#redis.reply();
      const ours = encoded(this.local.execute(parts, nowMs), this.#version);
      this.commands++;
      if (theirs !== ours && !sameWithin(parts, theirs, ours)) this.#fail(parts, theirs, ours);
    }
  }

  /** Selects a database on both sides. */
  async select(index: number): Promise<void> {
    await this.#redis.call("SELECT", String(index));
    this.local.db = index;
  }

  /** Compares everything that both hold: keys, types, encodings, values, deadlines. */
  async compareContents(): Promise<void> {
    for (let db = 0; db < this.local.keyspace.databases; db++) {
      await this.select(db);
      const theirs = (await this.#redis.value("KEYS", "*") as string[]).sort();
      const ours = (parseReply(this.#ask("KEYS", "*")) as string[]).sort();
      if (JSON.stringify(theirs) !== JSON.stringify(ours)) {
        this.#fail(["KEYS", "*", `(database ${db})`], JSON.stringify(theirs), JSON.stringify(ours));
      }
      for (const key of theirs) await this.#compareKey(key);
    }
    await this.select(0);
  }

  async #compareKey(key: string): Promise<void> {
    const type = await this.#redis.value("TYPE", key);
    await this.run([
      ["TYPE", key],
      ["OBJECT", "ENCODING", key],
      ["PEXPIRETIME", key],
      type === "+hash" ? ["HGETALL", key] : ["GET", key],
    ]);
  }

  #ask(...parts: string[]): string {
    return encoded(this.local.execute(parts, Date.now()), this.#version);
  }

  #fail(parts: readonly string[], theirs: string, ours: string): never {
    const show = (text: string) => JSON.stringify(text.length > 600 ? text.slice(0, 600) : text);
    throw new Error(
      `${this.#context}, command ${this.commands}: ${show(parts.join(" "))}\n` +
        `  Redis answers ${show(theirs)}\n  Logboat answers ${show(ours)}`,
    );
  }
}
