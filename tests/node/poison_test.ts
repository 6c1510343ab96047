/** K6: a bug in a command that only shows when it is applied. */

import { latin1FromBytes } from "../../src/base/mod.ts";
import { Machine } from "../../src/machine/mod.ts";
import { Replica } from "../../src/node/replica.ts";
import { assertEquals } from "../support/assert.ts";
import { send, VirtualCluster } from "./virtual_cluster.ts";

class Bug extends Error {}

/** What has "poison" in it throws in the middle of its batch; who throws ends, as the program does. */
function plantPoison(cluster: VirtualCluster): () => void {
  const { apply } = Machine.prototype;
  const { advance } = Replica.prototype;
  Machine.prototype.apply = function (payload, index, observerOf) {
    if (!latin1FromBytes(payload).includes("poison")) {
      return apply.call(this, payload, index, observerOf);
    }
    this.keyspace.db(0).delete("before");
    for (const [id, { node }] of cluster.live) if (node.machine === this) cluster.kill(id);
    throw new Bug(`Cannot apply entry ${index}`);
  };
  // Nothing catches it in the program: the process is over.
  Replica.prototype.advance = function () {
    try {
      advance.call(this);
    } catch (error) {
      if (!(error instanceof Bug)) throw error;
    }
  };
  const onUnhandled = (event: PromiseRejectionEvent) => {
    if (event.reason instanceof Bug) event.preventDefault();
  };
  addEventListener("unhandledrejection", onUnhandled);
  return () => {
    Machine.prototype.apply = apply;
    Replica.prototype.advance = advance;
    removeEventListener("unhandledrejection", onUnhandled);
  };
}

Deno.test("K6: a command that cannot be applied ends each process that reaches it, and nobody is answered", async () => {
  const cluster = new VirtualCluster(3);
  await cluster.startAll();
  const leader = await cluster.elect();
  const before = send(leader.node.openLane(), "SET", "before", "1");
  await cluster.clock.runUntil(() => before.text !== undefined, 5000);
  await cluster.converge();

  const cure = plantPoison(cluster);
  const poisoned = send(cluster.followers()[0].node.openLane(), "SET", "k", "poison");
  await cluster.clock.runUntil(() => cluster.live.size === 1, 20_000);
  await cluster.clock.run(10_000);
  // One is left that alone can decide nothing.
  assertEquals(cluster.live.size, 1);
  assertEquals(poisoned.text === "OK", false);
  // No start gets past it, and none makes it worse.
  for (let i = 0; i < 3; i++) {
    for (const id of cluster.ids) if (!cluster.live.has(id)) await cluster.start(id);
    await cluster.clock.runUntil(() => cluster.live.size <= 1, 20_000);
  }
  cure();

  // With a release that can apply it, everything is there.
  for (const id of cluster.ids) if (!cluster.live.has(id)) await cluster.start(id);
  const { node } = await cluster.elect();
  await cluster.converge();
  for (const [key, value] of [["before", "1"], ["k", "poison"]]) {
    const answer = send(node.openLane(), "GET", key);
    await cluster.clock.runUntil(() => answer.text !== undefined, 5000);
    assertEquals(answer.text, value);
  }
});
