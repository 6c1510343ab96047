import { Request } from "../../src/machine/mod.ts";
import { Batch } from "../../src/node/batch.ts";
import { type LaneHost, LaneQueue } from "../../src/node/lane.ts";
import type { ReadOperation, WriteOperation } from "../../src/node/operation.ts";
import { assertEquals } from "../support/assert.ts";
import { Answer } from "./virtual_cluster.ts";

/** A node whose log's time is behind the leader's clock: a read by that clock has to wait. */
class BehindHost implements LaneHost {
  readonly reads: ReadOperation[] = [];
  readonly writes: WriteOperation[] = [];
  readonly refusesWrites = undefined;
  readonly readsLocally = false;

  nowMs(): number {
    return 0;
  }

  keep(request: Request): Request {
    return request.copy();
  }

  later(callback: () => void): void {
    callback();
  }

  joinBatch(operation: WriteOperation): Batch {
    this.writes.push(operation);
    return new Batch(0);
  }

  openBatch(): undefined {
    return undefined;
  }

  localRead() {
    return "ask" as const;
  }

  joinReadRound(operation: ReadOperation): void {
    this.reads.push(operation);
  }

  runQuery(operation: ReadOperation) {
    if (operation.readableAtMs === undefined) return { kind: "reply", reply: "read" } as const;
    operation.readableAtMs = undefined;
    return undefined;
  }
}

Deno.test("reads that wait for the log's time are answered when a write behind them is applied", () => {
  const host = new BehindHost();
  const lane = new LaneQueue(host);
  const answers = [new Answer(), new Answer(), new Answer()];
  // 1. Both reads are confirmed at one moment of the leader's clock; the first meets a key whose
  //    deadline the log has not reached, so it waits for a mark, and the second waits behind it.
  // 2. The write, which had left before the mark was made, is applied: both reads run now, at the
  //    log's time, which is all that the write's place in the log knows.
  lane.read(0, Request.of("GET", "k"), answers[0]);
  lane.read(0, Request.of("GET", "k"), answers[1]);
  lane.write(0, Request.of("SET", "k", "v"), answers[2]);
  for (const read of host.reads) read.readableAtMs = 1000;
  lane.drain();
  assertEquals(answers[0].text, undefined);
  lane.drainBefore(host.writes[0]);
  assertEquals(answers.map(({ text }) => text), ["read", "read", undefined]);
  host.writes[0].outcome = { kind: "reply", reply: "OK" };
  lane.drain();
  assertEquals(answers[2].text, "OK");
});

Deno.test("a lane whose client is gone answers nobody and still lets its writes run", () => {
  const host = new BehindHost();
  const lane = new LaneQueue(host);
  const answer = new Answer();
  lane.write(0, Request.of("SET", "k", "v"), answer);
  lane.close();
  host.writes[0].outcome = { kind: "reply", reply: "OK" };
  lane.drain();
  assertEquals(lane.pending, 0);
  assertEquals(answer.text, undefined);
});
