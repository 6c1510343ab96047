/**
 * Known bugs, planted from outside by patching prototypes and tables of the production code for the
 * length of some runs. A simulator that does not find them would not find others either. `seeds` is
 * within how many each must be found.
 */

import type { NodeId } from "../../src/base/mod.ts";
import { Machine, OriginTable } from "../../src/machine/mod.ts";
import { Raft } from "../../src/raft/mod.ts";
import { RaftLog } from "../../src/raft/raft_log.ts";
import { RaftStorage } from "../../src/storage/mod.ts";
import { LogWriter } from "../../src/storage/log_writer.ts";
import { PLACE_RULES } from "../../src/storage/recovery_table.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { Client } from "./clients.ts";
import { MEMBER_CANARIES } from "./member_canaries.ts";
import { drawPlan } from "./plan.ts";
import { type Canary, patch, patchReady, patchStep } from "./planting.ts";
import { RELEASE_CANARIES } from "./release_canaries.ts";
import { simulate } from "./simulation.ts";

/** Reads of nodes that `applies` picks are answered at once, at the node's own commit index. */
function plantUnaskedReads(applies: (raft: Raft) => boolean): () => void {
  const waiting = new WeakMap<Raft, number[]>();
  const undo = [
    patchStep((raft, event, step) => {
      if (event.kind !== "read" || !applies(raft)) return step.call(raft, event);
      waiting.set(raft, [...(waiting.get(raft) ?? []), event.readId]);
      return { kind: "done" };
    }),
    patchReady((raft, ready) => {
      const index = raft.commitIndex;
      const reads = (waiting.get(raft) ?? []).map((readId) => ({ readId, index, clockMs: 0 }));
      waiting.delete(raft);
      return { ...ready, reads: [...ready.reads, ...reads] };
    }),
    patch(Raft.prototype, "hasReady", (has) =>
      function (this: Raft) {
        return waiting.has(this) || has.call(this);
      }),
  ];
  return () => undo.forEach((undoOne) => undoOne());
}

