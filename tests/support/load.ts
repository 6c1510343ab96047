/**
 * Clients that send mixed reads and writes to a cluster and record what they did. Each has one
 * request under way, so that a history says what was concurrent with what.
 */

import { Prng } from "../../src/base/mod.ts";
import type { TestNode } from "./cluster.ts";
import type { History, OpenOperation } from "./history.ts";
import type { KeyInput, KeyOutput } from "./key_model.ts";
import { pause } from "./wait.ts";
import { ConnectionLost, type WireClient, WireError, type WireReply } from "./wire_client.ts";

export interface LoadOptions {
  readonly history: History;
  readonly nodes: readonly TestNode[];
  /** Client number i talks to node i modulo the number of nodes. */
  readonly clients: number;
  readonly seed: number;
  /** What a client does next; the counter name belongs to the load's current phase. */
  readonly choose: (random: Prng, client: LoadClient) => { key: string; input: KeyInput };
  /** Longest random pause between two requests of a client: leaves processor time to the nodes. */
  readonly thinkMsMax: number;
}

/** Something that went wrong for a client, beside a lost connection. */
export interface ClientError {
  readonly nodeId: number;
  readonly client: number;
  readonly atMs: number;
  readonly text: string;
}

/** One client and its counts. */
export class LoadClient {
  readonly number: number;
  readonly node: TestNode;
  readonly errors: ClientError[] = [];
  /** Times at which its connection was lost while a request was under way, or was refused. */
  readonly losses: number[] = [];
  /** Operations that were answered with success. */
  succeeded = 0;
  /** Operations whose outcome is not known; the client went on as a new one after each. */
  unknowns = 0;
  readonly #options: LoadOptions;
  readonly #random: Prng;
  #process: number;
  #connection: WireClient | undefined;
  #stopped = false;
  readonly ended: Promise<void>;

  constructor(options: LoadOptions, number: number) {
    this.#options = options;
    this.number = number;
    this.node = options.nodes[number % options.nodes.length];
    this.#random = new Prng(options.seed * 1000 + number);
    this.#process = options.history.newProcess();
    this.ended = this.#run();
    // Whoever awaits `ended` sees the error; until then it must not count as unhandled.
    this.ended.catch(() => {});
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The address of a stopped process refuses; the client tries again until it is stopped itself. */
  async #connected(): Promise<WireClient | undefined> {
    if (this.#connection !== undefined && !this.#connection.isClosed) return this.#connection;
    try {
      this.#connection = await this.node.connect();
    } catch (error) {
      // The others: the process died with the connection in its queue, or right after it was made.
      const expected = error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.NotConnected;
      if (!expected) throw error;
      this.losses.push(performance.now());
      await pause(20);
      return undefined;
    }
    return this.#connection;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const connection = await this.#connected();
      if (connection === undefined) continue;
      await this.#operate(connection);
      await pause(this.#random.unit() * this.#options.thinkMsMax);
    }
    this.#connection?.close();
    await this.#connection?.closed;
  }

  async #operate(connection: WireClient): Promise<void> {
    const { key, input } = this.#options.choose(this.#random, this);
    const open = this.#options.history.call(this.#process, key, input);
    let reply: WireReply;
    try {
      reply = await connection.command(...commandOf(key, input));
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.losses.push(performance.now());
      this.#outcomeUnknown(open);
      return;
    }
    if (reply instanceof WireError) this.#refused(open, connection, reply);
    else {
      this.succeeded++;
      this.#options.history.returned(open, reply as KeyOutput);
    }
  }

  #refused(open: OpenOperation, connection: WireClient, reply: WireError): void {
    const { number: client, node } = this;
    this.errors.push({ nodeId: node.id, client, atMs: performance.now(), text: reply.message });
    // The one class that promises that nothing happened and nothing will.
    if (reply.message.startsWith("CLUSTERDOWN ")) this.#options.history.failed(open);
    else {
      connection.close();
      this.#outcomeUnknown(open);
    }
  }

  #outcomeUnknown(open: OpenOperation): void {
    this.unknowns++;
    this.#options.history.unknown(open);
    this.#process = this.#options.history.newProcess();
  }
}

/** The Redis command for an operation of the model. */
export function commandOf(key: string, input: KeyInput): (string | number)[] {
  switch (input.kind) {
    case "get":
      return ["GET", key];
    case "set":
      return ["SET", key, input.value];
    case "setIfAbsent":
      return ["SET", key, input.value, "NX"];
    case "getSet":
      return ["SET", key, input.value, "GET"];
    case "incrBy":
      return ["INCRBY", key, input.by];
    case "append":
      return ["APPEND", key, input.value];
    case "delete":
      return ["DEL", key];
    case "compareAndSet":
      throw new Error("Cannot send a compare-and-set: Redis has no single command for it");
  }
}

/** All clients of a run. */
export class Load {
  readonly clients: readonly LoadClient[];

  constructor(options: LoadOptions) {
    this.clients = Array.from({ length: options.clients }, (_, i) => new LoadClient(options, i));
  }

  /** Lets requests under way finish; throws what a client threw. */
  async stop(): Promise<void> {
    for (const client of this.clients) client.stop();
    await Promise.all(this.clients.map((client) => client.ended));
  }

  get succeeded(): number {
    return this.clients.reduce((sum, client) => sum + client.succeeded, 0);
  }

  /** What clients of a node met since a moment: errors, and losses of their connection. */
  problemsOf(node: TestNode, sinceMs: number): string[] {
    return this.clients.filter((client) => client.node === node).flatMap((client) => [
      ...client.errors.filter(({ atMs }) => atMs >= sinceMs).map(({ text }) =>
        `client ${client.number}: ${text}`
      ),
      ...client.losses.filter((atMs) => atMs >= sinceMs).map(() =>
        `client ${client.number}: connection lost`
      ),
    ]);
  }
}

/** Registers, swaps, lists and deletions over a fixed set of keys; every value is written once. */
export class MixedOperations {
  #nextValue = 0;
  readonly #keys: number;

  constructor(keys: number) {
    this.#keys = keys;
  }

  choose(random: Prng): { key: string; input: KeyInput } {
    const number = random.between(0, this.#keys - 1);
    const fresh = `v${this.#nextValue++};`;
    const dice = random.between(0, 99);
    if (number % 3 === 0) {
      const key = `list:${number}`;
      if (dice < 60) return { key, input: { kind: "get" } };
      return { key, input: { kind: "append", value: fresh } };
    }
    const key = `register:${number}`;
    if (dice < 50) return { key, input: { kind: "get" } };
    if (dice < 80) return { key, input: { kind: "set", value: fresh } };
    if (dice < 88) return { key, input: { kind: "getSet", value: fresh } };
    if (dice < 94) return { key, input: { kind: "setIfAbsent", value: fresh } };
    return { key, input: { kind: "delete" } };
  }
}
