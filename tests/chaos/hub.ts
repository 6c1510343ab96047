/**
 * The network namespace of a run: the script starts itself again inside one. What it makes in there,
 * addresses and mounts, is seen by nobody else and goes away with it.
 */

import { run } from "./namespaces.ts";

const NAMESPACES = "/run/netns";
const PREFIX = "logboat-chaos-";

/** Runs the script again in a namespace of its own and gives its exit code. */
export async function enterHub(script: string, args: readonly string[]): Promise<number> {
  const hub = `${PREFIX}${Deno.pid}`;
  try {
    await removeLeftovers();
    await run("ip", ["netns", "add", hub]);
    await run("ip", ["-n", hub, "link", "set", "lo", "up"]);
  } catch (error) {
    console.error(`${(error as Error).message}\nCannot make networks: root and ip are needed`);
    return 2;
  }
  const inner = [Deno.execPath(), "run", "-A", script, ...args, "--hub", hub];
  // Nothing can be fetched from inside.
  const root = new URL("../../", import.meta.url).pathname;
  await run(Deno.execPath(), ["cache", "--quiet", `${root}src/main.ts`, script]);
  const child = new Deno.Command("ip", { args: ["netns", "exec", hub, ...inner] }).spawn();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => child.kill(signal));
  }
  const { code } = await child.status;
  await removeAll(hub);
  return code;
}

/** Called inside, at the end. */
export async function leaveHub(hub: string): Promise<void> {
  for (const name of await namesOf(hub)) {
    if (name !== hub) await run("ip", ["netns", "del", name], { mayFail: true });
  }
}

/** Namespaces of runs whose process was killed. */
async function removeLeftovers(): Promise<void> {
  for (const name of await namesOf(PREFIX)) {
    const pid = name.slice(PREFIX.length).split("-")[0];
    try {
      await Deno.stat(`/proc/${pid}`);
    } catch {
      await removeOne(name);
    }
  }
}

async function removeAll(prefix: string): Promise<void> {
  for (const name of await namesOf(prefix)) await removeOne(name);
}

/** A namespace that was made inside has no mount out here, only its empty file. */
async function removeOne(name: string): Promise<void> {
  await run("ip", ["netns", "del", name], { mayFail: true });
  try {
    await Deno.remove(`${NAMESPACES}/${name}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function namesOf(prefix: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(NAMESPACES)) {
      if (name === prefix || name.startsWith(prefix.endsWith("-") ? prefix : `${prefix}-`)) {
        names.push(name);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
