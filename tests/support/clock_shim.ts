/** Builds `clock_shim.c` and moves the clocks of nodes through its control files. */

import { buildShim } from "./build_shim.ts";
import type { TestNode } from "./cluster.ts";

const controlBytes = 24;

export class ClockShim {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async build(): Promise<ClockShim> {
    return new ClockShim(await buildShim("clock_shim.c"));
  }

  #control(node: TestNode): string {
    return `${this.#directory}/control-${node.id}`;
  }

  /** For `ClusterOptions.env`: the clocks of the node's next process follow what is set here. */
  environment(node: TestNode): Record<string, string> {
    try {
      Deno.writeFileSync(this.#control(node), new Uint8Array(controlBytes), { createNew: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    return {
      LD_PRELOAD: `${this.#directory}/shim.so`,
      CLOCK_SHIM_CONTROL: this.#control(node),
    };
  }

  /** How far the clocks are off from now on; a monotonic clock never turns, so let its offset grow. */
  async set(node: TestNode, offsets: { wallMs?: number; monotonicMs?: number }): Promise<void> {
    const view = new DataView(new ArrayBuffer(16));
    view.setBigInt64(0, BigInt(offsets.wallMs ?? 0), true);
    view.setBigInt64(8, BigInt(offsets.monotonicMs ?? 0), true);
    // In place: the node has the file mapped.
    const file = await Deno.open(this.#control(node), { write: true });
    try {
      await file.write(new Uint8Array(view.buffer));
    } finally {
      file.close();
    }
  }

  /** How often the node read a clock that was off. */
  async firedCount(node: TestNode): Promise<number> {
    const bytes = await Deno.readFile(this.#control(node));
    return Number(new DataView(bytes.buffer).getBigInt64(16, true));
  }

  async remove(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}
