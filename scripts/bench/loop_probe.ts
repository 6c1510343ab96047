/**
 * How long a node's event loop is away, seen from outside: PING is answered by the node alone, so
 * what it takes is the loop and the machine. A sample every two milliseconds sees any pause that is
 * longer; the node's own metric looks four times a second, which finds one of 20 ms in a dozen only
 * when it comes often.
 */

import { pause, WireClient } from "./support.ts";

const intervalMs = 2;

export class LoopProbe {
  readonly #client: WireClient;
  #delaysMs: number[] = [];
  #stopping = false;
  #failure: unknown;
  readonly #ended: Promise<void>;

  private constructor(client: WireClient) {
    this.#client = client;
    this.#ended = this.#run().catch((error) => {
      this.#failure = error;
    });
  }

  static async start(port: number): Promise<LoopProbe> {
    return new LoopProbe(await WireClient.connect(port));
  }

  /** Delays since the last call. */
  take(): readonly number[] {
    if (this.#failure !== undefined) throw this.#failure;
    const taken = this.#delaysMs;
    this.#delaysMs = [];
    return taken;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const startMs = performance.now();
      await this.#client.call("PING");
      this.#delaysMs.push(performance.now() - startMs);
      await pause(intervalMs);
    }
  }
}
