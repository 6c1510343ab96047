/** A control group that limits the memory of processes. Needs root. */

import { run } from "./namespaces.ts";

/** Only this run sees the mount; the group itself is the machine's and is removed at the end. */
export class MemoryGroup {
  readonly #mount: string;
  readonly #path: string;

  private constructor(mount: string, name: string) {
    this.#mount = mount;
    this.#path = `${mount}/${name}`;
  }

  static async make(name: string): Promise<MemoryGroup> {
    const mount = await Deno.makeTempDir({ prefix: "logboat-memory-" });
    await run("mount", ["-t", "cgroup", "-o", "memory", "chaos", mount]);
    const group = new MemoryGroup(mount, name);
    await Deno.mkdir(group.#path, { recursive: true });
    return group;
  }

  async add(pid: number): Promise<void> {
    await Deno.writeTextFile(`${this.#path}/cgroup.procs`, `${pid}`, { create: false });
  }

  /** What the group counts is less than what is resident: shared pages came in before. */
  async limit(bytes: number): Promise<void> {
    await Deno.writeTextFile(`${this.#path}/memory.limit_in_bytes`, `${bytes}`, { create: false });
  }

  /** Nothing in it may run any more. */
  async remove(): Promise<void> {
    await Deno.remove(this.#path);
    await run("umount", ["--lazy", this.#mount]);
    await Deno.remove(this.#mount);
  }
}
