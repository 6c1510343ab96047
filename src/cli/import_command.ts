/**
 * `logboat import FILE`: puts the keys of an RDB file, as Redis writes them, into a running cluster,
 * by RESTORE through any node's Redis listener, so through the log. The file is read twice: to its
 * end with its checksum first, then to send what is in it.
 */

import { formatHostPort, isWildcard, parseFlags, parseHostPort } from "../config/mod.ts";
import { dumpValue, RdbFileReader, type RdbVisitor } from "../keyspace/mod.ts";
import { type Platform, PlatformError } from "../platform/mod.ts";
import { MigrationTarget, TargetLost } from "../server/mod.ts";
import { printError, printOut } from "./console.ts";
import type { ExitName } from "./exit_codes.ts";
import { CliFailure } from "./failure.ts";
import { readFailure, readRdbFile } from "./rdb_source.ts";
import { readSecrets, readSettings } from "./settings_source.ts";
import type { Subcommand } from "./subcommand.ts";

/** Keys on their way at a time. */
const WINDOW_KEYS = 256;
const WINDOW_BYTES = 4 << 20;
/** More than `redis.operation-timeout-ms` allows a node by default. */
const ANSWER_TIMEOUT_MS = 30_000;

export const importCommand: Subcommand = {
  name: "import",
  usage: "import FILE [--redis HOST:PORT] [--replace yes|no] [flags]",
  summary: "Puts the keys of a Redis RDB file into a running cluster, through any node.",
  details:
    "Without --redis it asks the node of the same settings on this machine; the password is\n" +
    "redis.password. Keys that exist are left alone unless --replace yes is given.",
  takesSettings: true,
  run: runImport,
};

/** What was found and what became of it. */
class Tally {
  found = 0;
  imported = 0;
  existing = 0;
  expired = 0;
  refused = 0;
  firstRefusal = "";
  readonly skipped = new Map<string, number>();

  skip(what: string): void {
    this.skipped.set(what, (this.skipped.get(what) ?? 0) + 1);
  }

  get complete(): boolean {
    return this.existing === 0 && this.refused === 0 && this.skipped.size === 0;
  }
}

interface Entry {
  readonly db: number;
  readonly key: string;
  readonly payload: Uint8Array;
  readonly deadlineMs: number | bigint;
}

async function runImport(platform: Platform, args: readonly string[]): Promise<ExitName> {
  const flags = parseFlags(args, { settings: true, own: ["redis", "replace"] });
  const [path, ...others] = flags.words;
  if (flags.problems.length === 0 && (path === undefined || others.length > 0)) {
    throw new CliFailure("usage", [
      `Cannot run import: found "${flags.words.join(" ")}", expected one RDB file`,
    ]);
  }
  const replace = flags.own.get("replace") ?? "no";
  if (replace !== "yes" && replace !== "no") {
    throw new CliFailure("usage", [`Cannot use --replace: found "${replace}", expected yes or no`]);
  }
  const { settings } = await readSettings(platform, flags);
  const { redisPassword } = await readSecrets(platform, settings);
  const given = flags.own.get("redis");
  const address = given === undefined ? settings.redis.listen : parseHostPort(given);
  if (address === undefined) {
    throw new CliFailure("usage", [`Cannot use --redis: found "${given}", expected HOST:PORT`]);
  }
  const { hostname, port } = address;
  const reachable = isWildcard(hostname) ? (hostname === "::" ? "::1" : "127.0.0.1") : hostname;
  await readFile(platform, path, CHECK_ONLY, () => Promise.resolve());
  const sender = await Sender.connect(platform, { hostname: reachable, port }, redisPassword);
  const tally = new Tally();
  try {
    await sender.sendFile(path, replace === "yes", tally);
  } catch (error) {
    if (!(error instanceof TargetLost)) throw error;
    throw new CliFailure("importIncomplete", [
      `Cannot go on importing after ${tally.imported} keys: ${error.message}. Import again when ` +
      `the node at ${formatHostPort(address)} answers`,
    ]);
  } finally {
    sender.close();
  }
  await report(platform, tally);
  return tally.complete ? "ok" : "importIncomplete";
}

const CHECK_ONLY: RdbVisitor = { aux() {}, entry() {}, skippedKey() {}, skippedOther() {} };

/** Reads all of the file; `afterChunk` is waited for before more is read. */
async function readFile(
  platform: Platform,
  path: string,
  visitor: RdbVisitor,
  afterChunk: () => Promise<void>,
): Promise<void> {
  try {
    await readRdbFile(platform, path, new RdbFileReader(visitor), afterChunk);
  } catch (error) {
    throw readFailure(`import ${path}`, error);
  }
}

