/**
 * Clients that append to lists and read them in transactions, for the check of strict
 * serializability. A list is a string of numbers that each end with a semicolon.
 */

import { Prng } from "../../src/base/mod.ts";
import type { TestNode } from "./cluster.ts";
import type { ListTransaction, MicroOperation } from "./list_append.ts";
import { pause } from "./wait.ts";
import { ConnectionLost, type WireClient, WireError, type WireReply } from "./wire_client.ts";

export interface TransactionLoadOptions {
  readonly nodes: readonly TestNode[];
  /** Client number i talks to node i modulo the number of nodes. */
  readonly clients: number;
  readonly keys: number;
  readonly seed: number;
  readonly thinkMsMax: number;
}

const OPERATIONS_MAX = 4;

export class TransactionLoad {
  /** What was done, in no order; complete once stopped. */
  readonly transactions: ListTransaction[] = [];
  readonly #options: TransactionLoadOptions;
  readonly #ended: Promise<void>[];
  #nextElement = 1;
  #stopped = false;

  constructor(options: TransactionLoadOptions) {
    this.#options = options;
    this.#ended = Array.from({ length: options.clients }, (_, i) => this.#run(i));
    for (const ended of this.#ended) ended.catch(() => {});
  }

  get committed(): number {
    return this.transactions.filter(({ outcome }) => outcome === "ok").length;
  }

  /** Lets transactions under way finish; throws what a client threw. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#ended);
  }

  /** One more transaction of this client, which reads every list. */
  async readAll(client: WireClient): Promise<void> {
    const names = Array.from({ length: this.#options.keys }, (_, key) => keyName(key));
    await this.#transact(client, names.map((key) => ({ kind: "read", key, elements: undefined })));
  }

  async #run(number: number): Promise<void> {
    const { nodes, seed, thinkMsMax } = this.#options;
    const random = new Prng(seed * 1000 + 500 + number);
    const node = nodes[number % nodes.length];
    let client: WireClient | undefined;
    while (!this.#stopped) {
      try {
        if (client === undefined || client.isClosed) client = await node.connect();
        await this.#transact(client, this.#choose(random));
      } catch (error) {
        const expected = error instanceof Deno.errors.ConnectionRefused ||
          error instanceof Deno.errors.ConnectionReset ||
          error instanceof Deno.errors.NotConnected;
        if (!expected) throw error;
      }
      await pause(random.unit() * thinkMsMax);
    }
    client?.close();
    await client?.closed;
  }

  #choose(random: Prng): MicroOperation[] {
    return Array.from({ length: random.between(1, OPERATIONS_MAX) }, () => {
      const key = keyName(random.between(0, this.#options.keys - 1));
      return random.chance(0.5)
        ? { kind: "append", key, element: this.#nextElement++ }
        : { kind: "read", key, elements: undefined };
    });
  }

  async #transact(client: WireClient, operations: readonly MicroOperation[]): Promise<void> {
    const callMs = performance.now();
    let replies: WireReply[];
    try {
      replies = await client.pipeline([["MULTI"], ...operations.map(commandOf), ["EXEC"]]);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.#unanswered(operations, callMs, "unknown");
      return;
    }
    const results = replies.at(-1)!;
    if (Array.isArray(results)) {
      this.transactions.push({
        operations: operations.map((operation, at) => withResult(operation, results[at])),
        callMs,
        returnMs: performance.now(),
        outcome: "ok",
      });
      return;
    }
    if (!(results instanceof WireError)) throw new Error(`Cannot understand EXEC: ${results}`);
    const failed = /^(CLUSTERDOWN|EXECABORT) /.test(results.message);
    this.#unanswered(operations, callMs, failed ? "failed" : "unknown");
    // Whatever state the connection is in, the next transaction begins on a new one.
    client.close();
  }

  #unanswered(
    operations: readonly MicroOperation[],
    callMs: number,
    outcome: "unknown" | "failed",
  ): void {
    this.transactions.push({ operations, callMs, returnMs: Infinity, outcome });
  }
}

function keyName(key: number): string {
  return `transactions:${key}`;
}

function commandOf(operation: MicroOperation): string[] {
  return operation.kind === "append"
    ? ["APPEND", operation.key, `${operation.element};`]
    : ["GET", operation.key];
}

function withResult(operation: MicroOperation, result: WireReply): MicroOperation {
  if (operation.kind === "append") return operation;
  const text = (result ?? "") as string;
  return { ...operation, elements: text.split(";").slice(0, -1).map(Number) };
}
