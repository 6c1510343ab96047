/** The servers that are measured: Logboat on three nodes, and what it is compared with. */

import { Cluster, executablePath, freePorts, ServerProcess, until, WireClient } from "./support.ts";

/** A running server or cluster. */
export interface Peer {
  readonly name: string;
  /** Where the load goes. */
  readonly port: number;
  /** A port of another member, if there is one. */
  readonly followerPort: number | undefined;
  /** The process that serves `port`. */
  readonly pid: number;
  readonly settings: string;
  /** Ends the process behind `port` cleanly, starts it again, and waits until it serves. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Three nodes on loopback; every write is synced, every read linearizable. */
export async function startLogboat(directory: string): Promise<Peer> {
  const cluster = new Cluster({ nodes: 3, timing: "lan" }, directory);
  try {
    await cluster.start();
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    return {
      name: "Logboat",
      port: leader.redisPort,
      followerPort: follower.redisPort,
      get pid() {
        return leader.process!.pid;
      },
      settings: `three nodes on loopback, fsync = "always", reads = "linearizable", ` +
        `timing = "lan", load on the leader, run from ` +
        (executablePath() === undefined ? "source" : "the executable"),
      async restart() {
        await leader.stop();
        await leader.start();
      },
      close: () => cluster.close(),
    };
  } catch (error) {
    console.error(cluster.logs());
    await cluster.close();
    throw error;
  }
}

/** One redis-server that syncs each write. */
export async function startRedis(directory: string, name: string): Promise<Peer> {
  const [port] = freePorts(1);
  const args = [
    ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
    ...["--maxclients", "10000"],
  ];
  const spawn = () => new ServerProcess(name, ["redis-server", ...args]);
  let process = spawn();
  const serves = () =>
    until(`${name} serves`, { withinMs: 60_000 }, async () => {
      if (process.status !== undefined) throw new Error(process.tail(20));
      const client = await WireClient.connect(port);
      try {
        return await client.call("PING") === "PONG";
      } finally {
        client.close();
      }
    });
  const close = async () => {
    await process.kill();
    await Deno.remove(directory, { recursive: true });
  };
  try {
    await serves();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name,
    port,
    followerPort: undefined,
    get pid() {
      return process.pid;
    },
    settings: "one node, appendonly yes, appendfsync always, no rewrite of the log while measured",
    async restart() {
      process.signal("SIGTERM");
      await process.exited;
      process = spawn();
      await serves();
    },
    close,
  };
}

/** The first line of a tool's `--version`; undefined when it is not installed. */
export async function versionOf(tool: string): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(tool, { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).split("\n")[0].trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
