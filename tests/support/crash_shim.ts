/** Builds `crash_shim.c` and steers it through its control file. */

import { buildShim } from "./build_shim.ts";
import type { TestNode } from "./cluster.ts";

/** A step of the storage at which a process ends. */
export interface CrashStep {
  readonly call: "create" | "write" | "sync" | "rename" | "unlink";
  /** `half` is for a write. */
  readonly when: "before" | "half" | "after";
  /** A part of the path; of a rename's new one. */
  readonly path: string;
  /** So many such calls pass first. */
  readonly skip?: number;
}

export class CrashShim {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Throws with the compiler's words when there is none or it fails. */
  static async build(): Promise<CrashShim> {
    return new CrashShim(await buildShim("crash_shim.c"));
  }

  #control(node: TestNode): string {
    return `${this.#directory}/control-${node.id}`;
  }

  /** For `ClusterOptions.env`: the process ends at a step of its data directory on demand. */
  environment(node: TestNode): Record<string, string> {
    return {
      LD_PRELOAD: `${this.#directory}/shim.so`,
      CRASH_SHIM_PATH: `${node.dataDir}/`,
      CRASH_SHIM_CONTROL: this.#control(node),
    };
  }

  /** Where the node's process ends, the running one or the next; undefined for nowhere. */
  async set(node: TestNode, step: CrashStep | undefined): Promise<void> {
    const control = this.#control(node);
    const line = step === undefined
      ? ""
      : `${step.call} ${step.when} ${step.path} ${step.skip ?? 0}`;
    await Deno.writeTextFile(`${control}.new`, line);
    await Deno.rename(`${control}.new`, control);
  }

  /** How often a process of the node was ended. */
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
