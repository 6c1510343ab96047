/**
 * A connection to the server that keys are moved to, by MIGRATE or from a file. It is only ever asked
 * for answers of one line.
 */

import { ByteWriter, latin1FromBytes } from "../base/mod.ts";
import type { Clock, Connection, ConnectionHandler, Net } from "../platform/mod.ts";
import { Request } from "../resp/mod.ts";

/** An answer longer than this is none. */
const LINE_BYTES_MAX = 4096;

/** The target cannot be reached, closed the connection or did not answer in time. */
export class TargetLost extends Error {
  override readonly name = "TargetLost";
}

interface Waiter {
  readonly resolve: (line: string) => void;
  readonly reject: (error: TargetLost) => void;
}

/** Commands go out in a pipeline; answers are taken in their order. */
export class MigrationTarget implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #text = "";
  readonly #lines: string[] = [];
  #waiter: Waiter | undefined;
  #lost = false;

  private constructor(connection: Connection, clock: Clock, timeoutMs: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    connection.start(this);
  }

  /** Throws `PlatformError` when there is nobody. */
  static async connect(
    net: Net,
    clock: Clock,
    address: { readonly hostname: string; readonly port: number; readonly timeoutMs: number },
  ): Promise<MigrationTarget> {
    return new MigrationTarget(await net.connect(address), clock, address.timeoutMs);
  }

  /** Sends a command; its answer is the next line that `answer` has not given yet. */
  send(...parts: readonly (string | Uint8Array)[]): void {
    if (this.#lost) return;
    const writer = new ByteWriter();
    Request.of(...parts).writeTo(writer);
    this.#connection.output.bytes(writer.buffer, 0, writer.length);
    this.#connection.flush();
  }

  /** The next answer without its line end, such as `+OK`. Rejects with `TargetLost`. */
  answer(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#lost) return Promise.reject(new TargetLost("the connection is closed"));
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.#timeoutMs, () => this.#lose("no answer in time"));
      this.#waiter = {
        resolve: (text) => {
          timer.cancel();
          resolve(text);
        },
        reject: (error) => {
          timer.cancel();
          reject(error);
        },
      };
    });
  }

  close(): void {
    this.#lose("closed");
  }

  onData(bytes: Uint8Array): void {
    this.#text += latin1FromBytes(bytes);
    for (let end = this.#text.indexOf("\r\n"); end >= 0; end = this.#text.indexOf("\r\n")) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter === undefined) this.#lines.push(line);
      else waiter.resolve(line);
    }
    if (this.#text.length > LINE_BYTES_MAX) this.#lose("an answer without an end");
  }

  onClosed(): void {
    this.#lose("the connection is closed");
  }

  #lose(reason: string): void {
    if (!this.#lost) this.#connection.destroy();
    this.#lost = true;
    this.#waiter?.reject(new TargetLost(reason));
    this.#waiter = undefined;
  }
}
