/**
 * The faults that must be met, each with the classes of the simulation that make it, and with the tests
 * of what lies below the simulation or beside it: real frames, copied directories, bugs of commands.
 */

import type { FaultClass } from "./plan.ts";

export interface FaultRow {
  readonly id: string;
  readonly fault: string;
  readonly classes: readonly FaultClass[];
  /** Files under `tests/`. */
  readonly tests?: readonly string[];
}

export const FAULT_MATRIX: readonly FaultRow[] = [
  { id: "N1", fault: "drop", classes: ["drop"] },
  { id: "N2", fault: "duplicate, replay", classes: ["duplicate", "replay"] },
  { id: "N3", fault: "reorder, delay", classes: ["reorder", "slowLinks"] },
  { id: "N4", fault: "symmetric partition", classes: ["partition", "island"] },
  { id: "N5", fault: "asymmetric partition", classes: ["asymmetric"] },
  { id: "N6", fault: "partial mesh", classes: ["partialMesh"] },
  { id: "N7", fault: "clog, slow link, tiny queue", classes: ["clog", "slowLinks"] },
  { id: "N8", fault: "swizzle", classes: ["swizzle"] },
  {
    id: "N9",
    fault: "reset within a frame, half-open socket",
    classes: ["reset"],
    tests: ["network/message_codec_test.ts", "network/link_test.ts"],
  },
  {
    id: "N10",
    fault: "bit flip or truncation in a frame",
    classes: ["damagedFrames"],
    tests: ["network/message_codec_test.ts", "network/admission_test.ts"],
  },
  {
    id: "N11",
    fault: "wrong node behind an address, wrong cluster",
    classes: ["moveMember"],
    tests: ["network/handshake_test.ts"],
  },
  { id: "N12", fault: "client link", classes: ["clientLinks"] },
  { id: "P1", fault: "crash anywhere", classes: ["kill", "crashInDiskOperation"] },
  { id: "P2", fault: "power cut", classes: ["powerCut", "tornTail"] },
  {
    id: "P3",
    fault: "crash in a storage step",
    classes: ["crashInDiskOperation", "crashInSnapshot", "faultInStart"],
    tests: ["simulation/failpoints_test.ts"],
  },
  { id: "P4", fault: "crash of all", classes: ["crashAll"] },
  { id: "P5", fault: "pause", classes: ["pause", "suspend", "freeze"] },
  { id: "P6", fault: "crash loop", classes: ["crashLoop"] },
  { id: "P7", fault: "mixed versions", classes: ["mixedVersions"] },
  {
    id: "P8",
    fault: "wiped node, with a new and with the old id",
    classes: ["wipeNode", "restartRemoved"],
    tests: ["e2e/membership_test.ts", "node/replacement_watch_test.ts"],
  },
  { id: "S1", fault: "sync fails once", classes: ["syncError", "faultInStart"] },
  { id: "S2", fault: "sync hangs", classes: ["hungSync", "faultInStart"] },
  { id: "S3", fault: "slow writes", classes: ["slowSync"] },
  { id: "S4", fault: "no space", classes: ["diskFull"] },
  { id: "S5", fault: "torn tail", classes: ["tornTail"] },
  { id: "S6", fault: "rot in the log", classes: ["logBitRot"] },
  { id: "S7", fault: "rot in term and vote", classes: ["stateBitRot"] },
  {
    id: "S8",
    fault: "rot in a snapshot, its index, a segment header",
    classes: ["snapshotBitRot", "logBitRot"],
  },
  { id: "S9", fault: "lost and misdirected writes", classes: ["lostWrite", "misdirectedWrite"] },
  {
    id: "S10",
    fault: "files missing",
    classes: ["missingFile", "missingSnapshot", "misplacedFile", "wipeNode"],
    tests: ["e2e/membership_test.ts"],
  },
  {
    id: "S11",
    fault: "directory entry not synced",
    classes: ["powerCut", "tornTail", "crashInSnapshot"],
    tests: ["storage/crash_test.ts"],
  },
  {
    id: "S12",
    fault: "two processes on one directory, or on copies of it",
    classes: ["secondProcess"],
    tests: ["network/handshake_test.ts", "e2e/identity_test.ts"],
  },
  { id: "C1", fault: "wall clock steps, drifts, wobbles", classes: ["wallJump", "wallDrift"] },
  { id: "C2", fault: "monotonic clocks differ", classes: ["clockDrift", "leases"] },
  { id: "C3", fault: "timers late or in a burst", classes: ["lateTimers", "timerBurst"] },
  {
    id: "M1",
    fault: "members change under load",
    classes: ["addMember", "removeMember", "changeStanding", "replaceMember", "moveMember"],
  },
  {
    id: "M2",
    fault: "competing changes over a term change",
    classes: ["shrinkAndGrow", "transferInChange"],
  },
  {
    id: "M3",
    fault: "isolated leader removes all others",
    classes: ["island"],
    tests: ["regressions/members_test.ts"],
  },
  { id: "M4", fault: "leader removes itself", classes: ["removeMember", "shrinkAndGrow"] },
  { id: "M5", fault: "leadership transfer", classes: ["transfer", "transferInChange"] },
  { id: "M6", fault: "learners asked to vote", classes: ["changeStanding", "addMember"] },
  {
    id: "M7",
    fault: "members from a snapshot of a snapshot",
    classes: ["snapshots", "takeSnapshot", "wipeNode"],
  },
  { id: "K1", fault: "retries", classes: ["clientLinks", "partition"] },
  { id: "K2", fault: "transactions over a change of leader", classes: ["clientLinks", "transfer"] },
  { id: "K3", fault: "keys that expire over a failover", classes: ["kill", "wallJump"] },
  {
    id: "K4",
    fault: "flood, slow reader, large values, deep pipelines",
    classes: ["flood"],
    tests: ["e2e/client_fault_test.ts"],
  },
  {
    id: "K5",
    fault: "commands with chance, time and order",
    classes: ["wallJump", "wallDrift"],
    tests: ["commands/properties_test.ts"],
  },
  { id: "K6", fault: "apply throws", classes: [], tests: ["node/poison_test.ts"] },
];
