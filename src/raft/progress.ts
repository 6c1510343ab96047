/**
 * What a leader knows of one follower (Raft thesis §3.5, §10.2.1). `probe`: the common prefix is
 * not known, one append at a time looks for it. `replicate`: it is known, appends are pipelined.
 * `snapshot`: it needs entries that are here no more; nothing is appended until it has a snapshot.
 */

import type { LogIndex, NodeId } from "../base/mod.ts";
import { Inflight } from "./inflight.ts";
import type { RaftLimits } from "./options.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

/** A follower as metrics see it. */
export interface PeerProgress {
  readonly peer: NodeId;
  readonly state: ProgressState;
  /** On its disk for sure. */
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  /** Monotonic time, as in `tick`, of its last message; the election counts as one. */
  readonly lastContactMs: number;
}

/** How a joining member catches up, in rounds (thesis §4.2.1). */
export interface CatchUp {
  /** The end of the log when the round began. */
  lastIndex: LogIndex;
  startMs: number;
  /** A round took no longer than an election: the member may vote. */
  done: boolean;
}

/** Invariant: `matchIndex < nextIndex`; the window is empty except while replicating. */
export interface Progress extends PeerProgress {
  /** The mask of its votes (members.ts). */
  votes: number;
  /** Of a joining member. */
  catchUp: CatchUp | undefined;
  /** Up to when its promise holds (`lease.ts`). */
  leaseUntilMs: number;
  /** It is in the configuration no more: since when, and the entry that it has to learn of. */
  departed: { readonly sinceMs: number; readonly index: LogIndex } | undefined;
  state: ProgressState;
  matchIndex: LogIndex;
  nextIndex: LogIndex;
  lastContactMs: number;
  /** A probe is on its way. */
  probeSent: boolean;
  /** When the follower last acknowledged something new, or something was sent after a pause. */
  movedMs: number;
  /** The highest commit index that was sent and is covered by what was sent with it. */
  commitSent: LogIndex;
  /** The newest entry that clients of this follower wait for. */
  awaitedIndex: LogIndex;
  /** The newest round of reads that it has answered. */
  readRound: number;
  /** First index of the fetch that is outstanding; 0 for none. */
  fetchFirst: number;
  /** The window has not moved for a heartbeat: ask what the follower has. */
  nudge: boolean;
  readonly inflight: Inflight;
}

/** A follower at the start of a leader's term: nothing known but the leader's own log. */
export function newProgress(
  peer: NodeId,
  nextIndex: LogIndex,
  nowMs: number,
  limits: RaftLimits,
): Progress {
  return {
    peer,
    votes: 0,
    leaseUntilMs: -Infinity,
    catchUp: undefined,
    departed: undefined,
    state: "probe",
    matchIndex: 0 as LogIndex,
    nextIndex,
    lastContactMs: nowMs,
    probeSent: false,
    movedMs: nowMs,
    commitSent: 0 as LogIndex,
    awaitedIndex: 0 as LogIndex,
    readRound: 0,
    fetchFirst: 0,
    nudge: false,
    inflight: new Inflight(limits.inflightMessagesMax, limits.inflightBytesMax),
  };
}

/** Starts to look for the common prefix at `nextIndex`, which is above the match index. */
export function becomeProbe(progress: Progress, nextIndex: LogIndex): void {
  progress.state = "probe";
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1) as LogIndex;
  progress.probeSent = false;
  progress.nudge = false;
  progress.inflight.clear();
}

/** Nothing is sent before the follower has a snapshot. */
export function becomeSnapshot(progress: Progress): void {
  progress.state = "snapshot";
  progress.nudge = false;
  progress.fetchFirst = 0;
  progress.inflight.clear();
}

/**
 * Notes that the follower has everything up to `index`. False when that is no news. `firstIndex` is
 * the first entry that the leader could send.
 */
export function maybeAdvance(
  progress: Progress,
  index: LogIndex,
  nowMs: number,
  firstIndex: number,
): boolean {
  const advanced = index > progress.matchIndex;
  if (advanced) {
    progress.matchIndex = index;
    progress.movedMs = nowMs;
    if (progress.nextIndex <= index) progress.nextIndex = (index + 1) as LogIndex;
  }
  if (progress.state !== "replicate") {
    if (index < progress.matchIndex) return advanced;
    if (progress.state === "snapshot" && index + 1 < firstIndex) return advanced;
    progress.state = "replicate";
    progress.nextIndex = (progress.matchIndex + 1) as LogIndex;
    return true;
  }
  progress.inflight.freeUpTo(index);
  return advanced;
}

/** Whether clients of this follower wait to hear of what is committed up to `commitIndex`. */
export function awaitsCommit(progress: Progress, commitIndex: LogIndex): boolean {
  return progress.awaitedIndex > progress.commitSent &&
    Math.min(progress.matchIndex, commitIndex) > progress.commitSent;
}
