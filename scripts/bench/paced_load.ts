/**
 * Load at a fixed rate, whatever the answers do: commands leave when they are due, so that a pause
 * of the server is a long latency and not a smaller load. Every key belongs to one connection, which
 * remembers what it wrote last: after `stop` that is what the keys must hold.
 */

import { valueBytes } from "./redis_benchmark.ts";
import { encodeCommand, pause, until } from "./support.ts";

export interface PacedLoadOptions {
  /** Connections go to these in turn. */
  readonly ports: readonly number[];
  readonly commandsPerSecond: number;
  /** Part of the batches that read; the others write. */
  readonly readShare: number;
  /** Keys that exist, as `keyName` names them. */
  readonly keys: number;
}

const connections = 8;
const tickMs = 4;
/** A connection that waits for so many answers gets no more commands: then the rate is missed. */
const unansweredMax = 20_000;
const drainMs = 30_000;
const digits = 12;

export function keyName(key: number): string {
  return `key:${String(key).padStart(digits, "0")}`;
}

/** What the `sequence`th write of a connection gives a key. */
export function valueOf(sequence: number): string {
  return String(sequence).padStart(digits, "0").padEnd(valueBytes, "x");
}

/** What came back since the last `take`. */
export interface PacedSample {
  readonly seconds: number;
  readonly answered: number;
  /** Of each batch, from its sending to its last reply. */
  readonly latenciesMs: readonly number[];
}

export class PacedLoad {
  readonly #options: PacedLoadOptions;
  readonly #connections: readonly PacedConnection[];
  #startMs = performance.now();
  #stopping = false;
  readonly #ended: Promise<void>;

  private constructor(options: PacedLoadOptions, connections: readonly PacedConnection[]) {
    this.#options = options;
    this.#connections = connections;
    this.#ended = this.#run();
  }

  static async start(options: PacedLoadOptions): Promise<PacedLoad> {
    const opened: PacedConnection[] = [];
    for (let i = 0; i < connections; i++) {
      opened.push(await PacedConnection.open(options.ports[i % options.ports.length], i, options));
    }
    return new PacedLoad(options, opened);
  }

  /** Answers since the last call; throws when the server answered with an error or hung up. */
  take(): PacedSample {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#startMs) / 1000;
    this.#startMs = nowMs;
    const parts = this.#connections.map((each) => each.take());
    return {
      seconds,
      answered: parts.reduce((sum, part) => sum + part.answered, 0),
      latenciesMs: parts.flatMap((part) => part.latenciesMs),
    };
  }

  /** Sends no more, and waits for every answer. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
    try {
      await until("answers to all commands", { withinMs: drainMs }, () => {
        return this.#connections.every((each) => each.unanswered === 0);
      });
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#stopping = true;
    for (const connection of this.#connections) connection.close();
  }

  /** The write that `key` got last; 0 for none. */
  lastSequence(key: number): number {
    return this.#connections[key % connections].lastSequence(key);
  }

  async #run(): Promise<void> {
    const { commandsPerSecond, readShare } = this.#options;
    const startMs = performance.now();
    let sent = 0;
    let next = 0;
    while (!this.#stopping) {
      const due = Math.floor((performance.now() - startMs) / 1000 * commandsPerSecond) - sent;
      const each = Math.ceil(due / connections);
      for (let left = due; left > 0; left -= each) {
        this.#connections[next++ % connections].send(
          Math.min(each, left),
          Math.random() < readShare,
        );
      }
      sent += due;
      await pause(tickMs);
    }
  }
}

interface SentBatch {
  readonly isRead: boolean;
  readonly commands: number;
  readonly sentMs: number;
  /** Replies that are to come. */
  left: number;
}

const okBytes = "+OK\r\n".length;
const bulkBytes = `$${valueBytes}\r\n`.length + valueBytes + 2;

class PacedConnection {
  readonly #connection: Deno.TcpConn;
  readonly #index: number;
  /** Of each of its keys. */
  readonly #lastSequences: Uint32Array;
  readonly #sent: SentBatch[] = [];
  #sequence = 0;
  /** Bytes of the reply that is being read which are to come. */
  #replyLeft = 0;
  #answered = 0;
  #latenciesMs: number[] = [];
  #failure: Error | undefined;
  #closed = false;
  #writing: Promise<void> = Promise.resolve();
  unanswered = 0;

  private constructor(connection: Deno.TcpConn, index: number, keys: number) {
    this.#connection = connection;
    this.#index = index;
    this.#lastSequences = new Uint32Array(Math.ceil((keys - index) / connections));
    void this.#read();
  }

  static async open(
    port: number,
    index: number,
    { keys }: PacedLoadOptions,
  ): Promise<PacedConnection> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new PacedConnection(connection, index, keys);
  }

  lastSequence(key: number): number {
    return this.#lastSequences[Math.floor(key / connections)];
  }

  send(commands: number, isRead: boolean): void {
    if (this.#failure !== undefined || this.unanswered + commands > unansweredMax) return;
    let text = "";
    for (let i = 0; i < commands; i++) {
      const place = Math.floor(Math.random() * this.#lastSequences.length);
      const key = keyName(place * connections + this.#index);
      if (!isRead) this.#lastSequences[place] = ++this.#sequence;
      text += encodeCommand(isRead ? ["GET", key] : ["SET", key, valueOf(this.#sequence)]);
    }
    this.#sent.push({ isRead, commands, sentMs: performance.now(), left: commands });
    this.unanswered += commands;
    this.#write(new TextEncoder().encode(text));
  }

  take(): { readonly answered: number; readonly latenciesMs: readonly number[] } {
    if (this.#failure !== undefined) throw this.#failure;
    const taken = { answered: this.#answered, latenciesMs: this.#latenciesMs };
    this.#answered = 0;
    this.#latenciesMs = [];
    return taken;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  #write(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      try {
        for (let at = 0; at < bytes.length;) {
          at += await this.#connection.write(bytes.subarray(at));
        }
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await this.#connection.read(chunk);
        if (count === null) throw new Error("the server closed the connection");
        this.#takeReplies(chunk.subarray(0, count));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #takeReplies(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const batch = this.#sent[0];
      if (this.#replyLeft === 0) this.#replyLeft = lengthOfReply(bytes.subarray(at), batch);
      const step = Math.min(this.#replyLeft, bytes.length - at);
      at += step;
      this.#replyLeft -= step;
      if (this.#replyLeft > 0 || --batch.left > 0) continue;
      this.#sent.shift();
      this.unanswered -= batch.commands;
      this.#answered += batch.commands;
      this.#latenciesMs.push(performance.now() - batch.sentMs);
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#failure ??= new Error(`Cannot go on with the load: ${reason}`);
  }
}

/** Every right reply of a kind has the same length; any other one ends the measurement. */
function lengthOfReply(bytes: Uint8Array, batch: SentBatch | undefined): number {
  const [plus, dollar, minus] = [0x2b, 0x24, 0x2d];
  if (batch?.isRead === false && bytes[0] === plus) return okBytes;
  if (batch?.isRead === true && bytes[0] === dollar && bytes[1] !== minus) return bulkBytes;
  const line = new TextDecoder().decode(bytes.subarray(0, 200)).split("\r\n")[0];
  throw new Error(`found the reply ${JSON.stringify(line)}`);
}
