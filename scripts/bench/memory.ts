/** Resident memory a key, the time of a restart with many keys, and the cost of doing nothing. */

import type { Peer } from "./peers.ts";
import { keyName, valueOf } from "./paced_load.ts";
import { pause, until, WireClient, WireError } from "./support.ts";

export interface MemoryResult {
  readonly keys: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly bytesPerKey: number;
  /** From SIGTERM to serving again, with all the keys. */
  readonly restartMs: number;
}

const pipelineLength = 1000;
const fillClients = 8;

/** Fills an empty server with `keys` keys and looks at the process that was asked. */
export async function measureMemory(peer: Peer, keys: number): Promise<MemoryResult> {
  const bytesBefore = await settledResidentBytes(peer.pid);
  await fill(peer, keys);
  const bytesAfter = await settledResidentBytes(peer.pid);
  const startMs = performance.now();
  await peer.restart();
  await holdsKeys(peer, keys);
  return {
    keys,
    bytesBefore,
    bytesAfter,
    bytesPerKey: (bytesAfter - bytesBefore) / keys,
    restartMs: performance.now() - startMs,
  };
}

/** Writes `keys` keys into an empty server and waits until it counts them. */
export async function fill(peer: Pick<Peer, "name" | "port">, keys: number): Promise<void> {
  let next = 0;
  const fillSome = async () => {
    const client = await WireClient.connect(peer.port);
    try {
      while (next < keys) {
        const first = next;
        next = Math.min(keys, first + pipelineLength);
        const commands = Array.from(
          { length: next - first },
          (_, i) => ["SET", keyName(first + i), valueOf(0)],
        );
        const failed = (await client.pipeline(commands)).find((each) => each instanceof WireError);
        if (failed !== undefined) throw new Error(`Cannot fill ${peer.name}: ${failed.message}`);
      }
    } finally {
      client.close();
    }
  };
  await Promise.all(Array.from({ length: fillClients }, fillSome));
  await holdsKeys(peer, keys);
}

async function holdsKeys(peer: Pick<Peer, "name" | "port">, keys: number): Promise<void> {
  await until(`${peer.name} holds ${keys} keys`, { withinMs: 120_000 }, async () => {
    const client = await WireClient.connect(peer.port);
    try {
      return await client.call("DBSIZE") === keys;
    } finally {
      client.close();
    }
  });
}

const settleSamples = 12;
const settleEveryMs = 500;

/** The least of some samples, so that garbage that is about to be collected does not count. */
async function settledResidentBytes(pid: number): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < settleSamples; i++) {
    await pause(settleEveryMs);
    least = Math.min(least, await residentBytes(pid));
  }
  return least;
}

/** `VmRSS` of Linux. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  if (found === null) throw new Error(`Cannot read the memory of process ${pid}`);
  return Number(found[1]) * 1024;
}

export interface IdleResult {
  /** Part of one core, 0 to 1. */
  readonly coreShare: number;
  readonly residentBytes: number;
}

/** What the process uses when nobody asks it anything, over some seconds. */
export async function measureIdle(peer: Peer, seconds: number): Promise<IdleResult> {
  const ticksBefore = await processorTicks(peer.pid);
  const startMs = performance.now();
  await pause(seconds * 1000);
  const ticks = await processorTicks(peer.pid) - ticksBefore;
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  const ticksPerSecond = 100;
  return {
    coreShare: ticks / ticksPerSecond / elapsedSeconds,
    residentBytes: await residentBytes(peer.pid),
  };
}

/** User and system time of `/proc/PID/stat`, fields 14 and 15. */
async function processorTicks(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
