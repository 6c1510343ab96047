/**
 * The Raft protocol of one node, without I/O (architecture D1): events in with `step`, work out
 * with `takeReady`. It has no clock (time comes with `tick`) and no randomness but its seed, so the
 * same events give the same outcome. It is not the driver: it neither persists, sends nor applies.
 *
 * Source: Ongaro, "Consensus: Bridging Theory and Practice" (the Raft thesis).
 */

import { assert, type LogIndex, type NodeId, type Term } from "../base/mod.ts";
import type { Configuration } from "./configuration.ts";
import { armElectionTimer } from "./election_timer.ts";
import { flushFollower } from "./follower.ts";
import { promisedAtStartMs } from "./lease.ts";
import type { EntryId, LogEntry } from "./log_entry.ts";
import type { RaftMessage } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { PeerProgress } from "./progress.ts";
import type {
  Fetch,
  HardState,
  RaftEvent,
  ReadState,
  Ready,
  RoleState,
  SnapshotNeed,
  StepResult,
} from "./ready.ts";
import { flushLeader } from "./replication.ts";
import { fitRole } from "./roles.ts";
import { newState, type RaftState } from "./state.ts";
import { stepEvent } from "./step.ts";

const NO_ENTRIES: readonly LogEntry[] = [];
const NO_MESSAGES: readonly RaftMessage[] = [];
const NO_READS: readonly ReadState[] = [];
const NO_FETCHES: readonly Fetch[] = [];
const NO_SNAPSHOTS: readonly SnapshotNeed[] = [];

export class Raft {
  readonly #state: RaftState;
  #checkedTerm: Term;
  #checkedCommitIndex = 0;

