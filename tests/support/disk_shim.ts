/** Builds `disk_shim.c` with the machine's C compiler and steers it through its control file. */

const source = new URL("./disk_shim.c", import.meta.url).pathname;

export class DiskShim {
  readonly #directory: string;
  readonly #control: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#control = `${directory}/control`;
  }

  /** Throws with the compiler's words when there is none or it fails. */
  static async build(): Promise<DiskShim> {
    const directory = await Deno.makeTempDir({ prefix: "logboat-shim-" });
    const { code, stderr } = await new Deno.Command("cc", {
      args: ["-shared", "-fPIC", "-O1", "-Wall", "-o", `${directory}/shim.so`, source],
    }).output();
    if (code !== 0) throw new Error(`Cannot build the shim: ${new TextDecoder().decode(stderr)}`);
    return new DiskShim(directory);
  }

  /** For a process whose syncs of files under `path` are to fail on demand. */
  environment(path: string): Record<string, string> {
    return {
      LD_PRELOAD: `${this.#directory}/shim.so`,
      LOGBOAT_SHIM_PATH: path,
      LOGBOAT_SHIM_CONTROL: this.#control,
    };
  }

  /** From the next sync on. */
  async set(fault: "none" | "eio" | "eio-once" | "hang" | `slow ${number}`): Promise<void> {
    const line = fault === "none" ? "" : fault;
    await Deno.writeTextFile(`${this.#control}.new`, line);
    await Deno.rename(`${this.#control}.new`, this.#control);
  }

  /** How many syncs were touched. */
  async firedCount(): Promise<number> {
    try {
      return (await Deno.stat(`${this.#control}.fired`)).size;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  }

  async remove(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}
