/** Planted bugs of snapshots, members, repairs and leases. */

import { LogIndex } from "../../src/base/mod.ts";
import { Machine } from "../../src/machine/mod.ts";
import { Applier } from "../../src/node/applier.ts";
import { memberOf, type Raft } from "../../src/raft/mod.ts";
import { INCOMING, Members } from "../../src/raft/members.ts";
import { RaftLog } from "../../src/raft/raft_log.ts";
import { RaftStorage } from "../../src/storage/mod.ts";
import { LogWriter } from "../../src/storage/log_writer.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { type Canary, patch, patchReady, patchStep } from "./planting.ts";
import { votingSets } from "./quorum.ts";

/** Leaders commit what a majority has, of whatever term it is. */
function plantOldTermCommits(): () => void {
  const logs = new WeakMap<Raft, RaftLog>();
  let stepping: Raft | undefined;
  const undo = [
    patch(RaftLog.prototype, "stableTo", (stableTo) =>
      function (this: RaftLog, index) {
        if (stepping !== undefined) logs.set(stepping, this);
        return stableTo.call(this, index);
      }),
    patchStep((raft, event, step) => {
      stepping = raft;
      const result = step.call(raft, event);
      const log = logs.get(raft);
      if (raft.role !== "leader" || log === undefined) return result;
      const { configuration } = raft;
      const matches = new Map(raft.progress().map(({ peer, matchIndex }) => [peer, matchIndex]));
      const voters = votingSets(configuration);
      const indexes = voters.map((ids) =>
        ids.map((id) => matches.get(id) ?? log.stableIndex).sort((a, b) => b - a)[ids.length >> 1]
      );
      const index = LogIndex(Math.min(...indexes));
      if (index > log.commitIndex) log.commitTo(index);
      return result;
    }),
  ];
  return () => undo.forEach((undoOne) => undoOne());
}

export const MEMBER_CANARIES: readonly Canary[] = [
  {
    name: "leaders commit by counting copies of entries of older terms",
    seeds: 60,
    needs: ["kill", "partition"],
    plant: plantOldTermCommits,
  },
  {
    name: "snapshots leave out the origin table",
    seeds: 20,
    needs: ["snapshots", "kill"],
    plant: () =>
      patch(Machine.prototype, "restore", (restore) =>
        function (this: Machine, header, state) {
          return restore.call(this, header, { ...state, origins: [] });
        }),
  },
  {
    name: "the members in a received snapshot are ignored",
    seeds: 80,
    needs: ["snapshots", "addMember", "removeMember"],
    plant: () =>
      patch(Members.prototype, "rebase", (rebase) =>
        function (this: Members, index) {
          return rebase.call(this, index, this.committedConfiguration);
        }),
  },
  {
    name: "what a snapshot has is applied again in part",
    seeds: 20,
    needs: ["snapshots", "kill", "partition"],
    plant: () =>
      patch(Applier.prototype, "restartAt", (restartAt) =>
        function (this: Applier, index) {
          return restartAt.call(this, LogIndex(index - 1));
        }),
  },
  {
    name: "the log is given up past the snapshot",
    seeds: 20,
    needs: ["snapshots"],
    plant: () =>
      patch(LogWriter.prototype, "compact", (compact) =>
        function (this: LogWriter) {
          return compact.call(this, this.last.index);
        }),
  },
  {
    name: "snapshots are not synced",
    seeds: 40,
    needs: ["snapshots", "powerCut"],
    plant: () =>
      patch(
        MemoryDisk.prototype,
        "runOn",
        (runOn) =>
          function (this: MemoryDisk, kind, path, action) {
            const skips = kind === "sync" && path.includes("/snapshots/");
            return runOn.call(this, kind, path, skips ? () => undefined : action) as never;
          },
      ),
  },
  {
    name: "in a joint configuration only the new voters are asked",
    seeds: 80,
    needs: ["shrinkAndGrow", "removeMember", "partition"],
    plant: () =>
      patch(Members.prototype, "isQuorum", (isQuorum) =>
        function (this: Members, incoming) {
          return isQuorum.call(this, incoming, this.outgoingQuorum);
        }),
  },
  {
    name: "the votes of learners count",
    seeds: 40,
    needs: ["addMember", "changeStanding"],
    plant: () =>
      patch(Members.prototype, "votesOf", (votesOf) =>
        function (this: Members, id) {
          const member = memberOf(this.configuration, id);
          return member?.standing === "learner" ? INCOMING : votesOf.call(this, id);
        }),
  },
  {
    name: "a removed member still has a vote",
    seeds: 80,
    needs: ["removeMember", "partition"],
    plant: () =>
      patch(
        Members.prototype,
        "isQuorum",
        (isQuorum) =>
          function (this: Members, incoming, outgoing) {
            const gone = this.configuration.removed.length > 0 ? 1 : 0;
            return isQuorum.call(this, incoming + gone, outgoing);
          },
      ),
  },
  {
    name: "repairs of the log are reported and not made",
    seeds: 30,
    needs: ["logBitRot"],
    plant: () => patch(RaftStorage.prototype, "repair", () => () => Promise.resolve()),
  },
  {
    name: "leases last longer than was promised",
    seeds: 20,
    needs: ["leases", "partition", "asymmetric"],
    alone: true,
    plant: () =>
      patchReady((_raft, ready) => ({
        ...ready,
        messages: ready.messages.map((message) =>
          message.kind === "heartbeatReply" && message.leaseMs > 0
            ? { ...message, leaseMs: 20 * message.leaseMs }
            : message
        ),
      })),
  },
];
