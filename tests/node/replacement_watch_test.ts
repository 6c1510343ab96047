import { NodeId } from "../../src/base/mod.ts";
import { ReplacementWatch } from "../../src/node/replacement_watch.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("one peer's word does not end a node of three, two peers' words do", () => {
  const watch = new ReplacementWatch(() => 3);
  assertEquals(watch.isCertain(NodeId(2), "duplicateNode"), false);
  assertEquals(watch.isCertain(NodeId(2), "olderIncarnation"), false);
  assertEquals(watch.isCertain(NodeId(3), "wrongSecret"), false);
  assertEquals(watch.isCertain(NodeId(3), "olderIncarnation"), true);
});

Deno.test("a peer that links up takes its word back; in a cluster of two it is enough", () => {
  const watch = new ReplacementWatch(() => 3);
  watch.isCertain(NodeId(2), "duplicateNode");
  watch.accepted(NodeId(2));
  assertEquals(watch.isCertain(NodeId(3), "duplicateNode"), false);
  assertEquals(new ReplacementWatch(() => 2).isCertain(NodeId(2), "duplicateNode"), true);
});