  /** A follower that knows no leader; a single voter campaigns at the first tick. */
  constructor(options: RaftOptions) {
    this.#state = newState(options);
    this.#checkedTerm = this.#state.term;
    this.#state.timer.promisedUntilMs = promisedAtStartMs(this.#state);
    if (!this.#state.members.isQuorumAlone) armElectionTimer(this.#state);
  }

  /** Takes one event. Throws `AssertionError` on a bug, this program's or a peer's. */
  step(event: RaftEvent): StepResult {
    const result = stepEvent(this.#state, event);
    const { members, log } = this.#state;
    const { commitIndex } = log;
    if (commitIndex > this.#checkedCommitIndex && members.commitTo(commitIndex)) {
      fitRole(this.#state);
    }
    this.#assertInvariants();
    return result;
  }

  /** Whether `takeReady` would return work. May rarely say yes to an empty `Ready`. */
  hasReady(): boolean {
    const state = this.#state;
    const { outbox, log, role } = state;
    return state.flushDue || outbox.messages.length > 0 ||
      outbox.messagesAfterPersist.length > 0 || log.takenIndex < log.last.index ||
      log.commitIndex > state.takenCommitIndex || outbox.reads.length > 0 ||
      outbox.fetches.length > 0 || outbox.snapshot !== undefined ||
      outbox.snapshots.length > 0 || state.term !== state.takenTerm ||
      state.votedFor !== state.takenVotedFor ||
      ((role.kind === "follower" || role.kind === "learner") && role.ackDue);
  }

  /** Hands out everything since the last call. */
  takeReady(): Ready {
    const state = this.#state;
    const { outbox, log, role } = state;
    if (role.kind === "leader") flushLeader(state, role);
    else if (role.kind === "follower" || role.kind === "learner") flushFollower(state, role);
    const hardState = this.#takeHardState();
    const entries = log.takenIndex < log.last.index ? log.take() : NO_ENTRIES;
    const { snapshot } = outbox;
    const number = ++state.readyNumber;
    if (hardState !== undefined || entries.length > 0 || snapshot !== undefined) {
      state.outstanding.add(number, state.term, log.takenIndex);
    }
    const { messages, messagesAfterPersist, reads, fetches, snapshots } = outbox;
    if (messages.length > 0) outbox.messages = [];
    if (messagesAfterPersist.length > 0) outbox.messagesAfterPersist = [];
    if (reads.length > 0) outbox.reads = [];
    if (fetches.length > 0) outbox.fetches = [];
    if (snapshot !== undefined) outbox.snapshot = undefined;
    if (snapshots.length > 0) outbox.snapshots = [];
    state.takenCommitIndex = log.commitIndex;
    return {
      number,
      snapshot,
      hardState,
      entries,
      messages: messages.length > 0 ? messages : NO_MESSAGES,
      messagesAfterPersist: messagesAfterPersist.length > 0 ? messagesAfterPersist : NO_MESSAGES,
      commitIndex: log.commitIndex,
      reads: reads.length > 0 ? reads : NO_READS,
      fetches: fetches.length > 0 ? fetches : NO_FETCHES,
      snapshots: snapshots.length > 0 ? snapshots : NO_SNAPSHOTS,
    };
  }

  get role(): RoleState {
    return this.#state.role.kind;
  }
  get term(): Term {
    return this.#state.term;
  }
  get votedFor(): NodeId | undefined {
    return this.#state.votedFor;
  }
  /** This term's leader as far as known; on a leader itself. */
  get leaderId(): NodeId | undefined {
    const role = this.#state.role;
    if (role.kind === "leader") return this.#state.id;
    return role.kind === "follower" || role.kind === "learner" ? role.leaderId : undefined;
  }
  get commitIndex(): LogIndex {
    return this.#state.log.commitIndex;
  }
  get appliedIndex(): LogIndex {
    return this.#state.log.appliedIndex;
  }
  get lastEntry(): EntryId {
    return this.#state.log.last;
  }
  /** The entry before the log's first one: what is up to it is in a snapshot. */
  get logStart(): EntryId {
    return this.#state.log.start;
  }
  /** Whether this node votes, in the configuration that is in effect. */
  get isVoter(): boolean {
    return this.#state.members.ownVotes !== 0;
  }
  /** The members in effect: the newest configuration in the log, committed or not. */
  get configuration(): Configuration {
    return this.#state.members.configuration;
  }
  /** The entry that says `configuration`; 0 when it is from before the log. */
  get configurationIndex(): LogIndex {
    return this.#state.members.index;
  }
  /** The newest configuration that no other one can replace any more but a later change. */
  get committedConfiguration(): Configuration {
    return this.#state.members.committedConfiguration;
  }
  /** Whether it does not vote yet because its log may lack what it acknowledged (`mayVote`). */
  get isRecovering(): boolean {
    return this.#state.recoveringFrom !== undefined;
  }
  /** Whether nothing can be applied before a snapshot of a peer is here. */
  get needsSnapshot(): boolean {
    return this.#state.log.needsSnapshot;
  }
  /** The least that a snapshot must cover to be of use, here or on a follower that lacks entries. */
  get snapshotIndexMin(): LogIndex {
    return this.#state.log.snapshotIndexMin;
  }
  /** Records in memory that are not committed. */
  get uncommittedBytes(): number {
    return this.#state.log.uncommittedBytes;
  }
  /** The first entry that `entries` has; one more than the last entry's index when it has none. */
  get firstInMemory(): LogIndex {
    return this.#state.log.firstCached;
  }
  /** Whether this leader is handing over and refuses proposals. */
  get isTransferring(): boolean {
    const role = this.#state.role;
    return role.kind === "leader" && role.transfer !== undefined;
  }

  /** Reads of this process as leader that were answered by lease. */
  get readsByLease(): number {
    return this.#state.readsByLease;
  }

  /** The time at which the next tick has something to do; ticks before it are only for the clock. */
  get wakeAtMs(): number {
    const { role, timer } = this.#state;
    if (role.kind === "leader") return role.heartbeatDueMs;
    if (role.kind === "learner") return Infinity;
    return Math.max(timer.deadlineMs, timer.blockedUntilMs, timer.promisedUntilMs);
  }

  /** A leader's followers by rising id; none on anybody else. */
  progress(): readonly PeerProgress[] {
    const role = this.#state.role;
    if (role.kind !== "leader") return [];
    return role.peers.map(({ peer, state, matchIndex, nextIndex, lastContactMs }) => ({
      peer,
      state,
      matchIndex,
      nextIndex,
      lastContactMs,
    }));
  }

  /**
   * Entries `first` to at most `last`, as many as fit in `bytesMax` and at least one; undefined
   * when the first is not in memory: it is then on this node's disk, or not in the log. Read it
   * there only up to `firstInMemory - 1`: behind that the disk may still have entries that the log
   * has replaced and whose replacement is not written yet.
   */
  entries(first: LogIndex, last: LogIndex, bytesMax: number): readonly LogEntry[] | undefined {
    return this.#state.log.entries(first, last, bytesMax);
  }

  #takeHardState(): HardState | undefined {
    const state = this.#state;
    const { term, votedFor } = state;
    if (term === state.takenTerm && votedFor === state.takenVotedFor) return undefined;
    state.takenTerm = term;
    state.takenVotedFor = votedFor;
    return { term, votedFor };
  }

  /** After every step, in constant time. Constant messages: they are built each time. */
  #assertInvariants(): void {
    const { term, votedFor, role, log, id, members } = this.#state;
    assert(term >= this.#checkedTerm, "Cannot go on: the term fell");
    assert(log.commitIndex >= this.#checkedCommitIndex, "Cannot go on: the commit index fell");
    assert(log.appliedIndex <= log.commitIndex, "Cannot go on: applied more than is committed");
    assert(log.commitIndex <= log.last.index, "Cannot go on: committed more than the log has");
    assert(log.takenIndex <= log.last.index, "Cannot go on: handed out more than the log has");
    assert(log.stableIndex <= log.takenIndex, "Cannot go on: more is stable than handed out");
    assert(log.last.term <= term, "Cannot go on: the log is ahead of the term");
    assert(members.index <= log.last.index, "Cannot go on: the members are ahead of the log");
    if (role.kind === "follower" || role.kind === "learner") {
      const kind = members.mayLead ? "follower" : "learner";
      assert(role.kind === kind, "Cannot go on: the role does not fit the members");
    }
    if (role.kind === "candidate" || role.kind === "leader") {
      assert(votedFor === id, "Cannot go on: a candidate or leader did not vote for itself");
    }
    this.#checkedTerm = term;
    this.#checkedCommitIndex = log.commitIndex;
  }
}
