/** Comparing what the members of a cluster hold. */

import { assertEquals } from "./assert.ts";
import type { Cluster, TestNode } from "./cluster.ts";
import type { WireClient, WireReply } from "./wire_client.ts";

/** Every key of database 0 with its type and value, as this node answers. */
export async function contentsOf(node: TestNode): Promise<Map<string, unknown>> {
  return await node.withClient(async (client) => {
    const contents = new Map<string, unknown>();
    for (const key of await scanAll(client)) {
      const type = await client.call("TYPE", key);
      const value = type === "hash"
        ? pairsOf(await client.call("HGETALL", key) as WireReply[])
        : await client.call("GET", key);
      contents.set(key, { type, value });
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
  const expected = await contentsOf(first);
  for (const node of others) {
    assertEquals(await contentsOf(node), expected, `node ${node.id} and node ${first.id} differ`);
  }
}
