/**
 * The properties that must always hold (design/simulation.md), checked while a run goes on, from
 * outside the core. Each failure names the property.
 */

import type { LogIndex, NodeId } from "../../../src/base/mod.ts";
import { commandOf, type LogEntry, type RaftMessage } from "../../../src/raft/mod.ts";
import type { SimulatedDisk } from "./disk.ts";

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
  /** Every entry that ever existed, by term and index. */
  readonly #entries = new Map<string, Known>();
  /** What is committed, by index - 1. */
  readonly #committed: { term: number; text: string }[] = [];

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

  /** Log matching (LM): equal term and index mean an equal entry and an equal one before it. */
  appended(entry: LogEntry, prevTerm: number): void {
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

  /** Leader completeness (LC): what anyone calls committed is on a majority's disks. */
  committed(node: NodeId, index: LogIndex, log: readonly LogEntry[]): void {
    for (let at = this.#committed.length + 1; at <= index; at++) {
      const entry = log[at - 1];
      check(entry !== undefined, `node ${node} committed entry ${at}, which it does not have`);
      this.#committed.push({ term: entry.term, text: textOf(entry) });
    }
    const entry = log[index - 1];
    if (entry === undefined) return;
    let copies = 0;
    for (const disk of this.#disks.values()) if (disk.has(entry)) copies++;
    check(
      copies * 2 > this.#disks.size,
      `entry ${index} of term ${entry.term} is committed on node ${node} and on ${copies} disks`,
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
    if (message.kind === "requestVote" && !preVote) {
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
        disk.log.length >= message.index,
        `node ${message.from} acknowledges ${message.index}, its disk ends at ${disk.log.length}`,
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
