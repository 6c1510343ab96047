/** Makes logs longer, and shorter. */

import { assertEquals } from "../support/assert.ts";
import type { TestNode } from "../support/cluster.ts";

/** For logs of several segments without much traffic. */
export const SHORT_SEGMENTS = ["--storage-segment-bytes", "64kb"];
const VALUE = "x".repeat(20_000);

/** Writes some short segments of log. */
export async function writeSegments(node: TestNode): Promise<void> {
  await node.withClient(async (client) => {
    for (let i = 0; i < 20; i++) await client.call("SET", `big:${i}`, VALUE);
  });
}

/** The node takes a snapshot; after the second one it gives up the log before the first. */
export async function takeSnapshot(node: TestNode): Promise<void> {
  const { status, body } = await node.post("/api/v1/snapshot", {}, 20_000);
  assertEquals(status, 200, JSON.stringify(body));
}