export const CANARIES: readonly Canary[] = [
  {
    name: "promises leave before they are persisted",
    seeds: 2,
    plant: () =>
      patchReady((_raft, ready) => ({
        ...ready,
        messages: [...ready.messages, ...ready.messagesAfterPersist],
        messagesAfterPersist: [],
      })),
  },
  {
    name: "term and vote are not written",
    seeds: 2,
    plant: () => patch(LogWriter.prototype, "writeHardState", () => () => Promise.resolve()),
  },
  {
    name: "a sync of the log does nothing",
    seeds: 2,
    plant: () =>
      patch(LogWriter.prototype, "sync", () =>
        function (this: LogWriter) {
          this.tail.synced = this.tail.end;
          return Promise.resolve();
        }),
  },
  {
    name: "the storage says persisted before the sync",
    seeds: 2,
    plant: () =>
      patch(RaftStorage.prototype, "persist", (persist) =>
        function (this: RaftStorage, batch) {
          persist.call(this, batch).catch(() => {});
          return Promise.resolve();
        }),
  },
  {
    name: "disks lose what they said to be synced",
    seeds: 40,
    needs: ["powerCut"],
    plant: () =>
      patch(MemoryDisk.prototype, "crash", (crash) =>
        function (this: MemoryDisk) {
          // As if a part of what was synced had never reached the medium.
          const after = crash.call(this, () => false);
          const path = after.paths().filter((name) => name.endsWith(".log")).at(-1);
          if (path !== undefined) after.setContent(path, after.contentOf(path).subarray(0, 64));
          return after;
        }),
  },
  {
    name: "recovery cuts off what does not decode",
    seeds: 60,
    needs: ["logBitRot"],
    plant: () => {
      const kept = PLACE_RULES.map(({ decision }) => decision);
      const rules = PLACE_RULES as unknown as { decision: string }[];
      const damage = ["corrupt", "damaged", "hidden"];
      for (const rule of rules) if (damage.includes(rule.decision)) rule.decision = "trim";
      return () => rules.forEach((rule, at) => rule.decision = kept[at]);
    },
  },
  {
    name: "the origin table admits repeats",
    seeds: 40,
    needs: ["partition"],
    plant: () =>
      patch(OriginTable.prototype, "admit", (admit) =>
        function (this: OriginTable, id) {
          const admission = admit.call(this, id);
          return admission === "repeated" ? "next" : admission;
        }),
  },
  {
    name: "reads are answered without asking anybody",
    seeds: 20,
    plant: () => plantUnaskedReads(() => true),
  },
  {
    name: "a leader answers reads without asking a majority",
    seeds: 150,
    needs: ["partition"],
    plant: () => plantUnaskedReads((raft) => raft.role === "leader"),
  },
  {
    name: "votes go to candidates whose log is behind",
    seeds: 60,
    needs: ["partition"],
    plant: () => patch(RaftLog.prototype, "isUpToDate", () => () => true),
  },
  {
    name: "followers commit all they have",
    seeds: 40,
    plant: () =>
      patch(RaftLog.prototype, "commitTo", (commitTo) =>
        function (this: RaftLog) {
          return commitTo.call(this, this.last.index);
        }),
  },
  {
    name: "an apply now and then leaves another state",
    seeds: 10,
    plant: () =>
      patch(
        Machine.prototype,
        "apply",
        (apply) =>
          function (this: Machine, payload, index, observerOf) {
            const skipped = index % 50 === 7 && skipping.next();
            if (!skipped) return apply.call(this, payload, index, observerOf);
            const before = this.keyspace.digest();
            const batch = apply.call(this, payload, index, observerOf);
            if (this.keyspace.digest() !== before) this.keyspace.db(0).delete("c0");
            return batch;
          },
      ),
  },
  {
    name: "commands read the node's own clock",
    seeds: 10,
    plant: () => {
      let drift = 0;
      return patch(
        Machine.prototype,
        "apply",
        (apply) =>
          function (this: Machine, payload, index, observerOf) {
            const own = payload.slice();
            own[0] ^= ++drift & 7;
            return apply.call(this, own, index, observerOf);
          },
      );
    },
  },
  {
    name: "a leader reads nothing back for followers that are far behind",
    seeds: 20,
    needs: ["kill"],
    plant: () =>
      patchStep((raft, event, step) =>
        step.call(raft, event.kind === "fetched" ? { ...event, entries: [] } : event)
      ),
  },
  {
    name: "a definite error after the append",
    seeds: 60,
    needs: ["partition"],
    plant: () =>
      patch(Client.prototype, "onOutcome", (onOutcome) =>
        function (this: Client, effect) {
          return onOutcome.call(this, effect === "maybeApplied" ? "notApplied" : effect);
        }),
  },
  {
    name: "the vote is forgotten at a restart",
    seeds: 60,
    needs: ["kill"],
    plant: () => {
      const open = RaftStorage.open;
      RaftStorage.open = async (options) => {
        const storage = await open.call(RaftStorage, options);
        const state = storage.recovered.hardState as { votedFor: NodeId | undefined };
        state.votedFor = undefined;
        return storage;
      };
      return () => RaftStorage.open = open;
    },
  },
  ...MEMBER_CANARIES,
  ...RELEASE_CANARIES,
];

/** Every other call says yes. */
const skipping = {
  calls: 0,
  next(): boolean {
    return ++this.calls % 2 === 0;
  },
};

/** The seed that found the bug, or undefined. */
export async function findCanary(
  canary: Canary,
): Promise<{ readonly runs: number; readonly text: string } | undefined> {
  const undo = canary.plant();
  try {
    for (let run = 1; run <= canary.seeds; run++) {
      const { needs = [], alone = false } = canary;
      const plan = drawPlan(run, { besides: needs, calm: false });
      const outcome = await simulate(alone ? { ...plan, faults: new Set(needs) } : plan);
      if (outcome.failure !== undefined) return { runs: run, text: outcome.failure.text };
    }
    return undefined;
  } finally {
    undo();
  }
}

/** Finds all of them, a line for each; false when one was missed. */
export async function findCanaries(print: (line: string) => void): Promise<boolean> {
  let missed = 0;
  for (const canary of CANARIES) {
    const found = await findCanary(canary);
    if (found === undefined) missed++;
    const result = found === undefined
      ? "MISSED"
      : `seed ${found.runs}: ${found.text.split("\n")[0].slice(0, 100)}`;
    print(`${canary.name} (within ${canary.seeds}): ${result}`);
  }
  return missed === 0;
}