/** The connection to a node, and the keys that it has not answered yet. */
class Sender {
  readonly #platform: Platform;
  readonly #target: MigrationTarget;
  #db = 0;
  #waiting = 0;
  #waitingBytes = 0;

  private constructor(platform: Platform, target: MigrationTarget) {
    this.#platform = platform;
    this.#target = target;
  }

  static async connect(
    platform: Platform,
    address: { readonly hostname: string; readonly port: number },
    password: string,
  ): Promise<Sender> {
    const node = formatHostPort(address);
    const timeoutMs = ANSWER_TIMEOUT_MS;
    try {
      const { net, clock } = platform;
      const target = await MigrationTarget.connect(net, clock, { ...address, timeoutMs });
      if (password !== "") target.send("AUTH", password);
      target.send("SELECT", "0");
      for (let answers = password === "" ? 1 : 2; answers > 0; answers--) {
        const line = await target.answer();
        if (!line.startsWith("-")) continue;
        target.close();
        throw new CliFailure("notHealthy", [`Cannot import: the node at ${node} says ${line}`]);
      }
      return new Sender(platform, target);
    } catch (error) {
      if (!(error instanceof PlatformError) && !(error instanceof TargetLost)) throw error;
      throw new CliFailure("notHealthy", [
        `Cannot import: the node at ${node} does not answer (${error.message}). Start it first, ` +
        "or name another with --redis",
      ]);
    }
  }

  close(): void {
    this.#target.close();
  }

  async sendFile(path: string, replace: boolean, tally: Tally): Promise<void> {
    const entries: Entry[] = [];
    const visitor: RdbVisitor = {
      aux() {},
      entry(db, key, value, deadlineMs = 0) {
        entries.push({ db, key, payload: dumpValue(value), deadlineMs });
      },
      skippedKey: (_db, _key, typeName) => tally.skip(`${typeName} keys`),
      skippedOther: (what) => tally.skip(what),
    };
    await readFile(this.#platform, path, visitor, async () => {
      for (const entry of entries.splice(0)) await this.#send(entry, replace, tally);
    });
    while (this.#waiting > 0) await this.#take(tally);
  }

  async #send(entry: Entry, replace: boolean, tally: Tally): Promise<void> {
    const { db, key, payload, deadlineMs } = entry;
    tally.found++;
    if (deadlineMs !== 0 && deadlineMs <= this.#platform.clock.wallMs()) {
      tally.expired++;
      return;
    }
    if (db !== this.#db) await this.#select(db, tally);
    const ttl = deadlineMs === 0 ? ["0"] : [String(deadlineMs)];
    const options = deadlineMs === 0 ? [] : ["ABSTTL"];
    if (replace) options.push("REPLACE");
    this.#target.send("RESTORE", key, ...ttl, payload, ...options);
    this.#waiting++;
    this.#waitingBytes += payload.length;
    if (this.#waiting < WINDOW_KEYS && this.#waitingBytes < WINDOW_BYTES) return;
    while (this.#waiting > 0) await this.#take(tally);
    this.#waitingBytes = 0;
  }

  async #select(db: number, tally: Tally): Promise<void> {
    while (this.#waiting > 0) await this.#take(tally);
    this.#target.send("SELECT", String(db));
    const line = await this.#target.answer();
    if (line.startsWith("-")) {
      throw new CliFailure("importIncomplete", [
        `Cannot import the keys of database ${db}: the node says ${line}`,
      ]);
    }
    this.#db = db;
  }

  async #take(tally: Tally): Promise<void> {
    const line = await this.#target.answer();
    this.#waiting--;
    if (!line.startsWith("-")) tally.imported++;
    else if (line.startsWith("-BUSYKEY")) tally.existing++;
    else {
      tally.refused++;
      if (tally.firstRefusal === "") tally.firstRefusal = line;
    }
  }
}

async function report(platform: Platform, tally: Tally): Promise<void> {
  const { process } = platform;
  await printOut(process, `imported ${tally.imported} keys`);
  const lines: string[] = [];
  if (tally.expired > 0) lines.push(`${tally.expired} keys had expired and were left out`);
  if (tally.existing > 0) {
    lines.push(`${tally.existing} keys exist already and were left alone: see --replace yes`);
  }
  for (const [what, count] of tally.skipped) {
    lines.push(`${count} ${what} were left out: Logboat has no such type`);
  }
  if (tally.refused > 0) {
    lines.push(`${tally.refused} keys were refused, the first with ${tally.firstRefusal}`);
  }
  if (lines.length > 0) await printError(process, lines.join("\n"));
}
