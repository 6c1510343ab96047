/** Planted bugs of snapshots, members, repairs and leases. */

import { LogIndex } from "../../src/base/mod.ts";
import { Machine } from "../../src/machine/mod.ts";
import { Applier } from "../../src/node/applier.ts";
import { CoreClock } from "../../src/node/core_clock.ts";
import { SnapshotFetcher } from "../../src/node/snapshot_fetcher.ts";
import { Turns } from "../../src/node/turns.ts";
import {
  type LogEntry,
  memberOf,
  Raft,
  type RaftMessage,
  readRecordHeader,
  type Ready,
  RECORD_HEADER_BYTES,
} from "../../src/raft/mod.ts";
import { INCOMING, Members } from "../../src/raft/members.ts";
import { RaftLog } from "../../src/raft/raft_log.ts";
import { CorruptionError, RaftStorage } from "../../src/storage/mod.ts";
import { LogWriter } from "../../src/storage/log_writer.ts";
import { Segment } from "../../src/storage/segment.ts";
import { MemoryDisk } from "../support/memory_disk.ts";
import { type Canary, patch, patchGetter, patchReady, patchStep } from "./planting.ts";
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

/** What the payload of a record is does not matter while its header is good. */
function plantUncheckedRecords(): () => void {
  const undo = [
    patch(Segment.prototype, "noteHole", (noteHole) =>
      function (this: Segment, hole) {
        if (hole.hasHeader && hole.first === this.last + 1) this.note(hole.first, hole.at);
        else noteHole.call(this, hole);
      }),
    patch(
      Segment.prototype,
      "read",
      (read) =>
        async function (this: Segment, first, last, bytesMax) {
          try {
            return await read.call(this, first, last, bytesMax);
          } catch (error) {
            if (!(error instanceof CorruptionError)) throw error;
            return [await readUnchecked(this, first)];
          }
        },
    ),
  ];
  return () => undo.forEach((undoOne) => undoOne());
}

async function readUnchecked(segment: Segment, index: LogIndex): Promise<LogEntry> {
  const at = await segment.locate(index);
  const header = new Uint8Array(RECORD_HEADER_BYTES);
  await segment.file.read(header, at);
  const { term, kind, payloadBytes } = readRecordHeader(header);
  const record = new Uint8Array(RECORD_HEADER_BYTES + payloadBytes);
  await segment.file.read(record, at);
  return { term, index, kind, record };
}

/** One bit of the last entry is another one on its way out. */
function withDamage(message: RaftMessage): RaftMessage {
  const last = message.kind === "appendEntries" ? message.entries.at(-1) : undefined;
  if (message.kind !== "appendEntries" || last === undefined) return message;
  const record = last.record.slice();
  record[record.length - 1] ^= 1;
  return { ...message, entries: [...message.entries.slice(0, -1), { ...last, record }] };
}

/** The core is told the time by timers alone. */
function plantUntimedReads(): () => void {
  let isTimer = false;
  const undo = [
    patch(Turns.prototype, "tickAfter", (tickAfter) =>
      function (this: Turns, delayMs, tick) {
        tickAfter.call(this, delayMs, () => {
          isTimer = true;
          tick();
          isTimer = false;
        });
      }),
    patch(CoreClock.prototype, "tick", (tick) =>
      function (this: CoreClock) {
        return isTimer ? tick.call(this) : 0;
      }),
  ];
  return () => undo.forEach((undoOne) => undoOne());
}

/** Every snapshot that is offered is fetched, and the core has it installed. */
function plantOldSnapshots(): () => void {
  const taken = new WeakMap<Raft, Ready["snapshot"]>();
  let isAsking = false;
  const asking = <T>(method: (this: SnapshotFetcher, given: T) => void) =>
    function (this: SnapshotFetcher, given: T) {
      isAsking = true;
      method.call(this, given);
      isAsking = false;
    };
  const undo = [
    patch(SnapshotFetcher.prototype, "onOffer", asking),
    patch(SnapshotFetcher.prototype, "tick", (tick) =>
      function (this: SnapshotFetcher, nowMs) {
        if (this.isFetching) asking(tick).call(this, nowMs);
        else tick.call(this, nowMs);
      }),
    patchGetter(Raft.prototype, "needsSnapshot", (needs) => isAsking || needs),
    patchGetter(Raft.prototype, "snapshotIndexMin", (index) => isAsking ? LogIndex(0) : index),
    patchStep((raft, event, step) => {
      const result = step.call(raft, event);
      const isOld = result.kind === "ignored" && result.reason === "not newer than what is here";
      if (event.kind !== "snapshotReceived" || !isOld) return result;
      taken.set(raft, { last: event.last, configuration: event.configuration });
      return { kind: "done" };
    }),
    patch(Raft.prototype, "hasReady", (has) =>
      function (this: Raft) {
        return taken.has(this) || has.call(this);
      }),
    patchReady((raft, ready) => {
      const snapshot = ready.snapshot ?? taken.get(raft);
      taken.delete(raft);
      return { ...ready, snapshot };
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
    name: "the checksum of a record on disk is not looked at",
    seeds: 40,
    needs: ["logBitRot"],
    plant: plantUncheckedRecords,
  },
  {
    name: "entries are sent that their checksum does not fit",
    seeds: 2,
    plant: () =>
      patchReady((_raft, ready) => ({ ...ready, messages: ready.messages.map(withDamage) })),
  },
  {
    name: "a snapshot older than the log is taken for news",
    seeds: 80,
    needs: ["snapshots", "kill"],
    plant: plantOldSnapshots,
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
  {
    name: "leases are judged by the time of the last tick",
    seeds: 40,
    needs: ["leases", "freeze"],
    alone: true,
    plant: plantUntimedReads,
  },
  {
    name: "a leader does not hear that its machine slept",
    seeds: 20,
    needs: ["leases", "suspend"],
    alone: true,
    plant: () =>
      patchStep((raft, event, step) =>
        event.kind === "suspended" ? { kind: "done" } : step.call(raft, event)
      ),
  },
];
