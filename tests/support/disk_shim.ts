/** Builds `disk_shim.c` and steers it through its control file. */

import { buildShim } from "./build_shim.ts";
import type { TestNode } from "./cluster.ts";

export class DiskShim {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Throws with the compiler's words when there is none or it fails. */
  static async build(): Promise<DiskShim> {
    return new DiskShim(await buildShim("disk_shim.c"));
  }

  #control(node: TestNode): string {
    return `${this.#directory}/control-${node.id}`;
  }

  /** For `ClusterOptions.env`: syncs of the node's data directory fail on demand. */
  environment(node: TestNode): Record<string, string> {
    return {
      LD_PRELOAD: `${this.#directory}/shim.so`,
      DISK_SHIM_PATH: node.dataDir,
      DISK_SHIM_CONTROL: this.#control(node),
    };
  }

  /** What the node's syncs meet from the next one on. */
  async set(
    node: TestNode,
    fault: "none" | "eio" | "eio-once" | "hang" | `eio-once ${string}` | `slow ${number}`,
  ): Promise<void> {
    const control = this.#control(node);
    await Deno.writeTextFile(`${control}.new`, fault === "none" ? "" : fault);
    await Deno.rename(`${control}.new`, control);
  }

  /** How many of the node's syncs were touched. */
  async firedCount(node: TestNode): Promise<number> {
    try {
      return (await Deno.stat(`${this.#control(node)}.fired`)).size;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  }

  async remove(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}
