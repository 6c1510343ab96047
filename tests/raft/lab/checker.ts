/**
 * The properties that must always hold (design/simulation.md), checked while a run goes on, from
 * outside the core. Each failure names the property.
 */

import type { LogIndex, NodeId } from "../../../src/base/mod.ts";
import {
  commandOf,
  type Configuration,
  isQuorum,
  type LogEntry,
  type RaftMessage,
} from "../../../src/raft/mod.ts";
import type { LabSnapshot, SimulatedDisk } from "./disk.ts";

export class SafetyViolation extends Error {
  override readonly name = "SafetyViolation";
}

interface Known {
  readonly prevTerm: number;
  readonly text: string;
}

const decoder = new TextDecoder();

/** What an entry says, as text; a no-op says its kind. */
export function textOf(entry: LogEntry): string {
  return entry.kind === "command" ? decoder.decode(commandOf(entry)) : `(${entry.kind})`;
}

export class SafetyChecker {
  readonly #disks: ReadonlyMap<NodeId, SimulatedDisk>;
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  /** Every entry that was ever durable or sent, by term and index. */
  readonly #entries = new Map<string, Known>();
  /** What is committed, by index - 1. */
  readonly #committed: { term: number; text: string; isCommand: boolean }[] = [];

  constructor(disks: ReadonlyMap<NodeId, SimulatedDisk>) {
    this.#disks = disks;
  }

  get committedIndex(): number {
    return this.#committed.length;
  }

  /** Election safety (ES): at most one leader a term. */
  leads(node: NodeId, term: number): void {
    const other = this.#leaders.get(term);
    if (other === undefined) this.#leaders.set(term, node);
    else check(other === node, `two leaders in term ${term}: nodes ${other} and ${node}`);
  }

  /**
   * Log matching (LM): equal term and index mean an equal entry and an equal one before it. Of all
   * entries that were ever on a disk or on a link: what only memory had may be as if it never was.
   */
  exists(entry: LogEntry, prevTerm: number): void {
    const key = `${entry.term}:${entry.index}`;
    const known = this.#entries.get(key);
    const text = textOf(entry);
    if (known === undefined) this.#entries.set(key, { prevTerm, text });
    else {
      check(
        known.prevTerm === prevTerm && known.text === text,
        `two entries ${key}: ${known.text} behind term ${known.prevTerm}, ${text} behind ${prevTerm}`,
      );
    }
  }

  /**
   * Leader completeness (LC): what a leader calls committed is on a majority's disks: in the
   * configuration that was in effect then. It is committed now, or the newest one still.
   */
  committed(
    node: NodeId,
    index: LogIndex,
    entryAt: (index: number) => LogEntry | undefined,
    leads: readonly Configuration[],
  ): void {
    for (let at = this.#committed.length + 1; at <= index; at++) {
      const entry = entryAt(at);
      check(entry !== undefined, `node ${node} committed entry ${at}, which it does not have`);
      const isCommand = entry.kind === "command";
      this.#committed.push({ term: entry.term, text: textOf(entry), isCommand });
    }
    const entry = entryAt(index);
    if (entry === undefined || leads.length === 0) return;
    const has = (id: NodeId) => this.#disks.get(id)?.has(entry) ?? false;
    check(
      leads.some((configuration) => isQuorum(configuration, has)),
      `entry ${index} of term ${entry.term} is committed on node ${node}, but not by a quorum`,
    );
  }

  /** A snapshot is what the committed entries make of the machine. */
  installed(node: NodeId, { last, applied }: LabSnapshot): void {
    check(
      this.#committed[last.index - 1]?.term === last.term,
      `node ${node} installs a snapshot of entry ${last.index}, which is not committed`,
    );
    const commands = this.#committed.slice(0, last.index).filter(({ isCommand }) => isCommand);
    check(
      commands.length === applied.length && commands.every(({ text }, at) => text === applied[at]),
      `node ${node} installs a snapshot of entry ${last.index} that says something else`,
    );
  }

  /** State machine safety (SM): every node applies the committed entry. */
  applied(node: NodeId, entry: LogEntry): void {
    const known = this.#committed[entry.index - 1];
    check(known !== undefined, `node ${node} applied entry ${entry.index} before it was committed`);
    check(
      known.term === entry.term && known.text === textOf(entry),
      `node ${node} applied ${textOf(entry)} at ${entry.index}, others ${known.text}`,
    );
  }

  /** Persist before promise (PP): what a message promises is on its sender's disk. */
  sent(message: RaftMessage): void {
    const disk = this.#disks.get(message.from);
    if (disk === undefined) return;
    const { term, votedFor } = disk.hardState;
    const preVote = "preVote" in message && message.preVote;
    if (!preVote) {
      check(
        message.term <= term,
        `node ${message.from} sent term ${message.term}, disk has ${term}`,
      );
    }
    if (message.kind === "appendEntries") {
      let before = message.prev.term;
      for (const entry of message.entries) {
        this.exists(entry, before);
        before = entry.term;
      }
    } else if (message.kind === "requestVote" && !preVote) {
      check(
        term > message.term || votedFor === message.from,
        `node ${message.from} asks for votes in term ${term}, its disk's vote is ${votedFor}`,
      );
      this.#voted(message.from, message.term, message.from);
    } else if (message.kind === "requestVoteReply" && message.granted && !preVote) {
      check(
        term > message.term || votedFor === message.to,
        `node ${message.from} gives its vote to ${message.to}, its disk has ${votedFor}`,
      );
      this.#voted(message.from, message.term, message.to);
    } else if (message.kind === "appendEntriesReply" && message.conflict === undefined) {
      check(
        disk.last.index >= message.index,
        `node ${message.from} acknowledges ${message.index}, its disk ends at ${disk.last.index}`,
      );
    }
  }

  /** One vote a term, restarts included. */
  #voted(node: NodeId, term: number, candidate: NodeId): void {
    const key = `${node}:${term}`;
    const other = this.#votes.get(key);
    if (other === undefined) this.#votes.set(key, candidate);
    else check(other === candidate, `node ${node} voted for ${other} and ${candidate} in ${term}`);
  }
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new SafetyViolation(message);
}
