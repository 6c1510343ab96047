/** What the outside can see of a node. */

import { assert } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";
import { pause, until } from "../support/wait.ts";
import type { Arena } from "./arena.ts";

/** Longest election timeout of each preset, in ms. */
export const ELECTION_TIMEOUT_MS_MAX = { lan: 600, edge: 6000 } as const;

/** The value of a metric without labels. */
export async function metric(node: TestNode, name: string): Promise<number> {
  const text = await node.metrics();
  const found = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text);
  assert(found !== null, `Cannot find the metric ${name} of node ${node.id}`);
  return Number(found[1]);
}

/** Resident memory, in bytes. */
export function residentBytes(node: TestNode): Promise<number> {
  return metric(node, "process_resident_memory_bytes");
}

export async function termsOf(nodes: readonly TestNode[]): Promise<number[]> {
  return await Promise.all(nodes.map(async (node) => (await node.status()).term));
}

/** The highest term of any of these nodes. */
export async function highestTerm(nodes: readonly TestNode[]): Promise<number> {
  return Math.max(...await termsOf(nodes));
}

/** What its current or last process printed. */
export function outputOf(node: TestNode): string {
  return node.process!.lines.join("\n");
}

/** Whether a node has a link to another one. */
export async function isConnected(node: TestNode, peer: TestNode): Promise<boolean> {
  const { members } = await node.status();
  const found = members.find((member) => member.id === peer.id);
  assert(found !== undefined, `Cannot find node ${peer.id} among the members`);
  return found.connected;
}

/** Stops a process in its tracks; resolves when the kernel says that it is. */
export async function freeze(arena: Arena, node: TestNode): Promise<void> {
  node.process!.signal("SIGSTOP");
  await until(`node ${node.id} is stopped`, { withinMs: 5000 }, async () => {
    const stat = await Deno.readTextFile(`/proc/${node.process!.pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  });
  arena.fired("SIGSTOP", 1);
}

export function thaw(node: TestNode): void {
  node.process!.signal("SIGCONT");
}

/** Lets a fault last. */
export function lasting(ms: number): Promise<void> {
  return pause(ms);
}
