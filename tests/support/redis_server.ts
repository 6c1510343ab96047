/** A real `redis-server` on a free loopback port: the oracle of the differential tests. */

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

export interface RealRedis {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it without persistence, in a directory of its own; `close` removes both. */
export async function startRealRedis(...extraArgs: readonly string[]): Promise<RealRedis> {
  for (let attempt = 1;; attempt++) {
    const redis = await tryStart(freePort(), extraArgs);
    if (redis !== undefined) return redis;
    if (attempt === 5) throw new Error("Cannot start redis-server: five ports failed");
  }
}

async function tryStart(
  port: number,
  extraArgs: readonly string[],
): Promise<RealRedis | undefined> {
  const directory = await Deno.makeTempDir({ prefix: "real-redis-" });
  const child = new Deno.Command("redis-server", {
    args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
      .concat(extraArgs),
    stdout: "null",
    stderr: "null",
  }).spawn();
  let exited = false;
  const ended = child.status.then(() => exited = true);
  const close = async () => {
    if (!exited) child.kill("SIGKILL");
    await ended;
    await Deno.remove(directory, { recursive: true });
  };
  const deadlineMs = performance.now() + 10_000;
  while (!exited && performance.now() < deadlineMs) {
    if (await answers(port)) return { port, close };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await close();
  return undefined;
}

async function answers(port: number): Promise<boolean> {
  try {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.close();
    return true;
  } catch {
    return false;
  }
}
