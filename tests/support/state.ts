/** Comparing what the members of a cluster hold. */

import { assertEquals } from "./assert.ts";
import type { Cluster, TestNode } from "./cluster.ts";
import type { WireClient, WireReply } from "./wire_client.ts";

/** So few that large values meet no limit of what a client may have waiting. */
const KEYS_AT_ONCE = 16;

/** Every key of database 0 with its type and value, as this node answers. */
export async function contentsOf(node: TestNode): Promise<Map<string, unknown>> {
  return await node.withClient(async (client) => {
    const contents = new Map<string, unknown>();
    const keys = await scanAll(client);
    for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
      const some = keys.slice(from, from + KEYS_AT_ONCE);
      const types = await client.callAll(some.map((key) => ["TYPE", key]));
      const values = await client.callAll(
        some.map((key, at) => [types[at] === "hash" ? "HGETALL" : "GET", key]),
      );
      for (const [at, key] of some.entries()) {
        const type = types[at];
        const value = type === "hash" ? pairsOf(values[at] as WireReply[]) : values[at];
        contents.set(key, { type, value });
      }
    }
    return contents;
  });
}

async function scanAll(client: WireClient): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = "0";
  do {
    const [next, page] = await client.call("SCAN", cursor, "COUNT", 500) as [string, string[]];
    for (const key of page) keys.add(key);
    cursor = next;
  } while (cursor !== "0");
  return [...keys].sort();
}

function pairsOf(flat: readonly WireReply[]): [WireReply, WireReply][] {
  return flat.flatMap((field, i) => i % 2 === 0 ? [[field, flat[i + 1]]] : []) as [
    WireReply,
    WireReply,
  ][];
}

/** All members hold the same keys and values, each asked for its own. */
export async function assertSameContents(cluster: Cluster): Promise<void> {
  const [first, ...others] = cluster.present;
  const [expected, ...contents] = await Promise.all(cluster.present.map(contentsOf));
  for (const [at, node] of others.entries()) {
    assertEquals(contents[at], expected, `node ${node.id} and node ${first.id} differ`);
  }
}
